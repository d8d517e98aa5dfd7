import assert from "node:assert/strict";
import { test } from "node:test";
import { EXPIRY_MS } from "../../src/core/chat/outbox.ts";
import { step } from "../../src/core/chat/reduce.ts";
import type { ChatEffect } from "../../src/core/chat/state.ts";
import type { Ev, ServerFrame } from "../../src/protocol/gen.ts";
import { ulid, uuid, World } from "./world.ts";

const world = () => new World(() => 0.5);

function started(): World {
  const w = world();
  w.input({ on: "start" });
  w.run(1000);
  assert.equal(w.state.link.phase, "live");
  return w;
}

const bodies = (w: World) => w.state.events.map((ev) => ev.body);
const frames = (w: World, t: string) => w.sent.filter((frame) => frame.t === t);
const effectsOf = (w: World, input: Parameters<typeof step>[1]): ChatEffect[] =>
  step(w.state, input, { now: w.now, draw: 0.5 })[1];

test("a message is pending, then acked, then an event; it is remembered until the ack", () => {
  const w = started();
  w.input({ on: "send", cmid: uuid(1), body: "hello" });
  assert.equal(w.state.outbox[0]?.state, "pending");
  assert.equal(w.storage.size, 1);
  w.run(1000);
  assert.deepEqual(w.state.outbox, []);
  assert.equal(w.storage.size, 0);
  assert.deepEqual(bodies(w), ["hello"]);
});

test("the token goes in the first frame, the cursor with it after a cut", () => {
  const w = started();
  w.server.append({ from: "bot", kind: "message", body: "one" });
  w.run(100);
  w.cut();
  assert.equal(w.state.link.phase, "waiting");
  w.server.append({ from: "bot", kind: "message", body: "two" });
  w.run(2000);
  const hello = frames(w, "hello").at(-1);
  assert.deepEqual(hello && "after" in hello ? [hello.conv, hello.after] : null, [w.server.conv, 1]);
  assert.deepEqual(bodies(w), ["one", "two"]);
  assert.equal(frames(w, "hello").length, 2);
});

test("an event that is known is ignored and one that leaves a gap renews the connection", () => {
  const w = started();
  const one = w.server.append({ from: "bot", kind: "message", body: "one" });
  w.run(100);
  w.input({ on: "frame", frame: one });
  assert.deepEqual(bodies(w), ["one"]);
  w.server.append({ from: "bot", kind: "message", body: "two" });
  w.input({ on: "frame", frame: { ...one, seq: 3, body: "three" } });
  assert.deepEqual(bodies(w), ["one"], "nothing is applied out of order");
  assert.equal(w.state.link.phase, "waiting");
  w.run(2000);
  assert.deepEqual(bodies(w), ["one", "two"]);
});

test("what could not be sent is sent after the reconnect, once and in order", () => {
  const w = started();
  w.cut();
  for (let i = 1; i <= 5; i += 1) w.input({ on: "send", cmid: uuid(i), body: `m${i}` });
  w.run(3000);
  assert.deepEqual(bodies(w), ["m1", "m2", "m3", "m4", "m5"]);
  assert.equal(w.server.log.length, 5);
});

test("a message survives a reload and is resent under its cmid", () => {
  const w = started();
  w.cut();
  w.input({ on: "send", cmid: uuid(1), body: "keep me" });
  w.reload();
  w.run(2000);
  assert.deepEqual(bodies(w), ["keep me"]);
  assert.deepEqual(w.server.log.map((ev) => ev.cmid), [uuid(1)]);
});

test("a pending message is shown as not sent after ten minutes and goes out again on retry", () => {
  const w = started();
  w.faults = 1;
  w.cut();
  w.input({ on: "send", cmid: uuid(1), body: "late" });
  w.run(EXPIRY_MS + 1);
  assert.deepEqual([w.state.outbox[0]?.state, w.state.outbox[0]?.error], ["failed", "expired"]);
  w.faults = 0;
  w.run(60_000);
  assert.equal(w.server.log.length, 0, "never behind the contact's back");
  w.input({ on: "retry", cmid: uuid(1) });
  w.run(5000);
  assert.deepEqual(bodies(w), ["late"]);
});

test("a failed message can be thrown away", () => {
  const w = started();
  w.input({ on: "send", cmid: uuid(1), body: "x" });
  w.input({ on: "frame", frame: { t: "nack", cmid: uuid(1), code: "too_long", retry: false } });
  assert.equal(w.state.outbox[0]?.error, "too_long");
  w.input({ on: "discard", cmid: uuid(1) });
  assert.deepEqual([w.state.outbox.length, w.storage.size], [0, 0]);
});

