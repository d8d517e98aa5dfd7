// The figures on top. One that too few rows stand behind is shown as a dash that says so, never as a guess.
import type { ComponentChildren } from "preact";
import { Spark } from "../ui/curve.tsx";
import type { Loaded } from "../ui/hooks.ts";
import { useI18n } from "../ui/i18n.tsx";
import { Failed, Loading, cx } from "../ui/parts.tsx";
import type { Figures } from "./types.ts";

function Tile({ title, value, children, tone }: { title: string; value?: string | null; children?: ComponentChildren; tone?: "high" }) {
  const { t } = useI18n();
  return (
    <div class="tile">
      <dt class="xs muted">{title}</dt>
      {value !== undefined && <dd class={cx("figure num", tone, value === null && "none")}>{value ?? "—"}</dd>}
      <dd class="xs muted num">{value === null ? t("figure.too_little") : children}</dd>
    </div>
  );
}

export function FigureTiles({ figures, retry }: { figures: Loaded<Figures>; retry: () => void }) {
  const { t, f } = useI18n();
  const data = figures.data;
  if (!data) {
    return <section class="tiles" aria-label={t("figure.label")}>{figures.state === "error" ? <Failed error={figures.error} retry={retry} /> : <Loading label={t("loading")} lines={2} />}</section>;
  }
  const { retention, first_response_s: first, offers } = data;
  const points = (value: number): string => (value < 0 ? "−" : "+") + f.fixed(Math.abs(value), 1);
  const seconds = (value: number | null): string => (value === null ? "—" : f.span(value * 1000));
  const weeks = data.churn_weekly.filter((week): week is typeof week & { churn: number } => week.churn !== null);
  const rising = weeks.length > 1 ? weeks.at(-1)!.churn - weeks.at(-2)!.churn : 0;
  return (
    <section class="tiles-box" aria-label={t("figure.label")} tabIndex={0}><dl class="tiles">
      <Tile title={t("figure.retention")} value={retention && t("figure.points", { points: points(retention.lift_pt) })}>
        {retention && t("figure.retention_more", { low: points(retention.low), high: points(retention.high), n: f.count(retention.n) })}
      </Tile>
      <Tile title={t("figure.high")} value={f.count(data.high_risk_now)} {...(data.high_risk_now > 0 ? { tone: "high" as const } : {})}>
        {data.waiting > 0 ? t("figure.waiting", { n: data.waiting, longest: f.clock((data.longest_wait_s ?? 0) * 1000) }) : t("figure.nobody_waits")}
      </Tile>
      <Tile title={t("figure.first")} value={first.bot === null && first.agent === null ? null : `${seconds(first.bot)} · ${seconds(first.agent)}`}>{t("figure.first_more")}</Tile>
      <Tile title={t("figure.escalations")} value={f.count(data.escalations)}>
        {t("figure.escalations_more", { n: f.count(data.conversations) })}
      </Tile>
      <Tile title={t("figure.offers")} value={f.money(offers.spent, offers.currency)}>{t("figure.offers_more", { budget: f.money(offers.budget, offers.currency) })}</Tile>
      <Tile title={t("figure.csat")} value={data.csat === null ? null : f.fixed(data.csat, 2)}>{t("figure.csat_more")}</Tile>
      {weeks.length > 1
        ? <div class="tile">
            <dt class="xs muted">{t("figure.churn")}</dt>
            <dd><Spark values={weeks.map((week) => week.churn)} label={t("figure.churn_label", { course: weeks.map((week) => f.probability(week.churn)).join(", ") })} /></dd>
            <dd class="xs muted num">{t("figure.churn_more", { churn: f.probability(weeks.at(-1)!.churn), change: f.change(rising) })}</dd>
          </div>
        : <Tile title={t("figure.churn")} value={null} />}
    </dl></section>
  );
}
