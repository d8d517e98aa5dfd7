// The scorecard of a conversation: points by the shop's criteria, a comment; the cards given so far; and the criteria themselves.
import { useState } from "preact/hooks";
import { asApiError, type Api, type ApiError } from "../ui/api.ts";
import { useLoad } from "../ui/hooks.ts";
import { useI18n } from "../ui/i18n.tsx";
import { Button, Dialog, Failed, IconButton, Loading, Section } from "../ui/parts.tsx";
import { oneLine } from "../ui/text.ts";
import type { CardRow, Criterion, Transcript } from "./types.ts";

const MOST_CRITERIA = 12;
const MOST_POINTS = 10;

interface Criteria {
  criteria: Criterion[];
  own: boolean;
}

/** A criterion's title in the reader's language, else in the other one. */
export function titleOf(criterion: Pick<Criterion, "id" | "title">, locale: string): string {
  const { en, zh } = criterion.title;
  const title = locale === "zh" ? zh || en : en || zh;
  return oneLine(title || criterion.id, 80);
}

/** Points of all that could be had by the marks that were given; null without any. */
export function shareOf(criteria: readonly Criterion[], points: Readonly<Record<string, number | null>>): number | null {
  let [got, most] = [0, 0];
  for (const one of criteria) {
    const given = points[one.id];
    if (typeof given !== "number") continue;
    got += given;
    most += one.most;
  }
  return most ? got / most : null;
}

export function Scorecard({ api, data, reload }: { api: Api; data: Transcript; reload: () => void }) {
  const { t } = useI18n();
  const [loaded, again] = useLoad("scorecard", (signal) => api.get<Criteria>("/api/review/scorecard", signal));
  const [editing, setEditing] = useState(false);
  return (
    <Section title={t("card.title")} aside={loaded.data && <IconButton icon="gear" label={t("card.edit")} onClick={() => setEditing(true)} />}>
      {!loaded.data && loaded.state === "loading" && <Loading label={t("loading")} lines={4} />}
      {!loaded.data && loaded.state === "error" && <Failed error={loaded.error} retry={again} />}
      {loaded.data && <CardForm key={loaded.data.criteria.map((one) => one.id).join()} api={api} data={data} criteria={loaded.data.criteria} reload={reload} />}
      {data.scorecards.length > 0 && <Cards cards={data.scorecards} />}
      {editing && loaded.data && <CriteriaDialog api={api} known={loaded.data} onClose={() => setEditing(false)} onDone={() => { setEditing(false); again(); }} />}
    </Section>
  );
}

function CardForm({ api, data, criteria, reload }: { api: Api; data: Transcript; criteria: readonly Criterion[]; reload: () => void }) {
  const { t, f, word, locale } = useI18n();
  const [points, setPoints] = useState<Readonly<Record<string, number | null>>>({});
  const [about, setAbout] = useState(data.speakers[0]?.id ?? "");
  const [comment, setComment] = useState("");
  const [sent, setSent] = useState<"no" | "busy" | "yes">("no");
  const [error, setError] = useState<ApiError | null>(null);
  const share = shareOf(criteria, points);
  const submit = (event: Event): void => {
    event.preventDefault();
    if (share === null || sent === "busy") return;
    setSent("busy");
    setError(null);
    api.post(`/api/review/conversations/${encodeURIComponent(data.conversation.id)}/scorecards`, {
      points,
      ...(about ? { agent: about } : {}),
      ...(comment.trim() ? { comment: comment.trim() } : {}),
    }).then(
      () => {
        setSent("yes");
        setPoints({});
        setComment("");
        reload();
      },
      (caught: unknown) => {
        setSent("no");
        setError(asApiError(caught));
      },
    );
  };
  return (
    <form class="form" onSubmit={submit}>
      {data.speakers.length > 1
        ? <label class="field"><span>{t("card.about")}</span><select value={about} onChange={(event) => setAbout(event.currentTarget.value)}>{data.speakers.map((person) => <option key={person.id} value={person.id}>{oneLine(person.name, 60)}</option>)}</select></label>
        : <p class="xs muted">{t("card.about")} <bdi>{data.speakers[0] ? oneLine(data.speakers[0].name, 60) : t("card.assistant")}</bdi></p>}
      {criteria.map((one) => (
        <Points key={one.id} criterion={one} title={titleOf(one, locale)} value={points[one.id]} onChange={(value) => { setPoints({ ...points, [one.id]: value }); setSent("no"); }} />
      ))}
      <label class="field"><span class="hidden">{t("card.comment")}</span><textarea rows={2} maxLength={2000} placeholder={t("card.comment")} value={comment} onInput={(event) => setComment(event.currentTarget.value)} /></label>
      {error && <p class="form-error" role="alert">{word("error", error.code)}</p>}
      <div class="row">
        <Button look="primary" type="submit" busy={sent === "busy"} disabled={share === null}>{t("card.save")}</Button>
        <span class="sm b num">{share === null ? "" : f.percent(share)}</span>
        <span class="sm good" role="status">{sent === "yes" ? t("card.saved") : ""}</span>
      </div>
    </form>
  );
}