test("a nack that allows a retry is retried after the pause, and nothing overtakes it", () => {
  const w = started();
  w.input({ on: "send", cmid: uuid(1), body: "first" });
  w.input({ on: "send", cmid: uuid(2), body: "second" });
  assert.equal(frames(w, "msg").length, 1, "one message on the wire at a time");
  // The server never got it: it answered rate instead.
  w.server.receive = new Proxy(w.server.receive, {
    apply(receive, self, [frame, send]) {
      if (frame.t !== "msg") return Reflect.apply(receive, self, [frame, send]);
      w.server.receive = receive;
      return send({ t: "nack", cmid: frame.cmid, code: "rate", retry: true, after_ms: 3000 });
    },
  });
  w.run(2000);
  assert.equal(w.server.log.length, 0);
  w.run(3000);
  assert.deepEqual(bodies(w), ["first", "second"]);
});

test("a live connection that does not confirm is renewed", () => {
  const w = started();
  w.server.receive = new Proxy(w.server.receive, {
    apply(receive, self, args) {
      if (args[0].t === "msg") {
        w.server.receive = receive;
        return undefined;
      }
      return Reflect.apply(receive, self, args);
    },
  });
  w.input({ on: "send", cmid: uuid(1), body: "swallowed" });
  w.run(20_000);
  assert.deepEqual(bodies(w), ["swallowed"]);
  assert.equal(frames(w, "hello").length, 2);
});

test("a changed epoch drops the view and loads history; the outbox is resent", () => {
  const w = started();
  for (let i = 0; i < 4; i += 1) w.server.append({ from: "bot", kind: "message", body: `b${i}` });
  w.run(200);
  w.cut();
  w.server.restore(2);
  w.input({ on: "send", cmid: uuid(1), body: "after the restore" });
  w.run(3000);
  assert.deepEqual(bodies(w), ["b0", "b1", "after the restore"]);
  assert.equal(w.state.epoch, w.server.epoch);
});

test("a long absence is answered with reset: newest page, then older ones on demand", () => {
  const w = started();
  w.cut();
  for (let i = 0; i < 620; i += 1) w.server.append({ from: "bot", kind: "message", body: `b${i}` });
  // The view has one event, so that the client has a cursor to be reset.
  w.run(3000);
  assert.equal(w.state.events.length, 50);
  assert.equal(w.state.events.at(-1)?.body, "b619");
  assert.equal(w.state.more, true);
  w.input({ on: "older" });
  w.run(200);
  assert.equal(w.state.events.length, 100);
  assert.equal(w.state.events[0]?.seq, 521);
  w.server.append({ from: "bot", kind: "message", body: "live" });
  w.run(200);
  assert.equal(w.state.events.at(-1)?.body, "live");
});

test("events that come while history loads are held, not lost and not doubled", () => {
  const w = started();
  w.server.append({ from: "bot", kind: "message", body: "old" });
  w.run(200);
  w.input({ on: "frame", frame: { t: "reset", conv: w.server.conv, epoch: w.server.epoch, head: 1 } });
  const live = w.server.append({ from: "agent", kind: "message", body: "meanwhile" });
  w.input({ on: "frame", frame: live });
  assert.equal(w.state.events.length, 0);
  w.run(500);
  assert.deepEqual(bodies(w), ["old", "meanwhile"]);
});

test("history is not news, live events are", () => {
  const w = world();
  w.server.append({ from: "bot", kind: "message", body: "old" });
  w.input({ on: "start" });
  w.run(1000);
  assert.deepEqual([bodies(w), w.news.length], [["old"], 0]);
  w.server.append({ from: "contact", kind: "message", body: "mine, from another tab" });
  w.server.append({ from: "agent", kind: "message", body: "new" });
  w.run(500);
  assert.deepEqual(w.news.map((ev) => ev.body), ["mine, from another tab", "new"]);
});

test("close codes: token → new session, not yours → another conversation, erased → everything forgotten", () => {
  const token = started();
  token.server.append({ from: "bot", kind: "message", body: "kept" });
  token.run(200);
  token.cut(4401);
  assert.equal(token.state.session, null);
  token.run(2000);
  assert.deepEqual([token.state.link.phase, bodies(token)], ["live", ["kept"]]);

  const foreign = started();
  foreign.server.append({ from: "bot", kind: "message", body: "x" });
  foreign.run(200);
  foreign.cut(4403);
  assert.deepEqual([foreign.state.conv, foreign.state.events.length, foreign.state.session], [null, 0, null]);

  const erased = started();
  erased.input({ on: "send", cmid: uuid(1), body: "secret" });
  erased.cut(4410);
  assert.deepEqual([erased.state.outbox.length, erased.storage.size, erased.state.kept.resume], [0, 0, null]);
});

