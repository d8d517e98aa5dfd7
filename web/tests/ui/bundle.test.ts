import assert from "node:assert/strict";
import { test } from "node:test";
import type { Ev } from "../../src/protocol/gen.ts";
import { curvePoints, transcript, turnNumber } from "../../src/ui/bundle.ts";

const T0 = new Date(2026, 4, 20, 10).getTime();
const ev = (seq: number, from: Ev["from"], kind = "message", at = T0 + seq * 1000): Ev => ({ t: "ev", seq, id: `e${seq}`, from, kind, data: {}, at, body: `text ${seq}` });

test("a note stands behind the event that it follows", () => {
  const items = transcript([ev(1, "contact"), ev(2, "bot"), ev(3, "contact")], [{ id: "n", agent: "Anna", body: "!", after_seq: 2, at: T0 + 9000, mentions: [] }]);
  assert.deepEqual(items.map((item) => (item.is === "ev" ? item.ev.seq : item.is)), ["day", 1, 2, "note", 3]);
});

test("turns are counted by the contact's messages, whatever else happens", () => {
  const events = [ev(1, "contact"), ev(2, "bot"), ev(3, "contact", "csat"), ev(4, "contact")];
  assert.deepEqual(transcript(events, []).flatMap((item) => (item.is === "ev" ? [item.turn] : [])), [1, null, null, 2]);
  assert.equal(turnNumber(events, 4), 2);
  assert.equal(turnNumber(events, 1), 1);
});

test("a new day gets a line", () => {
  const items = transcript([ev(1, "contact"), ev(2, "bot", "message", T0 + 86_400_000)], []);
  assert.equal(items.filter((item) => item.is === "day").length, 2);
});

test("turns without a score leave no point on the curve", () => {
  const base = { drivers: [], reasons: [] };
  assert.deepEqual(curvePoints([{ ...base, seq: 3, churn: 0.5 }, { ...base, seq: 1, churn: null }, { ...base, seq: 2, churn: 0.2, low: 0.1 }]).map((point) => point.seq), [2, 3]);
});
