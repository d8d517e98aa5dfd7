/** Who the contact is to the server: sessions, their renewal, and a change of identity. */
import { dropView, nothingSeen } from "./log.ts";
import { forgetOutbox } from "./outbox.ts";
import { advance, askSession, link, type Run, set, tell } from "./run.ts";
import type { Kept, SessionAnswer } from "./state.ts";

/** A token is renewed this long before its end, yet never in a rush. */
const RENEW_BEFORE_MS = 60_000;
const RENEW_LEAST_MS = 10_000;

export function sessionMade(run: Run, answer: SessionAnswer, identity: string | null): void {
  const { state } = run;
  // The contact has become somebody else meanwhile.
  if (identity !== state.identity) return;
  keep(run, { resume: answer.resume, subject: state.kept.subject });
  set(run, { session: answer, refused: null, identity: null });
  const left = answer.expires_at - run.env.now;
  tell(run, { do: "timer", name: "token", ms: Math.max(RENEW_LEAST_MS, left - RENEW_BEFORE_MS) });
  if (state.link.phase === "live") return tell(run, { do: "frame", frame: { t: "auth", token: answer.token } });
  const open = state.fresh ? null : answer.conv;
  if (open && open.id !== state.conv) {
    dropView(run, open.id, open.epoch);
    set(run, { ...nothingSeen, head: open.head, loading: open.head > 0 ? "newest" : "none" });
  }
  advance(run);
}

export function sessionFailed(
  run: Run,
  failure: { retry: boolean; code: string; identity: string | null; after?: number | undefined },
): void {
  if (failure.identity !== run.state.identity) return;
  if (failure.retry) return again(run, failure.after);
  set(run, { refused: failure.code, session: null, identity: null });
  link(run, { on: "stop" });
  // The statement may have been too old: a new one starts everything again.
  if (failure.identity !== null) tell(run, { do: "identity_needed" });
}

function again(run: Run, after?: number): void {
  if (run.state.link.phase === "preparing") return link(run, { on: "failed", least: after });
  tell(run, { do: "timer", name: "token", ms: RENEW_LEAST_MS });
}

export function tokenDue(run: Run): void {
  const { link: connection, kept, identity } = run.state;
  if (connection.phase === "live") askSession(run);
  // Nobody vouched in time.
  else if (kept.subject !== null && identity === null) link(run, { on: "failed" });
}

/** The shop says who this is; null is a guest. Nothing of another person's stays on the screen or in the outbox. */
export function identify(run: Run, identity: string | null, subject: string | null): void {
  const { kept, session } = run.state;
  const other = subject !== kept.subject;
  const current = session && session.expires_at - run.env.now > RENEW_BEFORE_MS;
  if (!other && current) return;
  set(run, { identity, refused: null });
  if (other) become(run, subject);
  const { phase } = run.state.link;
  if (phase === "preparing") return advance(run);
  if (phase === "off") return run.state.wanted ? link(run, { on: "start" }) : undefined;
  if (phase === "live" && !other) return askSession(run);
  set(run, { wire: null, typing: null, part: null });
  link(run, phase === "waiting" ? { on: "nudge" } : { on: "renew", ms: 0 });
}

function become(run: Run, subject: string | null): void {
  const guest = run.state.kept.subject === null;
  if (!guest) {
    forgetOutbox(run);
    dropView(run, null, null);
    set(run, { ...nothingSeen, mode: "bot" });
  }
  // A guest who logs in keeps the conversation, by the secret of the guest's session.
  keep(run, { resume: guest ? run.state.kept.resume : null, subject });
  run.state.session = null;
}

function keep(run: Run, kept: Kept): void {
  set(run, { kept });
  tell(run, { do: "keep", kept });
}