test("a message that makes the server close is not sent for ever", () => {
  const w = started();
  w.input({ on: "send", cmid: uuid(1), body: "poison" });
  w.cut(1009);
  assert.equal(w.state.outbox[0]?.state, "failed");
  w.run(3000);
  assert.equal(frames(w, "msg").length, 1);
});

test("overload and rate closes are waited out", () => {
  for (const [code, least] of [[1013, 1000], [4429, 5000]] as const) {
    const w = started();
    const [, effects] = step(w.state, { on: "closed", code }, { now: w.now, draw: 0 });
    const retry = effects.find((effect) => effect.do === "timer" && effect.name === "retry");
    assert.ok(retry?.do === "timer" && retry.ms >= least, `${code}`);
  }
});

test("a half-open connection is found by its heartbeat", () => {
  const w = started();
  w.server.receive = () => undefined;
  w.run(25_000 * 1.2 + 10_000 + 1);
  assert.notEqual(w.state.link.phase, "live");
});

test("drain: reconnects after the pause the server asks for", () => {
  const w = started();
  w.input({ on: "frame", frame: { t: "drain", after_ms: 1000 } });
  assert.equal(w.state.link.phase, "waiting");
  w.run(1600);
  assert.equal(w.state.link.phase, "live");
});

test("the token is renewed on the live connection before it ends", () => {
  const w = started();
  w.run(15 * 60_000);
  assert.ok(frames(w, "auth").length >= 1);
  assert.equal(frames(w, "hello").length, 1);
});

test("a refused session stops and says so; a new start tries again", () => {
  const w = world();
  w.input({ on: "start" });
  w.input({ on: "session_failed", retry: false, code: "identity_required", identity: null });
  assert.deepEqual([w.state.refused, w.state.link.phase], ["identity_required", "off"]);
  w.input({ on: "start" });
  w.run(1000);
  assert.deepEqual([w.state.refused, w.state.link.phase], [null, "live"]);
});

test("an identity that is too old is asked for again, and so is one for each new token", () => {
  const w = world();
  let vouched = 0;
  w.vouch = () => w.input({ on: "identify", identity: `jwt-${(vouched += 1)}`, subject: "a" });
  w.input({ on: "identify", identity: "stale", subject: "a" });
  w.input({ on: "start" });
  w.input({ on: "session_failed", retry: false, code: "identity", identity: "stale" });
  assert.equal(w.state.link.phase, "off");
  w.run(1000);
  assert.deepEqual([w.state.link.phase, vouched, w.state.kept.resume], ["live", 1, null]);
  w.run(15 * 60_000);
  assert.equal(vouched, 2);
  assert.equal(frames(w, "auth").length, 1);
  assert.equal(frames(w, "hello").length, 1);
});

test("an identified contact is never connected as a guest when nobody vouches", () => {
  const w = world();
  w.state = { ...w.state, kept: { resume: null, subject: "a" } };
  w.input({ on: "start" });
  w.run(60_000);
  assert.deepEqual([w.state.session, w.sent], [null, []]);
  w.vouch = () => w.input({ on: "identify", identity: "jwt", subject: "a" });
  w.run(60_000);
  assert.equal(w.state.link.phase, "live");
});

test("another identity takes everything of the last one off the screen; a guest who logs in keeps the conversation", () => {
  const w = started();
  w.server.append({ from: "bot", kind: "message", body: "hello guest" });
  w.run(200);
  w.input({ on: "identify", identity: "jwt-a", subject: "a" });
  assert.deepEqual([bodies(w), w.state.kept.resume], [["hello guest"], "secret"]);
  w.run(2000);
  assert.equal(w.state.link.phase, "live");
  w.cut();
  w.input({ on: "send", cmid: uuid(1), body: "from a" });
  w.input({ on: "identify", identity: "jwt-b", subject: "b" });
  assert.deepEqual([bodies(w), w.state.outbox, w.state.kept], [[], [], { resume: null, subject: "b" }]);
});

test("a session made for the identity before is not taken for the new one", () => {
  const w = world();
  w.input({ on: "start" });
  w.input({ on: "identify", identity: "jwt-a", subject: "a" });
  const answer = { token: "t", expires_at: w.now + 1e6, resume: "r", contact: { name: null, verified: false } };
  const site = { name: "", locale: "en", currency: "EUR" };
  w.input({ on: "session", identity: null, answer: { ...answer, site } });
  assert.equal(w.state.session, null);
  w.run(1000);
  assert.equal(w.state.link.phase, "live");
});

