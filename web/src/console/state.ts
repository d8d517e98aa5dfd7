// What the console knows, as a pure function of what it was told. Snapshots of the desk are whole; a conversation is its bundle plus
// the events, scores and notes that came after it, applied in order of seq.
import type { Desk, DeskServerFrame, Ev, TaskCard } from "../protocol/gen.ts";
import type { ApiError } from "../ui/api.ts";
import type { Bundle, Note, Score } from "../ui/bundle.ts";

export type Presence = Desk["presence"];

export interface Pending {
  cmid: string;
  kind: "msg" | "note";
  body: string;
  suggestion: { id: string; edited: boolean } | null;
  /** Ids of the colleagues whom a note speaks to. */
  mentions: string[];
  at: number;
  /** Why it was refused; null while it is on its way. */
  failed: string | null;
}

export interface Draft {
  text: string;
  mode: "reply" | "note";
  /** The suggestion that the text came from, and its wording, to tell whether it was edited. */
  from: { id: string; text: string } | null;
}

export interface Thread {
  conv: string;
  bundle: Bundle | null;
  /** Why the bundle could not be read; null while there is one or it is on its way. */
  error: ApiError | null;
  events: Ev[];
  scores: Score[];
  notes: Note[];
  watchers: string[];
  typing: string[];
  /** The contact has seen everything up to this seq. */
  seen: number;
  pending: Pending[];
  draft: Draft;
  /** Events beyond a gap came: what is missing must be asked for again. */
  gap: boolean;
}

export type Link =
  | { at: "connecting" }
  | { at: "open" }
  | { at: "waiting"; until: number }
  | { at: "replaced" };

export interface Notice {
  id: number;
  kind: "refused" | "done";
  code: string;
  command: string;
}

export interface State {
  link: Link;
  me: { id: string; name: string; role: string } | null;
  desk: Omit<Desk, "t"> | null;
  /** Server time − our time. */
  skew: number;
  selected: string | null;
  threads: Readonly<Record<string, Thread>>;
  /** Commands that await their answer, by "<command>:<task or conv>". */
  busy: readonly string[];
  notices: readonly Notice[];
  lastNotice: number;
}

export const START: State = {
  link: { at: "connecting" },
  me: null,
  desk: null,
  skew: 0,
  selected: null,
  threads: {},
  busy: [],
  notices: [],
  lastNotice: 0,
};

export type Action =
  | { do: "link"; link: Link }
  | { do: "frame"; frame: DeskServerFrame; now: number }
  | { do: "select"; conv: string | null }
  | { do: "bundle"; conv: string; bundle: Bundle }
  | { do: "open_failed"; conv: string; error: ApiError }
  | { do: "draft"; conv: string; draft: Draft }
  | { do: "sent"; conv: string; pending: Pending }
  | { do: "drop_pending"; conv: string; cmid: string }
  | { do: "retry_pending"; conv: string; cmid: string }
  | { do: "commanded"; command: string; about: string }
  | { do: "dismiss"; id: number };

export const EMPTY_DRAFT: Draft = { text: "", mode: "reply", from: null };

export function emptyThread(conv: string): Thread {
  return {
    conv, bundle: null, error: null, events: [], scores: [], notes: [], watchers: [], typing: [], seen: 0, pending: [], draft: EMPTY_DRAFT, gap: false,
  };
}

export function threadOf(state: State, conv: string): Thread {
  return state.threads[conv] ?? emptyThread(conv);
}

const lastSeq = (events: readonly Ev[]): number => events.at(-1)?.seq ?? 0;

/** The cursor of a thread: the last event that was applied. */
export function cursor(thread: Thread): number {
  return lastSeq(thread.events);
}

function onThread(state: State, conv: string, change: (thread: Thread) => Thread): State {
  const was = threadOf(state, conv);
  const is = change(was);
  return is === was ? state : { ...state, threads: { ...state.threads, [conv]: is } };
}

function byId<T>(items: readonly T[], extra: T, same: (item: T) => boolean): T[] {
  const at = items.findIndex(same);
  return at < 0 ? [...items, extra] : items.map((item, i) => (i === at ? extra : item));
}

