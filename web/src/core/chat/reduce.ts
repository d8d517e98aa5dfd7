/** One step of the contact's side of `staywell.chat.v1`: pure, so that every race can be replayed in a test. */
import type { ServerFrame } from "../../protocol/gen.ts";
import type { Env } from "../env.ts";
import { identify, sessionFailed, sessionMade, tokenDue } from "./access.ts";
import { dropView, historyFailed, historyLoaded, nothingSeen, reset, seen, take } from "./log.ts";
import { acknowledged, add, discard, expire, flushDue, forgetOutbox, poisoned, refused, resend, retry } from "./outbox.ts";
import { link, type Run, set, tell } from "./run.ts";
import type { ChatEffect, ChatInput, ChatState, ChatTimer } from "./state.ts";

/** Somebody is shown as writing for this long after the last sign of it. */
const TYPING_SHOWN_MS = 8_000;
/** The contact is told of as writing until this long after the last key. */
const TYPING_IDLE_MS = 5_000;

/** The next state and what has to be done. Never throws; an input that does not fit changes nothing. */
export function step(state: ChatState, input: ChatInput, env: Env): [ChatState, ChatEffect[]] {
  const run: Run = { state: { ...state }, effects: [], env };
  apply(run, input);
  return [run.state, run.effects];
}

function apply(run: Run, input: ChatInput): void {
  switch (input.on) {
    case "start":
      set(run, { wanted: true, refused: null });
      link(run, { on: run.state.link.phase === "waiting" ? "nudge" : "start" });
      return expire(run);
    case "stop":
      set(run, { wanted: false, wire: null, typing: null, part: null, typingTold: false });
      return link(run, { on: "stop" });
    case "session":
      return sessionMade(run, input.answer, input.identity);
    case "session_failed":
      return sessionFailed(run, input);
    case "history":
      return historyLoaded(run, input.page, input.before);
    case "history_failed":
      return historyFailed(run, input.before, input.after);
    case "older":
      return older(run);
    case "opened":
      return link(run, { on: "opened" });
    case "frame":
      return received(run, input.frame);
    case "closed":
      return closed(run, input.code);
    case "send":
      return add(run, { cmid: input.cmid, kind: "msg", body: input.body, at: run.env.now, state: "pending" });
    case "escalate":
      return add(run, { cmid: input.cmid, kind: "escalate", body: input.reason, at: run.env.now, state: "pending" });
    case "retry":
      return retry(run, input.cmid);
    case "discard":
      return discard(run, input.cmid);
    case "write":
      return write(run, input.writing);
    case "visible":
      run.state.visible = input.visible;
      return seen(run);
    case "online":
      run.state.online = input.online;
      if (input.online) link(run, { on: "nudge" });
      return;
    case "identify":
      return identify(run, input.identity, input.subject);
    case "locale":
      run.state.locale = input.locale;
      return;
    case "new_chat":
      return newChat(run);
    case "timer":
      return timed(run, input.name);
  }
}

function received(run: Run, frame: ServerFrame): void {
  switch (frame.t) {
    case "ready":
      return ready(run, frame);
    case "ev":
      return take(run, frame);
    case "ack":
      run.state.head = Math.max(run.state.head, frame.seq);
      return acknowledged(run, frame.cmid, frame.seq);
    case "nack":
      // The conversation ended meanwhile. As nothing was stored, the words may open the next one.
      if (refused(run, frame) === "closed") newChat(run);
      return;
    case "reset":
      return reset(run, frame);
    case "part": {
      const { part } = run.state;
      const goesOn = part?.replyTo === frame.reply_to && frame.n === part.next;
      // From the start, perhaps once more by another worker. Joined in the middle: half a reply is worse than none.
      if (goesOn || !frame.n) {
        run.state.part = { replyTo: frame.reply_to, next: frame.n + 1, body: (goesOn ? part.body : "") + frame.body };
      }
      return;
    }
    case "typing":
      run.state.typing = frame.on ? frame.from : null;
      return tell(run, frame.on ? { do: "timer", name: "typing", ms: TYPING_SHOWN_MS } : { do: "cancel", name: "typing" });
    case "seen":
      run.state.seenByThem = Math.max(run.state.seenByThem, frame.seq);
      return;
    case "pong":
      return link(run, { on: "pong" });
    case "drain":
      // A live connection is renewed a little apart from everybody else's.
      return lost(run, () => link(run, { on: "renew", ms: Math.round(frame.after_ms * (0.5 + run.env.draw)) }));
  }
}

function ready(run: Run, frame: Extract<ServerFrame, { t: "ready" }>): void {
  const { state } = run;
  if (state.link.phase !== "greeting") return;
  link(run, { on: "ready", pingSeconds: frame.limits.ping_seconds });
  const other = state.conv !== null && (state.conv !== frame.conv || state.epoch !== frame.epoch);
  if (state.last > 0 && (other || frame.head < state.last)) {
    reset(run, frame);
  } else {
    set(run, { conv: frame.conv, epoch: frame.epoch, head: frame.head, mode: frame.mode, fresh: false });
  }
  resend(run);
  seen(run);
}

function closed(run: Run, code: number): void {
  let least: number | undefined;
  switch (code) {
    case 4401:
      run.state.session = null;
      break;
    case 4403:
      dropView(run, null, null);
      run.state.session = null;
      break;
    case 4410:
      dropView(run, null, null);
      forgetOutbox(run);
      set(run, { session: null, kept: { ...run.state.kept, resume: null } });
      tell(run, { do: "keep", kept: run.state.kept });
      break;
    case 1003:
    case 1007:
    case 1009:
    case 4400:
      poisoned(run, "bad_frame");
      break;
    case 4429:
      least = 5_000;
      break;
    case 1013:
      least = 1_000;
      break;
  }
  lost(run, () => link(run, { on: "closed", least }));
}

/** What does not outlive a connection goes with it. */
function lost(run: Run, how: () => void): void {
  set(run, { wire: null, typing: null, part: null, typingTold: false, paused: false });
  tell(run, { do: "cancel", name: "flush" });
  how();
}

function older(run: Run): void {
  const { conv, events, more, loading } = run.state;
  const first = events[0];
  if (!conv || !first || !more || loading !== "none") return;
  run.state.loading = "older";
  tell(run, { do: "history", conv, before: first.seq });
}

function newChat(run: Run): void {
  dropView(run, null, null);
  set(run, { fresh: true, mode: "bot", ...nothingSeen });
  if (run.state.link.phase === "off") link(run, { on: "start" });
  else lost(run, () => link(run, { on: "renew", ms: 0 }));
}

function write(run: Run, writing: boolean): void {
  const { typingTold, link: connection } = run.state;
  if (writing && connection.phase === "live") tell(run, { do: "timer", name: "idle", ms: TYPING_IDLE_MS });
  if (writing === typingTold || connection.phase !== "live") return;
  run.state.typingTold = writing;
  tell(run, { do: "frame", frame: { t: "typing", on: writing } });
  if (!writing) tell(run, { do: "cancel", name: "idle" });
}

function timed(run: Run, name: ChatTimer): void {
  switch (name) {
    case "flush":
      return flushDue(run);
    case "expire":
      return expire(run);
    case "token":
      return tokenDue(run);
    case "typing":
      run.state.typing = null;
      return;
    case "idle":
      return write(run, false);
    default:
      if (name === "deadline") return lost(run, () => link(run, { on: "timer", name }));
      return link(run, { on: "timer", name });
  }
}
