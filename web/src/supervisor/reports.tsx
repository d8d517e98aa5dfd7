// Reports: a picture with its table behind it; every line opens to the transcripts that it counts.
import { useState } from "preact/hooks";
import { query, type Api } from "../ui/api.ts";
import { useLoad } from "../ui/hooks.ts";
import { useI18n, type I18n } from "../ui/i18n.tsx";
import { Icon } from "../ui/icons.tsx";
import { Choice, Empty, Failed, Loading, cx } from "../ui/parts.tsx";
import { actionInWords } from "../ui/codes.ts";
import { oneLine } from "../ui/text.ts";
import { Chart } from "./chart.tsx";
import { PERIODS, drillPlace, writePlace, type Place } from "./place.ts";

const REPORTS = ["volume", "response", "csat", "escalation", "retention", "churn-by-reason", "churn-by-product", "churn-by-category", "churn-by-language", "churn-by-channel", "offers", "agents", "calibration", "drift"];
const DAY_MS = 86_400_000;

type Cell = string | number | null;

export interface Report {
  name: string;
  since: number;
  until: number;
  columns: { name: string; unit: string }[];
  rows: Cell[][];
  drill: Record<string, unknown>[];
}

export function Reports({ api, place, setPlace, currency }: { api: Api; place: Place; setPlace: (place: Place) => void; currency: string }) {
  const { t, word } = useI18n();
  const name = place.report && REPORTS.includes(place.report) ? place.report : REPORTS[0]!;
  // Whole days, so that the same period is the same address all day long.
  const until = Math.ceil(Date.now() / DAY_MS) * DAY_MS;
  const period = query({ since: until - place.days * DAY_MS, until });
  const path = `/api/review/reports/${name}`;
  const [loaded, reload] = useLoad(path + period, (signal) => api.get<Report>(path + period, signal));
  const report = loaded.data;
  return (
    <main class="reports" id="content" tabIndex={-1} aria-label={t("nav.reports")}>
      <nav class="report-names" aria-label={t("reports.label")}>
        <ul>
          {REPORTS.map((one) => (
            <li key={one}><a class="navlink" href={`/supervisor${writePlace({ ...place, report: one })}`} aria-current={one === name ? "page" : undefined}
              onClick={(event) => { if (event.metaKey || event.ctrlKey) return; event.preventDefault(); setPlace({ ...place, report: one }); }}>{word("report", one)}</a></li>
          ))}
        </ul>
      </nav>
      <section class="report" aria-label={word("report", name)} tabIndex={0}>
        <header class="row wrap report-head">
          <h2 class="title">{word("report", name)}</h2>
          <span class="sp" />
          <Choice label={t("reports.period")} value={String(place.days)} options={PERIODS.map((days) => ({ value: String(days), label: t("reports.days", { n: days }) }))}
            onChange={(days) => setPlace({ ...place, days: Number(days) })} class="bare legend-hidden" />
          <a class="row xs csv" href={`${path}/export.csv${period}`} download={`${name}.csv`}><Icon name="download" />CSV</a>
        </header>
        <p class="sm muted">{word("report_means", name)}</p>
        {!report && loaded.state !== "error" && <Loading label={t("loading")} lines={8} />}
        {!report && loaded.state === "error" && <Failed error={loaded.error} retry={reload} />}
        {report && isEmpty(report) && <Empty title={t("reports.nothing")} icon="chart">{t("reports.nothing_text")}</Empty>}
        {report && !isEmpty(report) && <ReportTable key={name} report={report} place={place} setPlace={setPlace} currency={currency} />}
      </section>
    </main>
  );
}

/** First columns that are moments: their reports have a picture. */
const TIMES: ReadonlySet<string> = new Set(["day", "week", "month", "score"]);
/** Columns that `low` and `high` are the interval of. */
const BOUNDED: ReadonlySet<string> = new Set(["lead", "observed"]);

function cellInWords(i18n: I18n, unit: string, value: Cell, currency: string): string {
  if (value === null) return "—";
  if (typeof value === "string") return oneLine(value, 80);
  switch (unit) {
    case "share":
      return i18n.f.percent(value, 1);
    case "seconds":
      return i18n.f.span(value * 1000);
    case "money":
      return i18n.f.money(Math.round(value), currency);
    case "score":
      return i18n.f.probability(value);
    case "change":
      return i18n.f.change(value);
    case "points":
      return i18n.t("figure.points", { points: (value < 0 ? "−" : "+") + i18n.f.fixed(Math.abs(value), 1) });
    case "rating":
      return i18n.f.fixed(value, 2);
    default:
      return i18n.f.count(value, 1);
  }
}

