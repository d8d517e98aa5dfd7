/** What the contact sent and the server has not confirmed: nothing lost, nothing doubled, nothing out of order. */
import type { Nack } from "../../protocol/gen.ts";
import { backoff } from "../backoff.ts";
import { link, type Run, set, tell } from "./run.ts";
import type { Outgoing } from "./state.ts";

/** After this long a pending message is shown as not sent, and goes out again only when the contact asks. */
export const EXPIRY_MS = 10 * 60_000;
/** A live connection that does not confirm a message within this is renewed. */
const ACK_MS = 15_000;

type Failure = NonNullable<Outgoing["error"]>;

const find = (run: Run, cmid: string): Outgoing | undefined => run.state.outbox.find((item) => item.cmid === cmid);

function replace(run: Run, item: Outgoing): void {
  run.state.outbox = run.state.outbox.map((other) => (other.cmid === item.cmid ? item : other));
  // What the server has stored need not be remembered.
  tell(run, item.state === "acked" ? { do: "drop_outgoing", cmid: item.cmid } : { do: "keep_outgoing", item });
}

function fail(run: Run, item: Outgoing, error: Failure): void {
  replace(run, { ...item, state: "failed", error });
}

/** Takes a message up and sends it as soon as it can be. A cmid that is already there is ignored. */
export function add(run: Run, item: Outgoing): void {
  if (find(run, item.cmid) || (item.kind === "msg" && item.body.trim() === "")) return;
  run.state.outbox = [...run.state.outbox, item];
  tell(run, { do: "keep_outgoing", item });
  expire(run);
  if (run.state.link.phase === "off" && run.state.refused === null) link(run, { on: "start" });
  pump(run);
}

/** Puts the first pending message on the wire, if none is and the connection is live. */
export function pump(run: Run): void {
  const { state } = run;
  if (state.link.phase !== "live" || state.wire !== null || state.paused) return;
  const item = state.outbox.find((other) => other.state === "pending");
  if (!item || state.conv === null) return;
  if (item.conv !== undefined && item.conv !== state.conv) {
    // It may be stored in the other conversation: whether to say it again is for the contact to decide.
    fail(run, item, "expired");
    return pump(run);
  }
  if (item.conv === undefined) replace(run, { ...item, conv: state.conv });
  run.state.wire = item.cmid;
  const { cmid, body } = item;
  tell(
    run,
    { do: "frame", frame: item.kind === "msg" ? { t: "msg", cmid, body } : { t: "escalate", cmid, reason: body } },
    { do: "timer", name: "flush", ms: ACK_MS },
  );
}

/** After a hello everything pending goes out again, under the same cmid. */
export function resend(run: Run): void {
  set(run, { wire: null, paused: false });
  pump(run);
}

function unwire(run: Run, cmid: string): void {
  if (run.state.wire !== cmid) return;
  run.state.wire = null;
  tell(run, { do: "cancel", name: "flush" });
}

/** The server has stored it as `seq`; its event follows, unless it was there before. */
export function acknowledged(run: Run, cmid: string, seq: number): void {
  const item = find(run, cmid);
  if (item) replace(run, { ...item, state: "acked", seq, error: undefined });
  unwire(run, cmid);
  settle(run);
  pump(run);
}

/** Lets go of acked messages that the log has gone past. */
export function settle(run: Run): void {
  const { outbox, last } = run.state;
  run.state.outbox = outbox.filter((item) => item.state !== "acked" || (item.seq ?? 0) > last);
}

/** An older state of the log is back: what was acked but not seen to arrive may be gone. */
export function unsettle(run: Run): void {
  for (const item of run.state.outbox) {
    if (item.state === "acked") replace(run, { ...item, state: "pending", seq: undefined });
  }
}

/** The contact's own event counts as the ack and takes the message's place. */
export function arrived(run: Run, cmid: string): void {
  if (find(run, cmid)) {
    run.state.outbox = run.state.outbox.filter((item) => item.cmid !== cmid);
    tell(run, { do: "drop_outgoing", cmid });
  }
  unwire(run, cmid);
}

/** Nothing was stored. `closed`: the message stays pending and needs a new conversation. */
export function refused(run: Run, nack: Nack): "closed" | "done" {
  const cmid = nack.cmid ?? run.state.wire;
  const item = cmid ? find(run, cmid) : undefined;
  if (item?.state !== "pending") return "done";
  unwire(run, item.cmid);
  if (nack.code === "closed") {
    replace(run, { ...item, conv: undefined });
    return "closed";
  }
  if (nack.retry) {
    run.state.paused = true;
    tell(run, { do: "timer", name: "flush", ms: nack.after_ms ?? backoff(1, run.env.draw) });
  } else {
    fail(run, item, nack.code);
    pump(run);
  }
  return "done";
}

/** The connection was closed because of what was on the wire. */
export function poisoned(run: Run, error: Failure): void {
  const item = run.state.wire ? find(run, run.state.wire) : undefined;
  if (item) fail(run, item, error);
}

export function flushDue(run: Run): void {
  if (run.state.wire !== null) return link(run, { on: "renew" });
  run.state.paused = false;
  pump(run);
}

export function retry(run: Run, cmid: string): void {
  const item = find(run, cmid);
  if (item?.state !== "failed") return;
  // In the conversation it was meant for it may be stored already, which the old cmid tells; elsewhere it is new.
  const conv = item.conv === run.state.conv ? item.conv : undefined;
  replace(run, { ...item, conv, state: "pending", error: undefined, at: run.env.now });
  expire(run);
  const { phase } = run.state.link;
  if (phase === "off") link(run, { on: "start" });
  if (phase === "waiting") link(run, { on: "nudge" });
  pump(run);
}

export function discard(run: Run, cmid: string): void {
  if (find(run, cmid)?.state !== "failed") return;
  run.state.outbox = run.state.outbox.filter((item) => item.cmid !== cmid);
  tell(run, { do: "drop_outgoing", cmid });
}

/** Fails what is too old and sets the timer for the next that will be. */
export function expire(run: Run): void {
  const { now } = run.env;
  for (const item of run.state.outbox) {
    if (item.state === "pending" && now - item.at >= EXPIRY_MS) {
      fail(run, item, "expired");
      unwire(run, item.cmid);
    }
  }
  const due = run.state.outbox.filter((item) => item.state === "pending").map((item) => item.at + EXPIRY_MS);
  if (due.length) tell(run, { do: "timer", name: "expire", ms: Math.max(0, Math.min(...due) - now) });
}

export function forgetOutbox(run: Run): void {
  for (const item of run.state.outbox) tell(run, { do: "drop_outgoing", cmid: item.cmid });
  set(run, { outbox: [], wire: null });
}
