// The models: who serves, who challenges, their cards and figures side by side, what the gate said, and the moves between them.
import { Fragment, type ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { query, type Api } from "../ui/api.ts";
import { useLoad } from "../ui/hooks.ts";
import { useI18n, type I18n } from "../ui/i18n.tsx";
import { Band, Button, Failed, Loading, Name, Section, cx } from "../ui/parts.tsx";
import { oneLine } from "../ui/text.ts";
import { Markdown } from "./markdown.tsx";
import { MoveDialog, type Wish } from "./move.tsx";
import { ReportTable, type Report } from "./reports.tsx";
import type { Place } from "./place.ts";
import type { Check, Figure, Gate, ModelLine, Registry } from "./types.ts";

const DAY_MS = 86_400_000;
const LOOK_BACK_DAYS = 90;
/** Compared beside the champion. */
const MOST_COMPARED = 3;

interface Props {
  api: Api;
  place: Place;
  setPlace: (place: Place) => void;
  currency: string;
}

export function Models({ api, place, setPlace, currency }: Props) {
  const i18n = useI18n();
  const { t } = i18n;
  const [loaded, reload] = useLoad("models", (signal) => api.get<Registry>("/api/review/models", signal));
  const [wish, setWish] = useState<Wish | null>(null);
  const [done, setDone] = useState("");
  const content = useRef<HTMLElement>(null);
  useEffect(() => content.current?.focus({ preventScroll: true }), []);
  const data = loaded.data;
  return (
    <main class="report models" id="content" tabIndex={-1} ref={content} aria-label={t("nav.models")}>
      <header class="row wrap report-head">
        <h2 class="title">{t("nav.models")}</h2>
        <span class="sm good" role="status">{done}</span>
      </header>
      <p class="sm muted">{t("models.lead")}</p>
      {!data && loaded.state === "loading" && <Loading label={t("loading")} lines={10} />}
      {!data && loaded.state === "error" && <Failed error={loaded.error} retry={reload} />}
      {data && (
        <>
          {data.refused && <p class="banner bad" role="alert">{t("models.refused_now")} <bdi>{oneLine(data.refused, 200)}</bdi></p>}
          {!data.may_move && <p class="sm muted">{t(data.movable ? "models.only_admin" : "models.not_movable")}</p>}
          <ul class="model-cards" aria-label={t("models.label")}>
            {data.models.map((model) => <li key={model.version}><ModelCard model={model} registry={data} wish={setWish} /></li>)}
          </ul>
          {data.models.length === 1 && <p class="sm muted">{t("models.alone")}</p>}
          <Comparison data={data} />
          <Watch api={api} name="calibration" place={place} setPlace={setPlace} currency={currency} />
          <Watch api={api} name="drift" place={place} setPlace={setPlace} currency={currency} />
          <Journal data={data} />
        </>
      )}
      {wish && data && (
        <MoveDialog api={api} wish={wish} champion={data.champion} onClose={() => setWish(null)} onDone={() => {
          setDone(t(`models.done_${wish.what}`));
          setWish(null);
          reload();
        }} />
      )}
    </main>
  );
}

const TONES: Readonly<Record<string, string>> = { champion: "good", passed: "good", refused: "bad", damaged: "bad", canary: "warn", shadow: "warn" };

function ModelCard({ model, registry, wish }: { model: ModelLine; registry: Registry; wish: (wish: Wish) => void }) {
  const i18n = useI18n();
  const { t, f, word } = i18n;
  const state = model.state === "canary" ? t("models.canary_share", { share: f.percent(registry.share, 1) }) : word("model_state", model.state);
  const health = registry.serving.find((one) => one.version === model.version);
  const loads = model.state !== "damaged";
  const serves = loads && model.gate?.passed === true && model.gate.champion === registry.champion;
  const at = (what: Wish["what"]): (() => void) => () => wish({ what, version: what === "rollback" ? registry.before! : model.version, share: registry.share });
  const buttons: ComponentChildren[] = [];
  const { state: is } = model;
  if (registry.may_move && loads) {
    if (is === "champion" && registry.before) buttons.push(<Button key="back" look="danger" onClick={at("rollback")}>{t("models.rollback")}</Button>);
    if (is !== "champion" && serves) buttons.push(<Button key="promote" look="primary" onClick={at("promote")}>{t("models.promote")}</Button>);
    if (is !== "champion" && serves) buttons.push(<Button key="canary" onClick={at("canary")}>{t(is === "canary" ? "models.change_share" : "models.canary")}</Button>);
    if (is !== "champion" && is !== "shadow") buttons.push(<Button key="shadow" onClick={at("shadow")}>{t(is === "canary" ? "models.only_shadow" : "models.let_shadow")}</Button>);
    if (is === "shadow" || is === "canary") buttons.push(<Button key="withdraw" onClick={at("withdraw")}>{t("models.withdraw")}</Button>);
  }
  return (
    <article class={cx("model", is === "champion" && "on")} aria-label={oneLine(model.version, 80)}>
      <header class="row wrap">
        <h3 class="model-name"><bdi>{oneLine(model.version, 80)}</bdi></h3>
        <span class="sp" />
        <span class={cx("tag", TONES[is])}>{state}</span>
      </header>
      {!loads && <p class="sm bad"><bdi>{oneLine(model.why ?? "", 240)}</bdi></p>}
      {loads && (
        <dl class="kv model-facts">
          <div><dt>{t("models.encoder")}</dt><dd><bdi>{oneLine(model.encoder ?? "—", 40)}</bdi></dd></div>
          {model.bands && <div><dt>{t("models.bands")}</dt><dd class="row wrap"><Band band="elevated" risk={model.bands.elevated} /><Band band="high" risk={model.bands.high} /></dd></div>}
          {health && (
            <div>
              <dt>{t("models.health")}</dt>
              <dd class="num">{health.turns === 0 ? t("models.no_turns") : t("models.health_is", { n: health.turns, turns: f.count(health.turns), failed: f.percent(health.failed, 1), ms: f.count(health.p95_ms, 1) })}</dd>
            </div>
          )}
        </dl>
      )}
      {loads && is !== "champion" && <GateReport gate={model.gate ?? null} champion={registry.champion} />}
      {model.card && <details class="model-more"><summary class="sm">{t("models.card")}</summary><Markdown text={model.card} label={t("models.card")} /></details>}
      {buttons.length > 0 && <div class="row wrap model-moves">{buttons}</div>}
    </article>
  );
}

function GateReport({ gate, champion }: { gate: Gate | null; champion: string }) {
  const i18n = useI18n();
  const { t, word } = i18n;
  if (!gate) return <p class="sm muted">{t("models.no_gate")}</p>;
  const stale = gate.champion !== champion;
  const failed = gate.checks.filter((check) => !check.passed).length;
  return (
    <details class="model-more">
      <summary class="sm">
        <b class={gate.passed ? "good" : "bad"}>{gate.passed ? t("models.gate_passed") : t("models.gate_refused", { n: failed })}</b>
        {stale && <span class="muted"> · {t("models.gate_stale")}</span>}
      </summary>
      <p class="xs muted">{t("models.gate_against")} <bdi>{oneLine(gate.champion, 80)}</bdi>{gate.training_set && <> · {t("models.training_set")} <bdi>{oneLine(gate.training_set, 80)}</bdi></>}</p>
      {gate.checks.length > 0 && (
        <table class="checks">
          <thead><tr><th scope="col">{t("models.check")}</th><th scope="col">{t("models.measured")}</th><th scope="col">{t("models.limit")}</th></tr></thead>
          <tbody>
            {gate.checks.map((check, i) => (
              <tr key={i}>
                <th scope="row"><span class={check.passed ? "good" : "bad"} aria-hidden="true">{check.passed ? "✓" : "✗"}</span> {word("check", check.name)} <span class="hidden">{t(check.passed ? "models.check_passed" : "models.check_failed")}</span></th>
                <td class="num">{measured(i18n, check)}</td>
                <td class="num">{check.limit === null ? "—" : i18n.f.count(check.limit, 4)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </details>
  );
}

/** What a check saw: a figure with its interval, else what it says of itself. */
function measured(i18n: I18n, check: Check): ComponentChildren {
  if (check.figure) return figureInWords(i18n, check.figure);
  return check.detail ? <span lang="en" dir="auto">{oneLine(check.detail, 160)}</span> : "—";
}

function figureInWords({ f, t }: I18n, figure: Pick<Figure, "value" | "low" | "high">): string {
  if (figure.value === null) return "—";
  const value = number(f, figure.value);
  return figure.low === null || figure.high === null ? value : t("models.figure", { value, low: number(f, figure.low), high: number(f, figure.high) });
}

const number = (f: I18n["f"], value: number): string => (Number.isInteger(value) ? f.count(value) : f.fixed(value, 3));

export interface FigureRow {
  group: string;
  name: string;
  values: (Figure | null)[];
}

/** The figures of several models under each other's names, in the order of the first that has them. */
export function figureRows(models: readonly Pick<ModelLine, "figures">[]): FigureRow[] {
  const names = [...new Set(models.flatMap((model) => (model.figures ?? []).map((figure) => figure.name)))];
  return names.map((path) => {
    const at = path.lastIndexOf(".");
    return {
      group: at < 0 ? "" : path.slice(0, at),
      name: path.slice(at + 1),
      values: models.map((model) => model.figures?.find((figure) => figure.name === path) ?? null),
    };
  }).sort((a, b) => groupOrder(names, a.group) - groupOrder(names, b.group));
}

const groupOrder = (names: readonly string[], group: string): number => names.findIndex((name) => name.slice(0, Math.max(0, name.lastIndexOf("."))) === group);

function Comparison({ data }: { data: Registry }) {
  const i18n = useI18n();
  const { t, word } = i18n;
  const rest = data.models.filter((model) => model.version !== data.champion && model.state !== "damaged");
  const [picked, setPicked] = useState<readonly string[] | null>(null);
  const chosen = picked ?? rest.slice(0, MOST_COMPARED - 1).map((model) => model.version);
  const champion = data.models.find((model) => model.version === data.champion);
  const shown = [...(champion ? [champion] : []), ...rest.filter((model) => chosen.includes(model.version))];
  const rows = figureRows(shown);
  if (rows.length === 0) return null;
  const toggle = (version: string): void => setPicked(chosen.includes(version) ? chosen.filter((one) => one !== version) : [...chosen, version].slice(-MOST_COMPARED));
  return (
    <Section title={t("models.side_by_side")} class="model-part">
      {rest.length > 0 && (
        <div class="chips" role="group" aria-label={t("models.compare")}>
          {rest.map((model) => <button key={model.version} type="button" class="chip" aria-pressed={chosen.includes(model.version)} onClick={() => toggle(model.version)}><bdi>{oneLine(model.version, 60)}</bdi></button>)}
        </div>
      )}
      <div class="report-table" tabIndex={0} role="group" aria-label={t("models.side_by_side")}>
        <table class="plain figures">
          <thead><tr><th scope="col">{t("models.figure_name")}</th>{shown.map((model) => <th key={model.version} scope="col"><bdi>{oneLine(model.version, 60)}</bdi><br /><span class="muted">{word("model_state", model.state)}</span></th>)}</tr></thead>
          <tbody>
            {rows.map((row, i) => (
              <Fragment key={`${row.group}.${row.name}`}>
                {row.group !== rows[i - 1]?.group && <tr><th scope="colgroup" colSpan={shown.length + 1} class="b">{groupInWords(i18n, row.group)}</th></tr>}
                <tr>
                  <th scope="row">{i18n.known(`metric.${row.name}`) ? word("metric", row.name) : i18n.known(`reason.${row.name}`) ? word("reason", row.name) : oneLine(row.name, 60)}</th>
                  {row.values.map((figure, j) => <td key={j} class="num">{figure ? figureInWords(i18n, figure) : "—"}</td>)}
                </tr>
              </Fragment>
            ))}
          </tbody>
        </table>
      </div>
      <p class="xs muted">{t("models.own_data")}</p>
    </Section>
  );
}

const groupInWords = ({ word }: I18n, group: string): string => group.split(".").map((part) => word("metric_group", part)).join(" · ");

/** Calibration or drift of what is served, as in the reports. */
function Watch({ api, name, place, setPlace, currency }: Props & { name: "calibration" | "drift" }) {
  const { t, word } = useI18n();
  const until = Math.ceil(Date.now() / DAY_MS) * DAY_MS;
  const path = `/api/review/reports/${name}${query({ since: until - LOOK_BACK_DAYS * DAY_MS, until })}`;
  const [loaded, reload] = useLoad(path, (signal) => api.get<Report>(path, signal));
  return (
    <Section title={word("report", name)} aside={<span class="xs muted">{t("reports.days", { n: LOOK_BACK_DAYS })}</span>} class="model-part">
      <p class="sm muted">{word("report_means", name)}</p>
      {!loaded.data && loaded.state === "loading" && <Loading label={t("loading")} lines={5} />}
      {!loaded.data && loaded.state === "error" && <Failed error={loaded.error} retry={reload} />}
      {loaded.data && loaded.data.rows.length === 0 && <p class="sm muted">{t("reports.nothing")}</p>}
      {loaded.data && loaded.data.rows.length > 0 && <ReportTable report={loaded.data} place={place} setPlace={setPlace} currency={currency} />}
    </Section>
  );
}

function Journal({ data }: { data: Registry }) {
  const { t, f, word } = useI18n();
  return (
    <Section title={t("models.journal")} class="model-part">
      {data.journal.length === 0 ? <p class="sm muted">{t("models.no_moves")}</p> : (
        <div class="report-table" tabIndex={0} role="group" aria-label={t("models.journal")}>
          <table class="plain journal">
            <thead><tr><th scope="col">{t("audit.when")}</th><th scope="col">{t("audit.what")}</th><th scope="col">{t("models.model")}</th><th scope="col">{t("models.why")}</th><th scope="col">{t("audit.who")}</th></tr></thead>
            <tbody>
              {data.journal.map((move, i) => (
                <tr key={i}>
                  <th scope="row" class="num">{move.at === null ? "—" : f.dateTime(move.at)}</th>
                  <td>{word("move", move.what)}{move.what === "canary" && ` ${f.percent(move.share, 1)}`}</td>
                  <td><bdi>{oneLine(move.version, 60)}</bdi></td>
                  <td class="journal-why" dir="auto">{oneLine(move.reason, 500) || "—"}</td>
                  <td>{move.by ? <Name name={move.by} /> : "—"}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Section>
  );
}