/** 0 to `most` points, or that it does not apply. */
function Points({ criterion, title, value, onChange }: { criterion: Criterion; title: string; value: number | null | undefined; onChange: (value: number | null) => void }) {
  const { t } = useI18n();
  const name = `points-${criterion.id}`;
  return (
    <fieldset class="choice bare points">
      <legend><bdi>{title}</bdi></legend>
      <div class="choice-row">
        {[...Array(criterion.most + 1).keys()].map((n) => (
          <label key={n} class={value === n ? "choice-item on" : "choice-item"}>
            <input type="radio" name={name} checked={value === n} onChange={() => onChange(n)} /><span class="num">{n}</span>
          </label>
        ))}
        <label class={value === null ? "choice-item on" : "choice-item"} title={t("card.none_title")}>
          <input type="radio" name={name} checked={value === null} onChange={() => onChange(null)} /><span aria-hidden="true">—</span><span class="hidden">{t("card.none_title")}</span>
        </label>
      </div>
    </fieldset>
  );
}

function Cards({ cards }: { cards: readonly CardRow[] }) {
  const { t, f, locale } = useI18n();
  return (
    <ul class="given">
      {[...cards].reverse().map((card) => (
        <li key={card.id} class={card.counts ? "xs" : "xs muted"}>
          <b class="num">{f.percent(card.share)}</b> · <bdi>{oneLine(card.by, 40)}</bdi> · {f.dateTime(card.at)} · <bdi>{card.agent ? oneLine(card.agent, 40) : t("card.assistant")}</bdi>
          {!card.counts && ` · ${t("card.replaced")}`}
          <span class="given-comment num">{card.marks.map((mark) => `${titleOf(mark, locale)} ${mark.points}/${mark.most}`).join(" · ")}</span>
          {card.comment && <span class="given-comment"><bdi>{oneLine(card.comment, 400)}</bdi></span>}
        </li>
      ))}
    </ul>
  );
}

interface Draft {
  key: number;
  id: string;
  en: string;
  zh: string;
  most: number;
}

/** An id for a new criterion that none of the others has. */
export function freshId(taken: readonly string[]): string {
  let n = taken.length + 1;
  while (taken.includes(`c${n}`)) n += 1;
  return `c${n}`;
}

function CriteriaDialog({ api, known, onClose, onDone }: { api: Api; known: Criteria; onClose: () => void; onDone: () => void }) {
  const { t, word } = useI18n();
  const [drafts, setDrafts] = useState<readonly Draft[]>(() => known.criteria.map((one, key) => ({ key, id: one.id, en: one.title.en ?? "", zh: one.title.zh ?? "", most: one.most })));
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<ApiError | null>(null);
  const change = (key: number, values: Partial<Draft>): void => setDrafts(drafts.map((one) => (one.key === key ? { ...one, ...values } : one)));
  const whole = drafts.length > 0 && drafts.every((one) => one.en.trim() || one.zh.trim());
  const send = (criteria: readonly Draft[]): void => {
    setBusy(true);
    setError(null);
    api.post("/api/review/scorecard", { criteria: criteria.map(({ id, en, zh, most }) => ({ id, title: { en: en.trim(), zh: zh.trim() }, most })) }).then(onDone, (caught: unknown) => {
      setBusy(false);
      setError(asApiError(caught));
    });
  };
  return (
    <Dialog title={t("card.edit")} onClose={onClose} class="wide">
      <form class="form" onSubmit={(event) => { event.preventDefault(); if (whole && !busy) send(drafts); }}>
        <p class="sm muted">{t("card.edit_means")}</p>
        <ul class="criteria">
          {drafts.map((one, i) => (
            <li key={one.key}><fieldset>
              <legend class="hidden">{t("card.criterion", { n: i + 1 })}</legend>
              <label class="field"><span>{t("card.title_en")}</span><input value={one.en} maxLength={80} lang="en" onInput={(event) => change(one.key, { en: event.currentTarget.value })} /></label>
              <label class="field"><span>{t("card.title_zh")}</span><input value={one.zh} maxLength={80} lang="zh" onInput={(event) => change(one.key, { zh: event.currentTarget.value })} /></label>
              <label class="field criteria-most"><span>{t("card.most")}</span>
                <select value={String(one.most)} onChange={(event) => change(one.key, { most: Number(event.currentTarget.value) })}>
                  {Array.from({ length: MOST_POINTS }, (_, n) => <option key={n} value={String(n + 1)}>{n + 1}</option>)}
                </select>
              </label>
              <IconButton icon="close" label={t("card.drop", { n: i + 1 })} disabled={drafts.length === 1} onClick={() => setDrafts(drafts.filter((other) => other.key !== one.key))} />
            </fieldset></li>
          ))}
        </ul>
        <div class="row wrap">
          <Button disabled={drafts.length >= MOST_CRITERIA} onClick={() => setDrafts([...drafts, { key: Math.max(0, ...drafts.map((one) => one.key)) + 1, id: freshId(drafts.map((one) => one.id)), en: "", zh: "", most: 3 }])}>{t("card.add")}</Button>
          {known.own && <Button look="ghost" onClick={() => send([])}>{t("card.default")}</Button>}
        </div>
        {error && <p class="form-error" role="alert">{word("error", error.code)}</p>}
        <div class="dialog-foot"><Button onClick={onClose}>{t("cancel")}</Button><Button look="primary" type="submit" busy={busy} disabled={!whole}>{t("card.keep")}</Button></div>
      </form>
    </Dialog>
  );
}
