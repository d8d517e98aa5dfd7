import assert from "node:assert/strict";
import { test } from "node:test";
import { answerTo, offerOf, products, quickReplies } from "../../src/core/chat/events.ts";
import { banner, openReplies, timeline, transcript, unread, wantsPerson } from "../../src/core/chat/timeline.ts";
import type { Ev } from "../../src/protocol/gen.ts";
import { ulid, uuid, World } from "./world.ts";

function talked(): World {
  const w = new World(() => 0.5);
  w.input({ on: "start" });
  w.run(1000);
  return w;
}

const deliveries = (w: World) =>
  timeline(w.state).flatMap((item) => (item.is === "day" || !item.delivery ? [] : [item.delivery]));

test("own words: sending, delivered, seen once answered; only the newest says so", () => {
  const w = talked();
  w.input({ on: "send", cmid: uuid(1), body: "one" });
  assert.deepEqual(deliveries(w), ["sending"]);
  w.run(500);
  assert.deepEqual(deliveries(w), ["delivered"]);
  w.server.append({ from: "bot", kind: "message", body: "answer" });
  w.run(500);
  assert.deepEqual(deliveries(w), ["seen"]);
  w.input({ on: "send", cmid: uuid(2), body: "two" });
  w.run(500);
  assert.deepEqual(deliveries(w), ["delivered"]);
  w.input({ on: "frame", frame: { t: "seen", seq: w.state.last } });
  assert.deepEqual(deliveries(w), ["seen"]);
});

test("without a connection own words wait and say so, whether the device or the socket is down", () => {
  const w = talked();
  w.input({ on: "online", online: false });
  w.input({ on: "send", cmid: uuid(1), body: "x" });
  assert.deepEqual([deliveries(w), banner(w.state)], [["offline_send"], "offline"]);
  const other = talked();
  other.cut();
  other.input({ on: "send", cmid: uuid(1), body: "x" });
  assert.deepEqual([deliveries(other), banner(other.state)], [["offline_send"], "connecting"]);
});

test("a good connection has no banner, not even on its first way", () => {
  const w = new World(() => 0.5);
  w.input({ on: "start" });
  assert.equal(banner(w.state), null);
  w.run(1000);
  assert.equal(banner(w.state), null);
});

test("a time stands where a pause was long; answers to offers and ratings are no lines", () => {
  const w = talked();
  const hour = 3_600_000;
  w.server.append({ from: "bot", kind: "message", body: "a", at: 0 });
  w.server.append({ from: "contact", kind: "csat", data: { score: 5 }, at: 1 });
  w.server.append({ from: "bot", kind: "message", body: "b", at: 1000 });
  w.server.append({ from: "bot", kind: "message", body: "c", at: 5 * hour });
  w.run(500);
  const drawn = timeline(w.state).map((item) => (item.is === "event" ? `${item.ev.body}${item.joined ? "+" : ""}` : item.is));
  assert.deepEqual(drawn, ["day", "a", "b+", "day", "c"]);
});

test("unread counts what others said while nobody looked", () => {
  const w = talked();
  w.server.append({ from: "bot", kind: "message", body: "x" });
  w.server.append({ from: "system", kind: "returned", data: { agent: "Mara" } });
  w.run(500);
  assert.equal(unread(w.state), 1);
  w.input({ on: "visible", visible: true });
  assert.equal(unread(w.state), 0);
});

test("quick replies stand under the newest event only, until something is said", () => {
  const w = talked();
  w.server.append({ from: "bot", kind: "message", body: "x", data: { quick_replies: ["yes", 1, "", "no"] } });
  w.run(500);
  assert.deepEqual(quickReplies(openReplies(w.state) as Ev), ["yes", "no"]);
  w.input({ on: "send", cmid: uuid(1), body: "yes" });
  assert.equal(openReplies(w.state), null);
  w.run(500);
  assert.equal(openReplies(w.state), null);
});

test("a person is wanted from the press of the button until one came", () => {
  const w = talked();
  w.input({ on: "escalate", cmid: uuid(1), reason: "asked_for_human" });
  assert.equal(wantsPerson(w.state), true);
  w.run(500);
  assert.equal(wantsPerson(w.state), true);
  w.server.append({ from: "system", kind: "joined", data: { agent: "Mara" } });
  w.run(500);
  assert.equal(wantsPerson(w.state), false);
});

const ev = (kind: string, data: Record<string, unknown>, more: Partial<Ev> = {}): Ev => ({
  t: "ev",
  seq: 1,
  id: ulid(1),
  from: "bot",
  kind,
  data,
  at: 0,
  ...more,
});

test("cards are read with care: what is malformed is left out", () => {
  const good = { id: "P1", title: "Kettle", price: 100, currency: "EUR" };
  const list = [good, null, 5, { ...good, id: 1 }, { ...good, price: "1" }, { ...good, stock: 3, image: "/a.svg", url: "" }];
  assert.deepEqual(products(ev("products", { products: list })), [
    { ...good, stock: 0, image: null, url: null },
    { ...good, stock: 3, image: "/a.svg", url: null },
  ]);
  assert.deepEqual(products(ev("products", { products: "none" })), []);
  assert.equal(offerOf(ev("offer", {})), null);
  assert.equal(offerOf(ev("offer", { offer: { id: "o" } })), null);
});

test("an offer has the answer that was given to it", () => {
  const offer = offerOf(ev("offer", { offer: { id: "o", decision: "d", title: "€10", valid_until: 5 } }));
  assert.ok(offer);
  assert.equal(answerTo([], offer), null);
  const answer = ev("offer_answer", { decision: "d", offer: "o", accepted: false }, { from: "contact" });
  assert.equal(answerTo([answer], offer), false);
});

test("the transcript names who spoke", () => {
  const words = { contact: "You", bot: "Assistant", agent: "A person", system: (e: Ev) => (e.kind === "joined" ? "joined" : null), time: () => "10:00" };
  const events = [
    ev("message", {}, { from: "contact", body: "hi" }),
    ev("message", {}, { body: "hello" }),
    ev("joined", {}, { from: "system" }),
    ev("message", {}, { from: "agent", name: "Mara", body: "I am here" }),
    ev("csat", { score: 1 }, { from: "contact" }),
  ];
  assert.equal(
    transcript(events, words),
    "[10:00] You: hi\n\n[10:00] Assistant: hello\n\n[10:00] joined\n\n[10:00] Mara: I am here\n",
  );
});
