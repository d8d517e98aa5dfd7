// The transcripts to choose from: words, chips, filters, pages by cursor, CSV.
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { Api } from "../ui/api.ts";
import { useLoad, useNow, useRest } from "../ui/hooks.ts";
import { useI18n } from "../ui/i18n.tsx";
import { Icon } from "../ui/icons.tsx";
import { Band, Button, Empty, Failed, Loading, Name, cx } from "../ui/parts.tsx";
import { oneLine } from "../ui/text.ts";
import { listQuery, withFilter, type Filter, type Place, type Sort } from "./place.ts";
import { Views } from "./views.tsx";
import type { AgentLine, Line, Page } from "./types.ts";

const PAGE = 50;
const REASONS = ["price", "delivery", "quality", "fit", "service", "trust", "account", "competitor"];
const ACTIONS = ["reply", "clarify", "recommend", "offer", "escalate", "none"];
const DISPOSITIONS = ["saved", "solved", "refunded", "lost", "follow_up", "spam"];
const OUTCOMES = ["purchase", "refund", "complaint", "accept", "decline", "click", "return_visit", "unsubscribed", "inactive_30", "inactive_60", "inactive_90", "review", "scorecard"];
/** Chips: a filter and the value that it sets. */
const CHIPS: readonly (readonly [Filter, string, string])[] = [
  ["reviewed", "false", "chip.unreviewed"], ["escalated", "true", "chip.escalated"], ["offer", "declined", "chip.declined"], ["csat_max", "2", "chip.low_csat"],
  ["locale", "zh", "chip.zh"], ["locale", "en", "chip.en"],
];

export function TranscriptList({ api, place, setPlace, lines }: {
  api: Api;
  place: Place;
  setPlace: (place: Place) => void;
  /** Tells what is listed, so that keys can step through it. */
  lines: (lines: readonly Line[]) => void;
}) {
  const { t, f } = useI18n();
  const [typed, setTyped] = useState(place.filters.q ?? "");
  const rested = useRest(typed, 300);
  const [more, setMore] = useState<{ of: string; lines: Line[]; next: string | null } | null>(null);
  const [busy, setBusy] = useState(false);
  const search = listQuery(place, { limit: PAGE });
  const [loaded, reload] = useLoad(search, (signal) => api.get<Page>(`/api/review/conversations${search}`, signal));
  const place_ = useRef(place);
  place_.current = place;
  useEffect(() => {
    if (rested.trim() !== (place_.current.filters.q ?? "")) setPlace(withFilter(place_.current, "q", rested.trim() || null));
  }, [rested]);

  // A saved view or the palette sets other words.
  const words = place.filters.q ?? "";
  const said = useRef(words);
  useEffect(() => {
    if (words !== said.current && words !== typed.trim()) setTyped(words);
    said.current = words;
  }, [words]);

  const extra = more?.of === search ? more : null;
  const shown = loaded.data ? [...loaded.data.conversations, ...(extra?.lines ?? [])] : [];
  const next = extra ? extra.next : loaded.data?.next ?? null;
  useEffect(() => lines(shown), [loaded.data, extra]);
  const loadMore = (): void => {
    if (!next) return;
    setBusy(true);
    api.get<Page>(`/api/review/conversations${listQuery(place, { limit: PAGE, cursor: next })}`).then(
      (page) => setMore({ of: search, lines: [...(extra?.lines ?? []), ...page.conversations], next: page.next }),
      () => reload(),
    ).finally(() => setBusy(false));
  };
  const active = Object.keys(place.filters).length + (place.sort === "recent" ? 0 : 1);
  return (
    <>
      <search class="find">
        <Views api={api} place={place} setPlace={setPlace} />
        <label class="find-box">
          <Icon name="search" />
          <span class="hidden">{t("list.search")}</span>
          <input id="find" type="search" value={typed} maxLength={200} placeholder={t("list.search_hint")} onInput={(event) => setTyped(event.currentTarget.value)} />
        </label>
        <div class="chips" role="group" aria-label={t("list.chips")}>
          <Chip on={place.sort === "uncertain"} set={(on) => setPlace({ ...place, sort: on ? "uncertain" : "recent" })}>{t("chip.uncertain")}</Chip>
          {place.filters.contact && <Chip on set={() => setPlace(withFilter(place, "contact", null))}>{t("chip.contact")}</Chip>}
          {CHIPS.map(([name, value, label]) => (
            <Chip key={label} on={place.filters[name] === value} set={(on) => setPlace(withFilter(place, name, on ? value : null))}>{t(label)}</Chip>
          ))}
        </div>
        <Filters api={api} place={place} setPlace={setPlace} />
        <div class="row find-foot">
          <span class="xs muted num" role="status">{loaded.data ? t("list.total", { n: loaded.data.total, shown: f.count(loaded.data.total) }) : loaded.state === "loading" && t("loading")}</span>
          <span class="sp" />
          {active > 0 && <button type="button" class="link xs" onClick={() => { setTyped(""); setPlace({ ...place, sort: "recent", filters: {} }); }}>{t("list.clear")}</button>}
          <a class="row xs csv" href={`/api/review/export.csv${listQuery(place)}`} download="conversations.csv"><Icon name="download" />CSV</a>
        </div>
      </search>
      {loaded.state === "loading" && !loaded.data && <Loading label={t("loading")} lines={9} />}
      {loaded.state === "error" && !loaded.data && <Failed error={loaded.error} retry={reload} />}
      {loaded.data && shown.length === 0 && <Empty title={t(active ? "list.nothing" : "list.none")} icon="search">{t(active ? "list.nothing_text" : "list.none_text")}</Empty>}
      <ul aria-label={t("nav.transcripts")}>
        {shown.map((line) => (
          <li key={line.id} class="it-item"><Item line={line} on={line.id === place.conv} words={place.filters.q ?? ""} onOpen={() => setPlace({ ...place, conv: line.id, at: line.match?.seq ?? null })} /></li>
        ))}
      </ul>
      {next && <div class="more"><Button look="ghost" busy={busy} onClick={loadMore}>{t("list.more")}</Button></div>}
    </>
  );
}

