import assert from "node:assert/strict";
import { test } from "node:test";
import type { Desk, DeskServerFrame, Ev, TaskCard } from "../../src/protocol/gen.ts";
import { ApiError } from "../../src/ui/api.ts";
import type { Bundle } from "../../src/ui/bundle.ts";
import { START, attention, control, cursor, mentionedIn, neighbour, reduce, threadOf, type Action, type State } from "../../src/console/state.ts";

const CONV = "c1";
const ev = (seq: number, from: Ev["from"] = "contact", extra: Partial<Ev> = {}): Ev => ({ t: "ev", seq, id: `e${seq}`, from, kind: "message", data: {}, at: seq, body: `m${seq}`, ...extra });
const card = (conv: string, extra: Partial<TaskCard> = {}): TaskCard => ({
  task: `t-${conv}`, conv, state: "assigned", name: conv, verified: true, locale: "en", reason: "high_risk", reasons: [], value_at_stake: 0, currency: "EUR",
  preview: "", preview_from: "contact", waiting_since: 0, assign_epoch: 1, unread: 0, ...extra,
});
const desk = (extra: Partial<Desk> = {}): Desk => ({ t: "desk", now: 1000, presence: "available", load: 0, capacity: 4, offered: [], mine: [], waiting: [], waiting_total: 0, others: [], team: [], mentions: [], mentions_unread: 0, callbacks: [], callbacks_total: 0, ...extra });
const bundle = (events: Ev[], extra: Partial<Bundle> = {}): Bundle => ({
  conversation: { id: CONV, epoch: "E", status: "escalated", holder: "bot", assign_epoch: 1, head: events.length, locale: "en", created_at: 0, mode: "waiting", band: null, risk: null, csat: null },
  task: null,
  contact: { id: "p", name: "P", email: null, locale: null, verified: false, since: null, external_id: null, value_year: null, currency: "EUR", orders: 0, returns: 0, last_order_at: null, csat_last: [], group: "treated" },
  scores: [], events, notes: [], summary: null, reasons: [], drivers: [], tried: [], suggestions: { scripts: [], products: [] }, wallet: null, orders: [], returns: [], dispositions: [], ...extra,
});
const run = (...actions: Action[]): State => actions.reduce(reduce, START);
const frame = (it: DeskServerFrame, now = 0): Action => ({ do: "frame", frame: it, now });
const seqs = (state: State): number[] => threadOf(state, CONV).events.map((item) => item.seq);
const pending = (cmid: string, kind: "msg" | "note" = "msg"): Action => ({ do: "sent", conv: CONV, pending: { cmid, kind, body: "hi", suggestion: null, mentions: [], at: 0, failed: null } });

test("events apply once and in order, however often they come", () => {
  const state = run({ do: "bundle", conv: CONV, bundle: bundle([ev(1), ev(2)]) }, frame({ t: "ev", conv: CONV, ev: ev(3) }), frame({ t: "ev", conv: CONV, ev: ev(3) }), frame({ t: "ev", conv: CONV, ev: ev(2) }));
  assert.deepEqual(seqs(state), [1, 2, 3]);
  assert.equal(threadOf(state, CONV).gap, false);
});

test("an event beyond a gap is not applied, and the gap is known until a bundle closes it", () => {
  const state = run({ do: "bundle", conv: CONV, bundle: bundle([ev(1)]) }, frame({ t: "ev", conv: CONV, ev: ev(4) }));
  assert.deepEqual(seqs(state), [1]);
  assert.equal(threadOf(state, CONV).gap, true);
  const closed = reduce(state, { do: "bundle", conv: CONV, bundle: bundle([ev(1), ev(2), ev(3), ev(4)]) });
  assert.equal(threadOf(closed, CONV).gap, false);
  assert.equal(cursor(threadOf(closed, CONV)), 4);
});

test("an older bundle never takes back events; old bundle + events equals a fresh bundle", () => {
  const events = [ev(1), ev(2), ev(3), ev(4)];
  const fresh = run({ do: "bundle", conv: CONV, bundle: bundle(events) });
  const grown = run({ do: "bundle", conv: CONV, bundle: bundle(events.slice(0, 2)) }, frame({ t: "ev", conv: CONV, ev: ev(3) }), frame({ t: "ev", conv: CONV, ev: ev(4) }));
  assert.deepEqual(seqs(grown), seqs(fresh));
  const late = reduce(grown, { do: "bundle", conv: CONV, bundle: bundle(events.slice(0, 3)) });
  assert.deepEqual(seqs(late), [1, 2, 3, 4]);
});

test("another epoch drops what was known", () => {
  const other = bundle([ev(1)]);
  other.conversation.epoch = "F";
  assert.deepEqual(seqs(run({ do: "bundle", conv: CONV, bundle: bundle([ev(1), ev(2)]) }, { do: "bundle", conv: CONV, bundle: other })), [1]);
});

test("a sent message stays pending until its event is here, then stands once", () => {
  let state = run({ do: "bundle", conv: CONV, bundle: bundle([ev(1)]) }, pending("k"), frame({ t: "ack", conv: CONV, cmid: "k", seq: 2, dup: false }));
  assert.equal(threadOf(state, CONV).pending.length, 1);
  state = reduce(state, frame({ t: "ev", conv: CONV, ev: ev(2, "agent", { cmid: "k" }) }));
  assert.equal(threadOf(state, CONV).pending.length, 0);
  assert.deepEqual(seqs(state), [1, 2]);
  // The other order: event first, ack second.
  const other = run({ do: "bundle", conv: CONV, bundle: bundle([ev(1)]) }, pending("k"), frame({ t: "ev", conv: CONV, ev: ev(2, "agent", { cmid: "k" }) }), frame({ t: "ack", conv: CONV, cmid: "k", seq: 2, dup: false }));
  assert.deepEqual(threadOf(other, CONV).pending, []);
});

