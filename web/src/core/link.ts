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

/** How long opening and greeting, and each pong, may take. */
const DEADLINE_MS = 10_000;
const SETTLE_MS = 2_000;
const CODE_TIMEOUT = 4408;
const CODE_DONE = 1000;

export const idleLink: Link = { phase: "off", attempt: 0, ping: 0, pingMs: 25_000 };

/** One step; never throws, inputs that do not fit the phase change nothing. */
export function linkStep(link: Link, input: LinkInput, env: Env): [Link, LinkEffect[]] {
  const connected = link.phase === "opening" || link.phase === "greeting" || link.phase === "live";
  switch (input.on) {
    case "start":
      return link.phase === "off" ? prepare(link) : [link, []];
    case "stop":
      return [{ ...link, phase: "off", attempt: 0 }, [...(connected ? [close(CODE_DONE)] : []), ...quiet]];
    case "prepared":
      if (link.phase !== "preparing") return [link, []];
      return [{ ...link, phase: "opening" }, [{ do: "open" }, { do: "timer", name: "deadline", ms: DEADLINE_MS }]];
    case "failed":
      return link.phase === "preparing" ? wait(link, env, input.least) : [link, []];
    case "opened":
      return link.phase === "opening" ? [{ ...link, phase: "greeting" }, [{ do: "greet" }]] : [link, []];
    case "ready": {
      if (link.phase !== "greeting") return [link, []];
      const live: Link = { ...link, phase: "live", pingMs: input.pingSeconds * 1000 };
      return [
        live,
        [{ do: "cancel", name: "deadline" }, { do: "timer", name: "settle", ms: SETTLE_MS }, nextPing(live, env)],
      ];
    }
    case "pong":
      return link.phase === "live" ? [link, [{ do: "cancel", name: "deadline" }]] : [link, []];
    case "closed":
      return connected ? wait(link, env, input.least) : [link, []];
    case "renew": {
      if (!connected) return [link, []];
      const [next, effects] = wait(link, env, undefined, input.ms);
      return [next, [close(CODE_DONE), ...effects]];
    }
    case "nudge":
      return link.phase === "waiting" ? prepare(link, [{ do: "cancel", name: "retry" }]) : [link, []];
    case "timer":
      return timed(link, input.name, env);
  }
}

function timed(link: Link, name: LinkTimer, env: Env): [Link, LinkEffect[]] {
  if (name === "retry") return link.phase === "waiting" ? prepare(link) : [link, []];
  if (name === "settle") return link.phase === "live" ? [{ ...link, attempt: 0 }, []] : [link, []];
  if (name === "ping") {
    if (link.phase !== "live") return [link, []];
    const next = { ...link, ping: link.ping + 1 };
    return [
      next,
      [{ do: "ping", n: next.ping }, { do: "timer", name: "deadline", ms: DEADLINE_MS }, nextPing(next, env)],
    ];
  }
  // A socket that neither opens, greets nor answers is half-open: give it up.
  if (link.phase !== "opening" && link.phase !== "greeting" && link.phase !== "live") return [link, []];
  const [next, effects] = wait(link, env);
  return [next, [close(CODE_TIMEOUT), ...effects]];
}

const quiet: LinkEffect[] = [
  { do: "cancel", name: "retry" },
  { do: "cancel", name: "deadline" },
  { do: "cancel", name: "ping" },
  { do: "cancel", name: "settle" },
];

const close = (code: number): LinkEffect => ({ do: "close", code });

/** 25 s ± 20 %, so that clients do not beat in step. */
const nextPing = (link: Link, env: Env): LinkEffect => ({
  do: "timer",
  name: "ping",
  ms: Math.round(link.pingMs * (0.8 + 0.4 * env.draw)),
});

const prepare = (link: Link, before: LinkEffect[] = []): [Link, LinkEffect[]] => [
  { ...link, phase: "preparing" },
  [...before, { do: "prepare" }],
];

function wait(link: Link, env: Env, least = 0, exactly?: number): [Link, LinkEffect[]] {
  const ms = exactly ?? Math.max(least, backoff(link.attempt, env.draw));
  const next: Link = { ...link, phase: "waiting", attempt: link.attempt + 1 };
  return [next, [...quiet, { do: "timer", name: "retry", ms }]];
}
