// The right side: the supervisor's verdict, why the score was what it was, what came of it, and what another model would have said.
import { useState } from "preact/hooks";
import { asApiError, type Api, type ApiError } from "../ui/api.ts";
import { turnNumber } from "../ui/bundle.ts";
import { actionInWords } from "../ui/codes.ts";
import { driverInWords } from "../ui/drivers.tsx";
import { useI18n } from "../ui/i18n.tsx";
import { Button, Choice, Section, cx } from "../ui/parts.tsx";
import type { Driver } from "../ui/drivers.tsx";
import { oneLine } from "../ui/text.ts";
import { Scorecard } from "./scorecard.tsx";
import type { DecisionRow, OutcomeRow, ReviewRow, Transcript } from "./types.ts";

const VERDICTS = ["right", "too_late", "not_needed", "wrong_action", "wrong_reason"] as const;
type Verdict = (typeof VERDICTS)[number];
const REASONS = ["price", "delivery", "quality", "fit", "service", "trust", "account", "competitor"] as const;
const ACTIONS = ["reply", "clarify", "recommend", "offer", "escalate", "none"] as const;

interface Props {
  api: Api;
  data: Transcript;
  chosen: string | null;
  choose: (id: string | null) => void;
  reload: () => void;
}

export function Judgement({ api, data, chosen, choose, reload }: Props) {
  const decision = data.decisions.find((one) => one.id === chosen) ?? null;
  return (
    <>
      <ReviewForm key={chosen ?? "all"} api={api} data={data} decision={decision} whole={() => choose(null)} reload={reload} />
      <Scorecard api={api} data={data} reload={reload} />
      <Why data={data} decision={decision} />
      <Outcomes data={data} />
      <Models decision={decision ?? data.decisions.findLast((one) => one.score !== null) ?? null} />
    </>
  );
}

function ReviewForm({ api, data, decision, whole, reload }: { api: Api; data: Transcript; decision: DecisionRow | null; whole: () => void; reload: () => void }) {
  const i18n = useI18n();
  const { t, word } = i18n;
  const [verdict, setVerdict] = useState<Verdict | null>(null);
  const [leaves, setLeaves] = useState<"yes" | "no" | "unknown">("unknown");
  const [reasons, setReasons] = useState<readonly string[] | null>(null);
  const [action, setAction] = useState("");
  const [comment, setComment] = useState("");
  const [sent, setSent] = useState<"no" | "busy" | "yes">("no");
  const [error, setError] = useState<ApiError | null>(null);
  const submit = (event: Event): void => {
    event.preventDefault();
    if (!verdict || sent === "busy") return;
    const label = {
      ...(leaves === "unknown" ? {} : { will_leave: leaves === "yes" }),
      ...(reasons ? { reasons } : {}),
      ...(action ? { action } : {}),
    };
    setSent("busy");
    setError(null);
    api.post(`/api/review/conversations/${encodeURIComponent(data.conversation.id)}/reviews`, {
      verdict,
      ...(decision ? { decision: decision.id } : {}),
      ...(Object.keys(label).length ? { label } : {}),
      ...(comment.trim() ? { comment: comment.trim() } : {}),
    }).then(
      () => {
        setSent("yes");
        setVerdict(null);
        setComment("");
        reload();
      },
      (caught: unknown) => {
        setSent("no");
        setError(asApiError(caught));
      },
    );
  };
  const toggle = (reason: string): void => {
    const now = reasons ?? [];
    setReasons(now.includes(reason) ? now.filter((one) => one !== reason) : [...now, reason]);
  };
  return (
    <Section title={t("review.title")} aside={<span class="xs muted">{decision ? t("review.of_turn", { n: turnNumber(data.events, decision.seq) }) : t("review.of_all")}</span>}>
      {decision && (
        <p class="xs muted row wrap"><bdi>{actionInWords(i18n, decision.action)}</bdi><button type="button" class="link" onClick={whole}>{t("review.whole")}</button></p>
      )}
      <form class="form" onSubmit={submit}>
        <Choice label={t("review.verdict")} value={verdict} options={VERDICTS.map((value) => ({ value, label: word("verdict", value) }))} onChange={(value) => { setVerdict(value); setSent("no"); }} class="legend-hidden" />
        {verdict && (
          <>
            <Choice label={t("review.leaves")} value={leaves} onChange={setLeaves} options={(["yes", "no", "unknown"] as const).map((value) => ({ value, label: t(`review.leaves_${value}`) }))} class="bare" />
            <fieldset>
              <legend>{t("review.reasons")}</legend>
              <div class="chips">{REASONS.map((reason) => <button key={reason} type="button" class="chip" aria-pressed={reasons?.includes(reason) ?? false} onClick={() => toggle(reason)}>{word("reason", reason)}</button>)}</div>
            </fieldset>
            {(verdict === "wrong_action" || verdict === "not_needed" || verdict === "too_late") && (
              <label class="field"><span>{t("review.action")}</span>
                <select value={action} onChange={(event) => setAction(event.currentTarget.value)}>
                  <option value="">{t("review.no_action")}</option>
                  {ACTIONS.map((value) => <option key={value} value={value}>{word("action", value)}</option>)}
                </select>
              </label>
            )}
          </>
        )}
        <label class="field"><span class="hidden">{t("review.comment")}</span><textarea rows={2} maxLength={2000} placeholder={t("review.comment_hint")} value={comment} onInput={(event) => setComment(event.currentTarget.value)} /></label>
        {error && <p class="form-error" role="alert">{word("error", error.code)}</p>}
        <div class="row"><Button look="primary" type="submit" busy={sent === "busy"} disabled={!verdict}>{t("review.save")}</Button><span class="sm good" role="status">{sent === "yes" ? t("review.saved") : ""}</span></div>
      </form>
      {data.reviews.length > 0 && <Given reviews={data.reviews} data={data} />}
    </Section>
  );
}

