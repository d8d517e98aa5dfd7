import assert from "node:assert/strict";
import { test } from "node:test";
import { decode } from "../../src/core/decode.ts";
import { type DeskServerFrame, deskServerFrameShapes, type ServerFrame, serverFrameShapes } from "../../src/protocol/gen.ts";

const chat = (value: unknown) =>
  decode<ServerFrame>(serverFrameShapes, typeof value === "string" ? value : JSON.stringify(value));

const ready = {
  t: "ready",
  conv: "01J00000000000000000000001",
  epoch: "01J00000000000000000000002",
  head: 3,
  resumed: true,
  mode: "bot",
  limits: { frame_bytes: 16384, body: 4000, ping_seconds: 25 },
};

test("a frame with its declared fields is read, with nulls for what may be absent", () => {
  assert.deepEqual(chat(ready), ready);
  const nack = { t: "nack", cmid: null, code: "rate", retry: true };
  assert.deepEqual(chat(nack), nack);
});

test("anything else is null, never an error", () => {
  const bad = ["", "{", "null", "[]", '"ready"', '{"t":1}', '{"t":"toString"}', '{"t":"__proto__"}', '{"t":"future"}'];
  for (const text of bad) assert.equal(chat(text), null, text);
  assert.equal(chat({ ...ready, head: "3" }), null);
  assert.equal(chat({ ...ready, limits: { body: 1 } }), null);
  assert.equal(chat({ ...ready, conv: undefined }), null);
});

test("objects inside desk frames are checked too", () => {
  const desk = { t: "desk", now: 1, presence: "away", load: 0, capacity: 3, offered: [], mine: [], waiting: [], waiting_total: 0, others: [], team: [], mentions: [], mentions_unread: 0, callbacks: [], callbacks_total: 0 };
  const read = (value: unknown) => decode<DeskServerFrame>(deskServerFrameShapes, JSON.stringify(value));
  assert.deepEqual(read(desk), desk);
  assert.equal(read({ ...desk, waiting: [{ task: 1 }] }), null);
});