const without = (items: readonly Pending[], cmid: string): Pending[] => items.filter((item) => item.cmid !== cmid);

function applyEvent(thread: Thread, ev: Ev): Thread {
  const last = lastSeq(thread.events);
  if (ev.seq <= last) return thread;
  if (ev.seq !== last + 1) return thread.gap ? thread : { ...thread, gap: true };
  return {
    ...thread,
    events: [...thread.events, ev],
    pending: ev.from === "agent" && ev.cmid ? without(thread.pending, ev.cmid) : thread.pending,
    typing: ev.from === "contact" ? thread.typing.filter((who) => who !== "contact") : thread.typing,
  };
}

/** A bundle replaces what it knows better: it never takes back events that have come since. */
function applyBundle(thread: Thread, bundle: Bundle): Thread {
  const sameEpoch = thread.bundle === null || thread.bundle.conversation.epoch === bundle.conversation.epoch;
  const last = lastSeq(bundle.events);
  const newer = sameEpoch ? thread.events.filter((ev) => ev.seq > last) : [];
  const scored = new Set(bundle.scores.map((score) => score.seq));
  const noted = new Set(bundle.notes.map((note) => note.id));
  const contiguous = newer.every((ev, i) => ev.seq === last + 1 + i);
  return {
    ...thread,
    bundle,
    error: null,
    events: [...bundle.events, ...(contiguous ? newer : [])],
    scores: [...bundle.scores, ...(sameEpoch ? thread.scores.filter((score) => !scored.has(score.seq)) : [])].sort((a, b) => a.seq - b.seq),
    notes: [...bundle.notes, ...(sameEpoch ? thread.notes.filter((note) => !noted.has(note.id)) : [])],
    pending: thread.pending.filter((item) => !bundle.events.some((ev) => ev.cmid === item.cmid && ev.from === "agent")),
    gap: !contiguous,
  };
}

const notBusy = (busy: readonly string[], command: string, abouts: readonly (string | null | undefined)[]): string[] =>
  busy.filter((key) => !abouts.some((about) => about && key === `${command}:${about}`));

function onFrame(state: State, frame: DeskServerFrame, now: number): State {
  switch (frame.t) {
    case "ready":
      return {
        ...state,
        link: { at: "open" },
        me: { id: frame.agent_id, name: frame.name, role: frame.role },
        busy: [], // answers to what was asked before the cut will not come: the next snapshot tells
      };
    case "desk": {
      const { t: _t, ...desk } = frame;
      return { ...state, desk, skew: frame.now - now };
    }
    case "ev":
      return onThread(state, frame.conv, (thread) => applyEvent(thread, frame.ev));
    case "score": {
      const { t: _t, conv, ...score } = frame;
      return onThread(state, conv, (thread) => ({
        ...thread,
        scores: byId(thread.scores, score, (item) => item.seq === score.seq).sort((a, b) => a.seq - b.seq),
      }));
    }
    case "note": {
      const { t: _t, conv, ...note } = frame;
      return onThread(state, conv, (thread) => ({ ...thread, notes: byId(thread.notes, note, (item) => item.id === note.id) }));
    }
    case "watching":
      return onThread(state, frame.conv, (thread) => ({ ...thread, watchers: frame.agents, typing: frame.typing }));
    case "seen":
      return onThread(state, frame.conv, (thread) => (frame.seq > thread.seen ? { ...thread, seen: frame.seq } : thread));
    case "caught":
      return onThread(state, frame.conv, (thread) => {
        const gap = frame.head > lastSeq(thread.events);
        return gap === thread.gap ? thread : { ...thread, gap };
      });
    case "ack":
      // A message stays pending until its event is here, so that it never vanishes between the two; a note has no event.
      return onThread(state, frame.conv, (thread) => {
        const item = thread.pending.find((pending) => pending.cmid === frame.cmid);
        const here = item?.kind === "note" || thread.events.some((ev) => ev.cmid === frame.cmid);
        return item && here ? { ...thread, pending: without(thread.pending, frame.cmid) } : thread;
      });
    case "done":
      return { ...state, busy: notBusy(state.busy, frame.command, [frame.task, frame.conv, "call"]) };
    case "refused": {
      const next: State = { ...state, busy: notBusy(state.busy, frame.command, [frame.task, frame.conv, "call"]) };
      if (frame.conv && frame.cmid) {
        const { cmid } = frame;
        return onThread(next, frame.conv, (thread) => ({
          ...thread,
          pending: thread.pending.map((item) => (item.cmid === cmid ? { ...item, failed: frame.code } : item)),
        }));
      }
      const id = state.lastNotice + 1;
      return { ...next, lastNotice: id, notices: [...next.notices.slice(-2), { id, kind: "refused", code: frame.code, command: frame.command }] };
    }
    case "pong":
    case "drain":
      return state;
  }
}

