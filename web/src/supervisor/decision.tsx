// One decision, opened: what could be done with what probability and value, what could not and why, what was retrieved, which versions.
import { useId, useState } from "preact/hooks";
import { actionInWords, sourcesInWords, whyInWords } from "../ui/codes.ts";
import { useI18n } from "../ui/i18n.tsx";
import { Icon } from "../ui/icons.tsx";
import { cx } from "../ui/parts.tsx";
import { oneLine } from "../ui/text.ts";
import type { DecisionRow } from "./types.ts";

export interface Choice {
  action: string;
  probability: number;
  value: number | null;
  taken: boolean;
}

/** What was eligible, most probable first; the taken one stands among them even where a rule forced it. */
export function choices(decision: DecisionRow): Choice[] {
  const rows = decision.eligible.map((action, i) => ({
    action,
    probability: decision.probabilities[i] ?? 0,
    value: decision.values[i] ?? null,
    taken: action === decision.action,
  }));
  if (!rows.some((row) => row.taken)) rows.push({ action: decision.action, probability: decision.propensity, value: null, taken: true });
  return rows.sort((a, b) => b.probability - a.probability || Number(b.taken) - Number(a.taken));
}

export function DecisionCard({ decision, currency, open, selected, onToggle }: {
  decision: DecisionRow;
  currency: string;
  open: boolean;
  selected: boolean;
  onToggle: () => void;
}) {
  const i18n = useI18n();
  const { t, f } = i18n;
  const id = useId();
  const silent = decision.kind === "none";
  return (
    <div class={cx("dec", selected && "on", silent && "silent")}>
      <button type="button" class="dec-head" aria-expanded={open} aria-controls={id} onClick={onToggle}>
        <span class={cx("twist", open && "open")}><Icon name="down" /></span>
        <b class="sm clip"><bdi>{t("decision.title", { action: actionInWords(i18n, decision.action) })}</bdi></b>
        {decision.explored && <span class="tag">{t("decision.explored")}</span>}
        {decision.holdout && <span class="tag">{t("group.holdout")}</span>}
        {decision.degraded.length > 0 && <span class="tag warn">{t("decision.degraded")}</span>}
        <span class="sp" />
        <span class="xs muted num">{t("decision.propensity", { p: f.probability(decision.propensity) })}</span>
      </button>
      {decision.overrides.length > 0 && <p class="xs dec-rule">{decision.overrides.map((rule) => i18n.word("override", rule)).join(" · ")}</p>}
      <div id={id} hidden={!open}>{open && <Opened decision={decision} currency={currency} />}</div>
    </div>
  );
}

function Opened({ decision, currency }: { decision: DecisionRow; currency: string }) {
  const i18n = useI18n();
  const { t, f } = i18n;
  const rows = choices(decision);
  const most = Math.max(0.01, ...rows.map((row) => row.probability));
  const versions = Object.entries(decision.versions).map(([part, version]) => `${i18n.word("version", part)} ${oneLine(String(version), 40)}`);
  return (
    <div class="dec-body">
      <table class="bars">
        <thead><tr><th scope="col">{t("decision.eligible")}</th><th scope="col"><span class="hidden">{t("decision.share")}</span></th><th scope="col">{t("decision.probability")}</th><th scope="col">{t("decision.value")}</th></tr></thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row.action} class={row.taken ? "on" : undefined}>
              <th scope="row"><bdi>{actionInWords(i18n, row.action)}</bdi>{row.taken && <span class="hidden"> ({t("decision.taken")})</span>}</th>
              <td class="bar-cell"><svg viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true"><rect width={Math.max(1.5, (100 * row.probability) / most)} height="8" rx="2" /></svg></td>
              <td class="num">{f.probability(row.probability)}</td>
              <td class="num">{row.value === null ? "—" : f.money(Math.round(row.value), currency, true)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {decision.ineligible.length > 0 && <Ineligible decision={decision} />}
      {decision.candidates.length > 0 && <Candidates decision={decision} />}
      {decision.degraded.length > 0 && <p class="xs dec-warn">{t("decision.degraded_why", { why: decision.degraded.map((code) => i18n.word("degraded", code)).join(" · ") })}</p>}
      {decision.not_delivered && <p class="xs dec-warn">{t("decision.not_delivered", { why: i18n.word("not_delivered", decision.not_delivered) })}</p>}
      <p class="xs muted num dec-facts">
        {[
          ...versions,
          t("decision.floor", { floor: f.probability(decision.floor) }),
          t("decision.latency", { ms: f.count(decision.latency_ms) }),
          decision.cost ? t("decision.cost", { cost: f.money(decision.cost, currency) }) : "",
        ].filter(Boolean).map((fact) => <bdi key={fact}>{fact}</bdi>)}
        <bdi title={decision.seed}>{t("decision.seed", { seed: oneLine(decision.seed, 12) })}</bdi>
      </p>
    </div>
  );
}

/** What was not allowed, together by reason: many may stand behind one. */
function Ineligible({ decision }: { decision: DecisionRow }) {
  const i18n = useI18n();
  const by = new Map<string, string[]>();
  for (const { action, why } of decision.ineligible) by.set(why, [...(by.get(why) ?? []), action]);
  return (
    <dl class="not xs">
      <dt>{i18n.t("decision.ineligible")}</dt>
      {[...by].map(([why, actions]) => (
        <dd key={why}><b>{i18n.word("ineligible", why)}</b>: <bdi>{actions.slice(0, 4).map((action) => actionInWords(i18n, action)).join(", ")}{actions.length > 4 ? ` +${actions.length - 4}` : ""}</bdi></dd>
      ))}
    </dl>
  );
}

const FEW = 4;

function Candidates({ decision }: { decision: DecisionRow }) {
  const i18n = useI18n();
  const { t, f } = i18n;
  const [all, setAll] = useState(false);
  const sorted = [...decision.candidates].sort((a, b) => (a.rank ?? 0) - (b.rank ?? 0));
  const shown = all ? sorted : sorted.slice(0, FEW);
  return (
    <table class="found">
      <thead><tr><th scope="col">{t("decision.candidates")}</th><th scope="col">{t("decision.why")}</th><th scope="col">{t("decision.score")}</th></tr></thead>
      <tbody>
        {shown.map((candidate) => (
          <tr key={`${candidate.kind}-${candidate.id}`}>
            <th scope="row"><bdi>{oneLine(candidate.id, 60)}</bdi></th>
            <td>{[whyInWords(i18n, candidate.why ?? []), sourcesInWords(i18n, candidate.sources ?? {})].filter(Boolean).map((line) => <span key={line} class="block">{line}</span>)}</td>
            <td class="num">{candidate.score === undefined ? "" : f.count(candidate.score, 2)}</td>
          </tr>
        ))}
      </tbody>
      {sorted.length > shown.length && <tfoot><tr><td colSpan={3}><button type="button" class="link xs" onClick={() => setAll(true)}>{t("decision.all_candidates", { n: sorted.length })}</button></td></tr></tfoot>}
    </table>
  );
}
