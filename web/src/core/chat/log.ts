/** The contact's copy of the conversation's log: gapless, in order, every event once. */
import type { Ev } from "../../protocol/gen.ts";
import { agentOf, type Mode, modeAfter } from "./events.ts";
import { arrived, pump, settle, unsettle } from "./outbox.ts";
import { advance, link, type Run, set, tell } from "./run.ts";
import type { HistoryPage } from "./state.ts";

export const nothingSeen = { seenByThem: 0, seenByMe: 0, seenTold: 0 };

/** Forgets what is shown and turns to a conversation, or to none. */
export function dropView(run: Run, conv: string | null, epoch: string | null): void {
  const loading = "none" as const;
  set(run, { conv, epoch, last: 0, head: 0, events: [], more: false, loading, held: [], part: null, agent: null });
}

/** The cursor cannot be served: load the newest page, hold what comes meanwhile, then go on. */
export function reset(run: Run, to: { conv: string; epoch: string; head: number }): void {
  if (run.state.link.phase === "greeting") link(run, { on: "ready", pingSeconds: run.state.link.pingMs / 1000 });
  if (run.state.link.phase !== "live") return;
  if (run.state.conv !== to.conv) set(run, nothingSeen);
  if (run.state.epoch !== to.epoch) unsettle(run);
  dropView(run, to.conv, to.epoch);
  set(run, { head: to.head, fresh: false });
  if (to.head > 0) {
    run.state.loading = "newest";
    tell(run, { do: "history", conv: to.conv, before: null });
  }
  pump(run);
}

/** Takes a live event in: held while the view loads, ignored when known, and a gap renews the connection. */
export function take(run: Run, ev: Ev): void {
  if (run.state.link.phase !== "live") return;
  if (run.state.loading === "newest") {
    run.state.held = [...run.state.held, ev];
    return;
  }
  if (ev.seq <= run.state.last) return;
  if (ev.seq > run.state.last + 1) return link(run, { on: "renew" });
  append(run, [ev]);
  tell(run, { do: "news", ev });
  seen(run);
  pump(run);
}

function append(run: Run, events: readonly Ev[]): void {
  const newest = events.at(-1);
  if (!newest) return;
  let { mode, agent, typing, part } = run.state;
  for (const ev of events) {
    [mode, agent] = holder(mode, agent, ev);
    if (ev.from === typing) typing = null;
    // Its own event, or one that came before it could: then it will never be finished.
    if (part && ev.seq > part.replyTo) part = null;
    if (ev.from === "contact" && ev.cmid) arrived(run, ev.cmid);
  }
  set(run, {
    events: [...run.state.events, ...events],
    last: newest.seq,
    head: Math.max(run.state.head, newest.seq),
    mode,
    agent,
    typing,
    part,
  });
}

function holder(mode: Mode, agent: string | null, ev: Ev): [Mode, string | null] {
  const next = modeAfter(mode, ev);
  return [next, next === "agent" ? (agentOf(ev) ?? agent) : next === "resolved" ? agent : null];
}

/** The events of a page that follow on one another, up to the newest. */
function gapless(events: readonly Ev[]): Ev[] {
  let start = events.length - 1;
  while (start > 0 && events[start - 1]?.seq === (events[start]?.seq ?? 0) - 1) start -= 1;
  return events.slice(Math.max(0, start));
}

export function historyLoaded(run: Run, page: HistoryPage, before: number | null): void {
  const { state } = run;
  if (page.conv !== state.conv) return;
  if (before !== null) return prepend(run, page, before);
  if (state.loading !== "newest") return;
  const events = gapless(page.events);
  const held = [...state.held];
  set(run, { epoch: page.epoch, more: page.more, loading: "none", held: [] });
  append(run, events);
  settle(run);
  // What was there before is not news.
  if (run.state.seenByMe === 0) run.state.seenByMe = run.state.last;
  for (const ev of held) take(run, ev);
  if (state.link.phase === "preparing") return advance(run);
  if (run.state.link.phase === "live" && run.state.last < run.state.head && !events.length) {
    link(run, { on: "renew" });
  }
  seen(run);
  pump(run);
}

function prepend(run: Run, page: HistoryPage, before: number): void {
  if (run.state.loading === "older") run.state.loading = "none";
  const first = run.state.events[0];
  const events = gapless(page.events);
  const fits = first?.seq === before && events.at(-1)?.seq === before - 1;
  set(run, fits ? { events: [...events, ...run.state.events], more: page.more } : { more: false });
}

export function historyFailed(run: Run, before: number | null, after?: number): void {
  if (before !== null) {
    if (run.state.loading === "older") run.state.loading = "none";
    return;
  }
  if (run.state.loading !== "newest") return;
  if (run.state.link.phase === "preparing") link(run, { on: "failed", least: after });
  else link(run, { on: "renew" });
}

/** The contact looks at the newest event: the other side may know. */
export function seen(run: Run): void {
  const { visible, last, seenByMe, seenTold } = run.state;
  if (visible && last > seenByMe) run.state.seenByMe = last;
  const upTo = run.state.seenByMe;
  if (run.state.link.phase !== "live" || upTo <= seenTold || !visible) return;
  run.state.seenTold = upTo;
  tell(run, { do: "frame", frame: { t: "seen", seq: upTo } });
}
