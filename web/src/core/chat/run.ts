/** A step under way: the state so far and the effects so far. */
import type { Env } from "../env.ts";
import { type LinkInput, linkStep } from "../link.ts";
import type { ChatEffect, ChatState } from "./state.ts";

type Draft = { -readonly [Name in keyof ChatState]: ChatState[Name] };

export interface Run {
  /** The step's own copy: its fields are replaced, what stands in them is never changed. */
  readonly state: Draft;
  readonly effects: ChatEffect[];
  readonly env: Env;
}

export function set(run: Run, patch: Partial<ChatState>): void {
  Object.assign(run.state, patch);
}

export function tell(run: Run, ...effects: ChatEffect[]): void {
  run.effects.push(...effects);
}

/** A token this close to its end is not worth a hello. */
const TOKEN_LEFT_MS = 5_000;

/** How long the shop's page may take to vouch. */
const VOUCH_MS = 10_000;

/** Steps the connection and turns what it asks for into the chat's effects. */
export function link(run: Run, input: LinkInput): void {
  const [next, effects] = linkStep(run.state.link, input, run.env);
  run.state.link = next;
  for (const effect of effects) {
    switch (effect.do) {
      case "prepare":
        advance(run);
        break;
      case "greet":
        greet(run);
        break;
      case "ping":
        tell(run, { do: "frame", frame: { t: "ping", n: effect.n } });
        break;
      default:
        tell(run, effect);
    }
  }
}

/** The next thing that is missing before the socket can open: a session, the newest page of history, or nothing. */
export function advance(run: Run): void {
  const { link: connection, session, loading, conv } = run.state;
  if (connection.phase !== "preparing") return;
  if (!session || session.expires_at - run.env.now < TOKEN_LEFT_MS) return askSession(run);
  if (loading === "newest" && conv) return tell(run, { do: "history", conv, before: null });
  link(run, { on: "prepared" });
}

/** Asks the server for a session or, where only the shop can say who this is, the shop's page. */
export function askSession(run: Run): void {
  const { identity, kept, locale } = run.state;
  if (kept.subject !== null && identity === null) {
    return tell(run, { do: "identity_needed" }, { do: "timer", name: "token", ms: VOUCH_MS });
  }
  tell(run, { do: "session", identity, resume: kept.resume, locale });
}

function greet(run: Run): void {
  const { session, conv, epoch, last } = run.state;
  if (!session) return;
  tell(run, {
    do: "frame",
    frame: {
      t: "hello",
      v: "staywell.chat.v1",
      token: session.token,
      ...(conv && epoch ? { conv, epoch, after: last } : {}),
    },
  });
}