function Given({ reviews, data }: { reviews: readonly ReviewRow[]; data: Transcript }) {
  const { t, f, word } = useI18n();
  return (
    <ul class="given">
      {[...reviews].reverse().map((review) => {
        const of = data.decisions.find((one) => one.id === review.decision);
        const said = [
          of ? t("review.of_turn", { n: turnNumber(data.events, of.seq) }) : "",
          review.label.will_leave === undefined ? "" : t(review.label.will_leave ? "review.says_leaves" : "review.says_stays"),
          ...(review.label.reasons ?? []).map((reason) => word("reason", reason)),
          review.label.action ? word("action", review.label.action) : "",
        ].filter(Boolean);
        return (
          <li key={review.id} class="xs">
            <b>{word("verdict", review.verdict)}</b> · <bdi>{oneLine(review.by, 40)}</bdi> · {f.dateTime(review.at)}
            {said.length > 0 && <span class="muted"> · {said.join(" · ")}</span>}
            {review.comment && <span class="given-comment"><bdi>{oneLine(review.comment, 400)}</bdi></span>}
          </li>
        );
      })}
    </ul>
  );
}

function Why({ data, decision }: { data: Transcript; decision: DecisionRow | null }) {
  const i18n = useI18n();
  const { t, f } = i18n;
  const score = (decision && data.scores.find((one) => one.seq === decision.seq)) ?? data.scores.findLast((one) => typeof one.churn === "number");
  const drivers = (score?.drivers ?? []) as unknown as Driver[];
  const shown = drivers.length ? drivers : data.drivers;
  const quote = (seq: number): string | undefined => data.events.find((ev) => ev.seq === seq)?.body ?? undefined;
  const interval = score && typeof score.low === "number" && typeof score.high === "number" ? t("why.interval", { low: f.probability(score.low), high: f.probability(score.high) }) : null;
  return (
    <Section title={typeof score?.churn === "number" ? t("why.title", { risk: f.probability(score.churn) }) : t("why.title_none")} aside={interval && <span class="xs muted num">{interval}</span>}>
      {shown.length === 0 ? <p class="sm muted">{t("why.nothing")}</p> : (
        <table class="plain">
          <thead><tr><th scope="col">{t("why.driver")}</th><th scope="col">{t("why.effect")}</th></tr></thead>
          <tbody>
            {shown.map((driver, i) => (
              <tr key={i}><th scope="row"><bdi>{driverInWords(i18n, driver, quote, (seq) => turnNumber(data.events, seq), data.contact.currency)}</bdi></th><td class={cx("num", driver.effect < 0 ? "good" : "bad")}>{f.change(driver.effect)}</td></tr>
            ))}
          </tbody>
        </table>
      )}
      {data.reasons.length > 0 && <p class="xs muted">{t("why.reasons", { reasons: data.reasons.map((one) => `${i18n.word("reason", one.reason)} ${f.percent(one.probability)}`).join(" · ") })}</p>}
    </Section>
  );
}

