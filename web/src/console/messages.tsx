// The transcript: messages with the risk at the contact's turns, lines of the system, notes, what is still on its way.
import { useEffect, useLayoutEffect, useMemo, useRef } from "preact/hooks";
import type { Ev } from "../protocol/gen.ts";
import { asList, transcript, type Item, type Score, type Summary } from "../ui/bundle.ts";
import type { Moved } from "../ui/curve.tsx";
import { SPOKEN, Spoken, lineOf, scriptOf } from "../ui/event.tsx";
import { useNow } from "../ui/hooks.ts";
import { useI18n } from "../ui/i18n.tsx";
import { Band, Button, Name, Said, cx } from "../ui/parts.tsx";
import { displayName } from "../ui/text.ts";
import { useConsole, useDesk, type Place } from "./context.ts";
import { mentionedIn, type Pending, type Thread } from "./state.ts";

/** Beyond this many pixels from the end the reader has scrolled up, and new messages leave the place alone. */
const NEAR_END = 120;

export function Messages({ thread, moved, focus }: { thread: Thread; moved: Moved | null; focus: Place | null }) {
  const { t } = useI18n();
  const { desk } = useConsole();
  const mentioned = useDesk((state) => mentionedIn(state, thread.conv));
  const box = useRef<HTMLDivElement>(null);
  const stick = useRef(true);
  const reached = useRef<Place | null>(null);
  const items = useMemo(() => transcript(thread.events, thread.notes), [thread.events, thread.notes]);
  const scores = useMemo(() => new Map(thread.scores.map((score) => [score.seq, score])), [thread.scores]);
  const last = thread.events.at(-1)?.seq ?? 0;
  const summaryAfter = useMemo(() => thread.events.findLast((ev) => ev.kind === "joined" || ev.kind === "escalated")?.seq ?? null, [thread.events]);
  const lastSeen = useMemo(() => thread.events.findLast((ev) => ev.from === "agent" && ev.seq <= thread.seen)?.seq, [thread.events, thread.seen]);
  const now = useNow(30_000);

  useLayoutEffect(() => {
    stick.current = true;
  }, [thread.conv]);
  useLayoutEffect(() => {
    if (stick.current && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [thread.conv, items, thread.pending, thread.typing]);
  useEffect(() => {
    const read = (): void => {
      if (document.visibilityState !== "visible") return;
      if (last) desk.seen(thread.conv, last);
      if (mentioned) desk.readMentions(thread.conv);
    };
    read();
    document.addEventListener("visibilitychange", read);
    return () => document.removeEventListener("visibilitychange", read);
  }, [thread.conv, last, mentioned]);
  useEffect(() => {
    if (focus?.conv !== thread.conv || focus === reached.current) return;
    const row = box.current?.querySelector<HTMLElement>("note" in focus ? `[data-note="${focus.note}"]` : `[data-seq="${focus.seq}"]`);
    if (!row) return; // not loaded yet
    reached.current = focus;
    row.scrollIntoView({ block: "center" });
    row.focus({ preventScroll: true });
  }, [focus, items]);

  return (
    <div
      class="msgs"
      ref={box}
      role="log"
      aria-label={t("messages.label")}
      tabIndex={0}
      onScroll={(event) => {
        const el = event.currentTarget;
        stick.current = el.scrollHeight - el.scrollTop - el.clientHeight < NEAR_END;
      }}
    >
      {summaryAfter === null && thread.bundle?.summary && <SummaryCard summary={thread.bundle.summary} />}
      {items.map((item) => (
        <Row key={item.key} item={item} score={item.is === "ev" ? scores.get(item.ev.seq) : undefined} moved={moved} now={now} seen={item.is === "ev" && item.ev.seq === lastSeen}
          summary={item.is === "ev" && item.ev.seq === summaryAfter ? thread.bundle?.summary ?? null : null} />
      ))}
      {thread.pending.map((pending) => <OnItsWay key={pending.cmid} conv={thread.conv} pending={pending} />)}
      {thread.typing.length > 0 && (
        <p class="sys typing" role="status">
          <span class="dots" aria-hidden="true"><i /><i /><i /></span>
          {thread.typing.map((who) => (who === "contact" ? t("typing.contact") : t("typing.agent", { name: who }))).join(" · ")}
        </p>
      )}
    </div>
  );
}

function Row({ item, score, moved, now, seen, summary }: {
  item: Item;
  score: Score | undefined;
  moved: Moved | null;
  now: number;
  /** The last message of an agent that the contact has seen. */
  seen: boolean;
  summary: Summary | null;
}) {
  const i18n = useI18n();
  const { t, f } = i18n;
  if (item.is === "day") return <p class="sys day">{f.day(item.at, now)}</p>;
  if (item.is === "note") {
    return (
      <div class="note" data-note={item.note.id} tabIndex={-1}>
        <p class="xs">
          <b>{t("note.by", { name: item.note.agent })}</b> · {f.time(item.note.at)}
          {item.note.mentions.length > 0 && <> · <b><bdi>{item.note.mentions.map((name) => `@${displayName(name)}`).join(" ")}</bdi></b></>}
        </p>
        <Said text={item.note.body} />
      </div>
    );
  }
  const { ev } = item;
  if (!SPOKEN.has(ev.kind)) {
    return (
      <>
        <p class="sys" data-seq={ev.seq} tabIndex={-1}>{lineOf(i18n, ev)} · {f.time(ev.at)}</p>
        {summary && <SummaryCard summary={summary} />}
      </>
    );
  }
  const turned = moved?.seq === ev.seq;
  return (
    <article class={cx("m", ev.from, turned && "turned")} data-seq={ev.seq} tabIndex={-1}>
      <p class="who">
        <Speaker ev={ev} />
        <span class="num">{f.time(ev.at)}</span>
        {score && typeof score.churn === "number" && (turned
          ? <><Band band={score.band} risk={score.churn} /><span class="num moved">{f.change(moved.delta)}</span></>
          : <span class="num">{t("risk.at", { risk: f.probability(score.churn) })}</span>)}
        {score && typeof score.churn !== "number" && <span>{t("risk.none")}</span>}
        {seen && <span>{t("seen")}</span>}
      </p>
      <div class="bubble"><Spoken ev={ev} /></div>
    </article>
  );
}

function Speaker({ ev }: { ev: Ev }) {
  const { t } = useI18n();
  const { agent } = useConsole();
  if (ev.from === "agent") return ev.name === agent.name ? <span>{t("who.you")}</span> : <Name name={ev.name} fallback={t("who.agent")} />;
  const script = ev.from === "bot" ? scriptOf(ev) : null;
  return <span>{t(`who.${ev.from}`)}{script && <> · <bdi>{t("script", { id: script })}</bdi></>}</span>;
}

function SummaryCard({ summary }: { summary: Summary }) {
  const { t } = useI18n();
  const rows = [
    ["summary.problem", asList(summary.problem)],
    ["summary.done", asList(summary.done)],
    ["summary.offered", asList(summary.offered)],
  ] as const;
  return (
    <section class="note summary" aria-label={t("summary.title")}>
      <p class="xs b">{t("summary.title")}</p>
      <dl>
        {rows.filter(([, lines]) => lines.length).map(([key, lines]) => (
          <div key={key} class="summary-row"><dt class="xs">{t(key)}</dt><dd>{lines.map((line, i) => <Said key={i} text={line} />)}</dd></div>
        ))}
      </dl>
    </section>
  );
}

function OnItsWay({ conv, pending }: { conv: string; pending: Pending }) {
  const { t, word } = useI18n();
  const { desk, store } = useConsole();
  return (
    <article class={cx("m agent pending", pending.kind === "note" && "is-note", pending.failed && "failed-send")} aria-live="polite">
      <p class="who"><span>{pending.failed ? t("send.failed", { why: word("refused", pending.failed) }) : t("send.pending")}</span></p>
      <div class="bubble"><Said text={pending.body} /></div>
      {pending.failed && (
        <div class="row send-again">
          <Button onClick={() => desk.retry(conv, pending)}>{t("send.retry")}</Button>
          <Button look="ghost" onClick={() => {
            store.dispatch({ do: "drop_pending", conv, cmid: pending.cmid });
            store.dispatch({ do: "draft", conv, draft: { text: pending.body, mode: pending.kind === "note" ? "note" : "reply", from: null } });
          }}>{t("send.edit")}</Button>
        </div>
      )}
    </article>
  );
}