test("who holds the conversation follows from its events", () => {
  const w = started();
  const modes: string[] = [];
  const kinds = ["escalated", "joined", "left", "joined", "returned", "resolved"];
  for (const kind of kinds) {
    w.server.append({ from: "system", kind, data: kind === "joined" ? { agent: "Mara" } : {} });
    w.run(100);
    modes.push(`${w.state.mode}${w.state.agent ? ` ${w.state.agent}` : ""}`);
  }
  assert.deepEqual(modes, ["waiting", "agent Mara", "waiting", "agent Mara", "bot", "resolved"]);
});

test("words nacked as closed open the next conversation", () => {
  const w = started();
  w.server.append({ from: "system", kind: "resolved" });
  w.run(100);
  const before = w.server.conv;
  w.input({ on: "send", cmid: uuid(1), body: "one more thing" });
  w.input({ on: "frame", frame: { t: "nack", cmid: uuid(1), code: "closed", retry: false } });
  assert.deepEqual([w.state.conv, w.state.events.length], [null, 0]);
  w.server.conv = ulid(2);
  w.server.log = [];
  w.run(2000);
  assert.notEqual(w.state.conv, before);
  assert.deepEqual(bodies(w), ["one more thing"]);
});

test("typing: told once on and once off, and after a pause off by itself", () => {
  const w = started();
  for (let i = 0; i < 3; i += 1) w.input({ on: "write", writing: true });
  assert.deepEqual(frames(w, "typing"), [{ t: "typing", on: true }]);
  w.run(6000);
  assert.deepEqual(frames(w, "typing").at(-1), { t: "typing", on: false });
  w.input({ on: "frame", frame: { t: "typing", from: "bot", on: true } });
  assert.equal(w.state.typing, "bot");
  w.server.append({ from: "bot", kind: "message", body: "x" });
  w.run(100);
  assert.equal(w.state.typing, null);
});

test("seen is told only while the chat is looked at", () => {
  const w = started();
  w.server.append({ from: "bot", kind: "message", body: "x" });
  w.run(100);
  assert.deepEqual(frames(w, "seen"), []);
  w.input({ on: "visible", visible: true });
  assert.deepEqual(frames(w, "seen"), [{ t: "seen", seq: 1 }]);
  w.input({ on: "visible", visible: true });
  assert.equal(frames(w, "seen").length, 1);
});

test("a reply in parts grows in order and gives way to its event", () => {
  const w = started();
  w.server.append({ from: "contact", kind: "message", body: "Hi" });
  w.run(100);
  const part = (n: number, body: string): ServerFrame => ({ t: "part", reply_to: 1, n, body });
  w.input({ on: "frame", frame: part(3, "late") });
  assert.ok(!w.state.part);
  for (const frame of [part(0, "Hel"), part(1, "lo"), part(3, "?")]) w.input({ on: "frame", frame });
  assert.deepEqual(w.state.part, { replyTo: 1, next: 2, body: "Hello" });
  // Another worker begins anew.
  w.input({ on: "frame", frame: part(0, "Good") });
  assert.deepEqual(w.state.part, { replyTo: 1, next: 1, body: "Good" });
  w.server.append({ from: "bot", kind: "message", body: "Hello.", reply_to: 1 });
  w.run(100);
  assert.equal(w.state.part, null);
});

test("a reply that was overtaken while it was written is taken away, and no piece of it comes back", () => {
  const overtakings: (Partial<Ev> & Pick<Ev, "from" | "kind">)[] = [
    { from: "contact", kind: "message", body: "and one more" },
    { from: "system", kind: "joined", data: { agent: "Mara" } },
  ];
  for (const overtaking of overtakings) {
    const w = started();
    w.server.append({ from: "contact", kind: "message", body: "Hi" });
    w.run(100);
    const part = (n: number): ServerFrame => ({ t: "part", reply_to: 1, n, body: "Hello. " });
    w.input({ on: "frame", frame: part(0) });
    assert.ok(w.state.part);
    w.server.append(overtaking);
    w.run(100);
    assert.equal(w.state.part, null);
    w.input({ on: "frame", frame: part(1) });
    assert.equal(w.state.part, null);
  }
});

test("the state given is never changed", () => {
  const w = started();
  const before = structuredClone(w.state);
  const ev: Ev = { t: "ev", seq: 1, id: ulid(1), from: "bot", kind: "message", data: {}, at: 1 };
  effectsOf(w, { on: "frame", frame: ev });
  effectsOf(w, { on: "send", cmid: uuid(1), body: "x" });
  effectsOf(w, { on: "closed", code: 1006 });
  assert.deepEqual(w.state, before);
});
