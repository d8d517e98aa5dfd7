/**
 * The life of one connection, as a pure machine: prepare (a token, a ticket) → open → greet (hello) → live, with heartbeats;
 * whatever goes wrong ends in `waiting` and a full-jitter back-off. Chat and desk wrap it; they decide what a close code means.
 *
 * After the effect `close` the socket is forgotten: no `closed` follows from it.
 */
import { backoff } from "./backoff.ts";
import type { Env } from "./env.ts";

export type LinkPhase = "off" | "preparing" | "opening" | "greeting" | "live" | "waiting";
export type LinkTimer = "retry" | "deadline" | "ping" | "settle";

export interface Link {
  readonly phase: LinkPhase;
  /** Failures since the connection was last live for a while: a server that greets and then drops is not hammered. */
  readonly attempt: number;
  /** Number of the last ping. */
  readonly ping: number;
  readonly pingMs: number;
}

export type LinkInput =
  | { on: "start" }
  | { on: "stop" }
  | { on: "prepared" }
  /** Preparing failed; `least` is the server's wish for a pause. */
  | { on: "failed"; least?: number | undefined }
  | { on: "opened" }
  | { on: "ready"; pingSeconds: number }
  | { on: "pong" }
  | { on: "closed"; least?: number | undefined }
  /** Drop this connection and make another: after `ms` or, without it, after a back-off. */
  | { on: "renew"; ms?: number | undefined }
  /** The device is back on line, or the user asks: stop waiting. */
  | { on: "nudge" }
  | { on: "timer"; name: LinkTimer };

export type LinkEffect =
  | { do: "prepare" }
  | { do: "open" }
  | { do: "greet" }
  | { do: "ping"; n: number }
  | { do: "close"; code: number }
  | { do: "timer"; name: LinkTimer; ms: number }
  | { do: "cancel"; name: LinkTimer };

type Step = [Link, LinkEffect[]];

/** How long opening and greeting, and each pong, may take. */
const DEADLINE_MS = 10_000;
const SETTLE_MS = 2_000;
const CODE_TIMEOUT = 4408;
const CODE_DONE = 1000;
const TIMERS: readonly LinkTimer[] = ["retry", "deadline", "ping", "settle"];

export const idleLink: Link = { phase: "off", attempt: 0, ping: 0, pingMs: 25_000 };

const timer = (name: LinkTimer, ms: number): LinkEffect => ({ do: "timer", name, ms });
const cancel = (name: LinkTimer): LinkEffect => ({ do: "cancel", name });
const close = (code: number): LinkEffect => ({ do: "close", code });

/** 25 s ± 20 %, so that clients do not beat in step. */
const nextPing = ({ pingMs }: Link, { draw }: Env): LinkEffect => timer("ping", Math.round(pingMs * (0.8 + 0.4 * draw)));

const prepare = (link: Link): Step => [{ ...link, phase: "preparing" }, [cancel("retry"), { do: "prepare" }]];

/** Ends what there is and waits for the next try. */
function wait(link: Link, env: Env, closing: LinkEffect[], least = 0, exactly?: number): Step {
  const ms = exactly ?? Math.max(least, backoff(link.attempt, env.draw));
  const next: Link = { ...link, phase: "waiting", attempt: link.attempt + 1 };
  return [next, [...closing, ...TIMERS.map(cancel), timer("retry", ms)]];
}

/** In which phase an input means something; any phase for those not named. */
const FITTING: Partial<Record<string, LinkPhase>> = {
  start: "off",
  prepared: "preparing",
  failed: "preparing",
  opened: "opening",
  ready: "greeting",
  pong: "live",
  nudge: "waiting",
  retry: "waiting",
  ping: "live",
  settle: "live",
};

/** One step; never throws, inputs that do not fit the phase change nothing. */
export function linkStep(link: Link, input: LinkInput, env: Env): Step {
  const { phase } = link;
  const connected = phase === "opening" || phase === "greeting" || phase === "live";
  const what = input.on === "timer" ? input.name : input.on;
  const fitting = FITTING[what];
  if (fitting ? phase !== fitting : what !== "stop" && !connected) return [link, []];
  if (input.on === "timer") return timed(link, input.name, env);
  switch (input.on) {
    case "start":
    case "nudge":
      return prepare(link);
    case "stop":
      return [{ ...link, phase: "off", attempt: 0 }, [...(connected ? [close(CODE_DONE)] : []), ...TIMERS.map(cancel)]];
    case "prepared":
      return [{ ...link, phase: "opening" }, [{ do: "open" }, timer("deadline", DEADLINE_MS)]];
    case "opened":
      return [{ ...link, phase: "greeting" }, [{ do: "greet" }]];
    case "ready": {
      const live: Link = { ...link, phase: "live", pingMs: input.pingSeconds * 1000 };
      return [live, [cancel("deadline"), timer("settle", SETTLE_MS), nextPing(live, env)]];
    }
    case "pong":
      return [link, [cancel("deadline")]];
    case "renew":
      return wait(link, env, [close(CODE_DONE)], 0, input.ms);
    default:
      return wait(link, env, [], input.least);
  }
}

function timed(link: Link, name: LinkTimer, env: Env): Step {
  switch (name) {
    case "retry":
      return prepare(link);
    case "settle":
      return [{ ...link, attempt: 0 }, []];
    case "ping": {
      const next = { ...link, ping: link.ping + 1 };
      return [next, [{ do: "ping", n: next.ping }, timer("deadline", DEADLINE_MS), nextPing(next, env)]];
    }
    case "deadline":
      // A socket that neither opens, greets nor answers is half-open: give it up.
      return wait(link, env, [close(CODE_TIMEOUT)]);
  }
}