/** The name of a line: codes in words, days as dates. */
function lineInWords(i18n: I18n, column: string, value: Cell): string {
  const text = typeof value === "string" ? value : String(value ?? "—");
  if (column === "reason") return i18n.known(`reason.${text}`) ? i18n.word("reason", text) : i18n.word("task_reason", text);
  if (column === "offer") return actionInWords(i18n, `offer:${text}`);
  if (column === "month") return text === "all" ? i18n.t("reports.all") : text;
  if ((column === "day" || column === "week") && !Number.isNaN(Date.parse(text))) return i18n.f.date(Date.parse(text));
  return oneLine(text, 80);
}

/** Whether there is nothing to show: no line, or, where the lines stand there anyway (each day, each band of scores), no figure in any. */
export function isEmpty({ rows, columns }: Report): boolean {
  return rows.length === 0 || (TIMES.has(columns[0]!.name) && rows.every((row) => row.slice(1).every((cell) => !cell)));
}

export function ReportTable({ report, place, setPlace, currency }: { report: Report; place: Place; setPlace: (place: Place) => void; currency: string }) {
  const i18n = useI18n();
  const { t, word } = i18n;
  const drawable = report.columns.map((_, i) => i).filter((i) => i > 0 && report.rows.some((row) => typeof row[i] === "number" && row[i] !== 0));
  const [drawn, setDrawn] = useState(drawable[0] ?? 1);
  const column = report.columns[drawn] ?? report.columns[0]!;
  const most = Math.max(...report.rows.map((row) => (typeof row[drawn] === "number" ? Math.abs(row[drawn]) : 0)), column.unit === "share" || column.unit === "score" ? 0.01 : 1);
  const pictured = TIMES.has(report.columns[0]!.name);
  const [low, high] = ["low", "high"].map((name) => report.columns.findIndex((one) => one.name === name));
  const interval = BOUNDED.has(column.name) && low! > 0 && high! > 0;
  const at = (row: readonly Cell[], i: number): number | null => (typeof row[i] === "number" ? row[i] : null);
  return (
    <>
      {pictured && (
        <Chart
          columns={column.unit === "count"}
          say={(tick) => cellInWords(i18n, column.unit, tick, currency)}
          points={report.rows.filter((row) => row[0] !== "all").map((row) => ({
            label: lineInWords(i18n, report.columns[0]!.name, row[0] ?? null),
            value: at(row, drawn),
            ...(interval ? { low: at(row, low!), high: at(row, high!) } : {}),
          }))}
        />
      )}
      <div class="report-table" tabIndex={0} role="group" aria-label={word("report", report.name)}>
        <table class="plain">
          <caption class="hidden">{word("report", report.name)}</caption>
          <thead>
            <tr>
              {report.columns.map((one, i) => (
                <th key={one.name} scope="col" aria-sort="none" class={i === drawn ? "drawn" : undefined}>
                  {i === 0 ? word("column", one.name) : <button type="button" class="link" aria-pressed={i === drawn} title={t("reports.draw")} onClick={() => setDrawn(i)}>{word("column", one.name)}</button>}
                </th>
              ))}
              {!pictured && <th scope="col" class="bar-head">{word("column", column.name)}</th>}
            </tr>
          </thead>
          <tbody>
            {report.rows.map((row, i) => {
              const drill = report.drill[i];
              const name = lineInWords(i18n, report.columns[0]!.name, row[0] ?? null);
              const to = drill && Object.keys(drill).length > 0 ? drillPlace(place, drill) : null;
              const value = row[drawn];
              return (
                <tr key={i}>
                  <th scope="row">{to
                    ? <a href={`/supervisor${writePlace(to)}`} onClick={(event) => { if (event.metaKey || event.ctrlKey) return; event.preventDefault(); setPlace(to); }}><bdi>{name}</bdi></a>
                    : <bdi>{name}</bdi>}</th>
                  {row.slice(1).map((cell, j) => <td key={j} class={cx("num", j + 1 === drawn && "drawn")}>{cellInWords(i18n, report.columns[j + 1]?.unit ?? "", cell, currency)}</td>)}
                  {!pictured && <td class="bar-cell"><svg viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true"><rect width={typeof value === "number" ? (100 * Math.abs(value)) / most : 0} height="8" rx="1" /></svg></td>}
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
      <p class="xs muted">{t("reports.hint")}</p>
    </>
  );
}