function Chip({ on, set, children }: { on: boolean; set: (on: boolean) => void; children: ComponentChildren }) {
  return <button type="button" class="chip" aria-pressed={on} onClick={() => set(!on)}>{children}</button>;
}

function Filters({ api, place, setPlace }: { api: Api; place: Place; setPlace: (place: Place) => void }) {
  const { t, word } = useI18n();
  const [agents] = useLoad("agents", (signal) => api.get<{ agents: AgentLine[] }>("/api/review/agents", signal));
  const used = (["band", "reason", "status", "action", "agent", "disposition", "outcome", "from", "to"] as const).some((name) => place.filters[name]);
  const pick = (name: Filter, label: string, options: readonly (readonly [string, string])[]) => (
    <label class="pick">
      <span class="xs muted">{label}</span>
      <select value={place.filters[name] ?? ""} onChange={(event) => setPlace(withFilter(place, name, event.currentTarget.value || null))}>
        <option value="">{t("list.any")}</option>
        {options.map(([value, text]) => <option key={value} value={value}>{text}</option>)}
      </select>
    </label>
  );
  return (
    <details class="filters" open={used}>
      <summary class="xs"><Icon name="filter" />{t("list.filters")}</summary>
      <div class="filter-grid">
        {pick("band", t("filter.band"), ["high", "elevated", "low"].map((value) => [value, word("band", value)] as const))}
        {pick("reason", t("filter.reason"), REASONS.map((value) => [value, word("reason", value)] as const))}
        {pick("action", t("filter.action"), ACTIONS.map((value) => [value, word("action", value)] as const))}
        {pick("status", t("filter.status"), ["open", "escalated", "resolved"].map((value) => [value, word("status", value)] as const))}
        {pick("disposition", t("filter.disposition"), DISPOSITIONS.map((value) => [value, word("disposition", value)] as const))}
        {pick("outcome", t("filter.outcome"), OUTCOMES.map((value) => [value, word("outcome", value)] as const))}
        {pick("agent", t("filter.agent"), (agents.data?.agents ?? []).map((agent) => [agent.id, oneLine(agent.name, 60)] as const))}
        {(["from", "to"] as const).map((name) => (
          <label class="pick" key={name}>
            <span class="xs muted">{t(`filter.${name}`)}</span>
            <input type="date" value={place.filters[name] ?? ""} onChange={(event) => setPlace(withFilter(place, name, event.currentTarget.value || null))} />
          </label>
        ))}
        <label class="pick">
          <span class="xs muted">{t("filter.sort")}</span>
          <select value={place.sort} onChange={(event) => setPlace({ ...place, sort: event.currentTarget.value as Sort })}>
            {(["recent", "uncertain", "risk"] as const).map((sort) => <option key={sort} value={sort}>{t(`sort.${sort}`)}</option>)}
          </select>
        </label>
      </div>
    </details>
  );
}

/** A line of text with the words that were looked for marked in it. */
export function Marked({ text, words }: { text: string; words: string }) {
  return <bdi>{marked(oneLine(text, 160), words).map(([part, hit], i) => (hit ? <mark key={i}>{part}</mark> : part))}</bdi>;
}

/** The parts of a text, and whether one of the words stands there; whatever the case. */
export function marked(text: string, words: string): [part: string, hit: boolean][] {
  const wanted = words.split(/\s+/).filter(Boolean).map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  if (wanted.length === 0) return text ? [[text, false]] : [];
  return text.split(new RegExp(`(${wanted.join("|")})`, "giu")).map((part, i): [string, boolean] => [part, i % 2 === 1]).filter(([part]) => part !== "");
}

export function Item({ line, on, words: looked = "", onOpen }: { line: Line; on: boolean; words?: string; onOpen: () => void }) {
  const i18n = useI18n();
  const { t, f } = i18n;
  const now = useNow(60_000);
  const words = [
    ...line.reasons.slice(0, 2).map((reason) => i18n.word("reason", reason)),
    i18n.word("status", line.status),
    line.disposition ? i18n.word("disposition", line.disposition) : line.action_last ? i18n.word("action", line.action_last.split(":")[0] ?? "") : "",
  ].filter(Boolean);
  const facts = [
    `${f.day(line.updated_at, now)} ${f.time(line.updated_at)}`,
    t("turns", { n: line.turns }),
    line.agent ? oneLine(line.agent, 40) : "",
    line.csat ? t("csat", { score: line.csat }) : "",
  ].filter(Boolean);
  return (
    <button type="button" class={cx("it", on && "on")} aria-current={on ? "true" : undefined} onClick={onOpen}>
      <span class="row"><span class="clip"><Name name={line.name} fallback={t("who.guest")} /></span><span class="sp" /><Band band={line.band} risk={line.risk} /></span>
      {(line.match ?? line.preview) && <span class="sm clip it-preview"><Marked text={line.match?.text ?? line.preview ?? ""} words={looked} /></span>}
      <span class="xs clip it-more">{words.join(" · ")}</span>
      <span class="xs clip it-more num">{facts.map((fact, i) => <span key={i}>{i > 0 && " · "}<bdi>{fact}</bdi></span>)}</span>
    </button>
  );
}