export function reduce(state: State, action: Action): State {
  switch (action.do) {
    case "link":
      return { ...state, link: action.link };
    case "frame":
      return onFrame(state, action.frame, action.now);
    case "select":
      return state.selected === action.conv ? state : { ...state, selected: action.conv };
    case "bundle":
      return onThread(state, action.conv, (thread) => applyBundle(thread, action.bundle));
    case "open_failed":
      return onThread(state, action.conv, (thread) => ({ ...thread, error: action.error }));
    case "draft":
      return onThread(state, action.conv, (thread) => ({ ...thread, draft: action.draft }));
    case "sent":
      return onThread(state, action.conv, (thread) => ({
        ...thread,
        pending: [...thread.pending, action.pending],
        draft: { ...EMPTY_DRAFT, mode: thread.draft.mode },
      }));
    case "drop_pending":
      return onThread(state, action.conv, (thread) => ({ ...thread, pending: without(thread.pending, action.cmid) }));
    case "retry_pending":
      return onThread(state, action.conv, (thread) => ({
        ...thread,
        pending: thread.pending.map((item) => (item.cmid === action.cmid ? { ...item, failed: null } : item)),
      }));
    case "commanded":
      return { ...state, busy: [...state.busy, `${action.command}:${action.about}`] };
    case "dismiss":
      return { ...state, notices: state.notices.filter((notice) => notice.id !== action.id) };
  }
}

// --- what the screens ask of the state ------------------------------------------------------------------------------------------

/** All cards, each once, in the order of the queue's sections. */
export function cards(state: State): TaskCard[] {
  const { desk } = state;
  return desk ? [...desk.offered, ...desk.mine, ...desk.waiting, ...desk.others] : [];
}

export function cardOf(state: State, conv: string | null): TaskCard | null {
  return (conv && cards(state).find((card) => card.conv === conv)) || null;
}

/** Whether this agent holds the conversation and may speak in it, and with which epoch. */
export function control(state: State, conv: string): { holds: boolean; assignEpoch: number } {
  const card = state.desk?.mine.find((item) => item.conv === conv);
  return { holds: card?.state === "assigned", assignEpoch: card?.assign_epoch ?? 0 };
}

/** Whether a note of the conversation speaks to the agent and was not read. */
export function mentionedIn(state: State, conv: string): boolean {
  return state.desk?.mentions.some((mention) => mention.conv === conv && !mention.read) ?? false;
}

/** What asks for attention: offers, unread messages in the agent's own conversations, notes that speak to the agent. */
export function attention(state: State): { offers: number; unread: number; mentions: number } {
  const { desk, selected } = state;
  const unread = desk?.mine.reduce((sum, card) => sum + (card.conv === selected ? 0 : card.unread), 0) ?? 0;
  return { offers: desk?.offered.length ?? 0, unread, mentions: desk?.mentions_unread ?? 0 };
}

/** The conversation next to the selected one in the list, `step` rows on. */
export function neighbour(state: State, step: 1 | -1): string | null {
  const list = cards(state).filter((card) => card.state !== "offered" || !state.desk?.offered.includes(card));
  if (!list.length) return null;
  const at = list.findIndex((card) => card.conv === state.selected);
  if (at < 0) return list[step > 0 ? 0 : list.length - 1]!.conv;
  return list[(at + step + list.length) % list.length]!.conv;
}