function outcomeValue(outcome: OutcomeRow, i18n: ReturnType<typeof useI18n>): string {
  const { f, word } = i18n;
  const { label } = outcome;
  const coded = typeof label["disposition"] === "string" ? word("disposition", label["disposition"]) : typeof label["verdict"] === "string" ? word("verdict", label["verdict"]) : "";
  if (coded) return coded;
  if (outcome.value === null) return "";
  return outcome.currency ? f.money(outcome.value, outcome.currency) : f.count(outcome.value, 2);
}

function Outcomes({ data }: { data: Transcript }) {
  const i18n = useI18n();
  const { t, f, word } = i18n;
  const replaced = new Set(data.outcomes.map((one) => one.supersedes).filter(Boolean));
  const shown = data.outcomes.filter((one) => !replaced.has(one.id));
  return (
    <Section title={t("outcomes.title")}>
      {shown.length === 0 ? <p class="sm muted">{t("outcomes.none")}</p> : (
        <table class="plain">
          <thead class="hidden"><tr><th scope="col">{t("outcomes.what")}</th><th scope="col">{t("outcomes.value")}</th><th scope="col">{t("outcomes.when")}</th></tr></thead>
          <tbody>
            {shown.map((one) => (
              <tr key={one.id}>
                <th scope="row">{word("outcome", one.type)} <span class="muted xs">{word("source", one.source)}</span></th>
                <td class="num">{outcomeValue(one, i18n)}</td>
                <td class="num muted">{one.matures_at && one.matures_at > Date.now() ? t("outcomes.matures", { date: f.date(one.matures_at) }) : f.dateTime(one.ts_event)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </Section>
  );
}

function Models({ decision }: { decision: DecisionRow | null }) {
  const i18n = useI18n();
  const { t, f } = i18n;
  if (!decision) return null;
  const rows = [
    { role: t("models.champion"), version: decision.versions["model"] ?? "—", score: decision.score, action: decision.action },
    ...decision.shadow.map((one) => ({ role: t("models.shadow"), version: one.version, score: one.score, action: one.action ?? "" })),
  ];
  return (
    <Section title={t("models.title")}>
      <table class="plain">
        <thead><tr><th scope="col">{t("models.model")}</th><th scope="col">{t("models.risk")}</th><th scope="col">{t("models.would")}</th></tr></thead>
        <tbody>
          {rows.map((row, i) => (
            <tr key={i}><th scope="row"><bdi>{oneLine(row.version, 40)}</bdi> <span class="muted xs">{row.role}</span></th><td class="num">{row.score === null ? "—" : f.probability(row.score)}</td><td>{row.action ? <bdi>{actionInWords(i18n, row.action)}</bdi> : "—"}</td></tr>
          ))}
        </tbody>
      </table>
      {decision.shadow.length === 0 && <p class="xs muted">{t("models.no_shadow")}</p>}
    </Section>
  );
}