test("a note is settled by its ack", () => {
  assert.deepEqual(threadOf(run(pending("n", "note"), frame({ t: "ack", conv: CONV, cmid: "n", dup: false })), CONV).pending, []);
});

test("a refused message is kept with its reason and can be tried again", () => {
  const refused = run(pending("k"), frame({ t: "refused", command: "msg", code: "not_holder", conv: CONV, cmid: "k", retry: false }));
  assert.equal(threadOf(refused, CONV).pending[0]?.failed, "not_holder");
  assert.deepEqual(refused.notices, []);
  const again = reduce(refused, { do: "retry_pending", conv: CONV, cmid: "k" });
  assert.equal(threadOf(again, CONV).pending[0]?.failed, null);
  assert.deepEqual(threadOf(reduce(again, { do: "drop_pending", conv: CONV, cmid: "k" }), CONV).pending, []);
});

test("sending empties the draft and keeps the mode", () => {
  const state = run({ do: "draft", conv: CONV, draft: { text: "hi", mode: "note", from: null } }, pending("n", "note"));
  assert.deepEqual(threadOf(state, CONV).draft, { text: "", mode: "note", from: null });
});

test("a refused command is told once and no longer busy", () => {
  const state = run({ do: "commanded", command: "accept", about: "t-c1" }, frame({ t: "refused", command: "accept", code: "taken", task: "t-c1", retry: false }));
  assert.deepEqual(state.busy, []);
  assert.equal(state.notices[0]?.code, "taken");
  assert.deepEqual(reduce(state, { do: "dismiss", id: state.notices[0]!.id }).notices, []);
});

test("a reconnect forgets commands whose answers will not come, and nothing else", () => {
  const state = run(pending("k"), { do: "commanded", command: "accept", about: "t" }, frame({ t: "ready", agent_id: "a", name: "Mara", role: "agent", presence: "available", capacity: 4, ping_seconds: 10 }));
  assert.deepEqual(state.busy, []);
  assert.equal(threadOf(state, CONV).pending.length, 1);
  assert.equal(state.link.at, "open");
});

test("a snapshot is whole: it replaces the desk and tells the server's time", () => {
  const state = run(frame(desk({ mine: [card("a")] }), 400), frame(desk({ now: 5000, waiting: [card("b", { state: "queued" })] }), 4000));
  assert.deepEqual(state.desk?.mine, []);
  assert.equal(state.desk?.waiting.length, 1);
  assert.equal(state.skew, 1000);
});

test("only the holder of a live assignment may speak", () => {
  const state = run(frame(desk({ mine: [card("a", { assign_epoch: 3 }), card("w", { state: "wrap_up" })], others: [card("o")] })));
  assert.deepEqual(control(state, "a"), { holds: true, assignEpoch: 3 });
  assert.equal(control(state, "w").holds, false);
  assert.equal(control(state, "o").holds, false);
});

test("attention counts offers and what is unread elsewhere", () => {
  const state = run(frame(desk({ offered: [card("x", { state: "offered" })], mine: [card("a", { unread: 2 }), card("b", { unread: 3 })] })), { do: "select", conv: "a" });
  assert.deepEqual(attention(state), { offers: 1, unread: 3, mentions: 0 });
});

test("the keys step through own, waiting and colleagues' conversations, round and round", () => {
  const state = run(frame(desk({ offered: [card("x", { state: "offered" })], mine: [card("a")], waiting: [card("b", { state: "queued" })] })));
  assert.equal(neighbour(state, 1), "a");
  const at = reduce(state, { do: "select", conv: "b" });
  assert.equal(neighbour(at, 1), "a");
  assert.equal(neighbour(at, -1), "a");
});

test("scores are kept by turn, newest word wins", () => {
  const score = (churn: number): Action => frame({ t: "score", conv: CONV, seq: 1, churn, drivers: [], reasons: [] });
  assert.deepEqual(threadOf(run(score(0.3), score(0.5)), CONV).scores.map((item) => item.churn), [0.5]);
});

test("a failed load is told, and a bundle clears it", () => {
  const failed = run({ do: "open_failed", conv: CONV, error: new ApiError(403, "forbidden", "no", false) });
  assert.equal(threadOf(failed, CONV).error?.code, "forbidden");
  assert.equal(threadOf(reduce(failed, { do: "bundle", conv: CONV, bundle: bundle([]) }), CONV).error, null);
});

test("notes that speak to the agent ask for attention until they are read", () => {
  const mention = { note: "n1", conv: CONV, name: "P", agent: "Lin", body: "@Mara", at: 1, read: false };
  const state = run(frame(desk({ mentions: [mention], mentions_unread: 1 })));
  assert.equal(attention(state).mentions, 1);
  assert.equal(mentionedIn(state, CONV), true);
  assert.equal(mentionedIn(state, "other"), false);
  const read = reduce(state, frame(desk({ mentions: [{ ...mention, read: true }], mentions_unread: 0 })));
  assert.equal(attention(read).mentions, 0);
  assert.equal(mentionedIn(read, CONV), false);
});
