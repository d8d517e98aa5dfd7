import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { decode } from "../../src/core/decode.ts";
import { step } from "../../src/core/chat/reduce.ts";
import { type ServerFrame, serverFrameShapes } from "../../src/protocol/gen.ts";
import { uuid, World } from "./world.ts";

interface Entry {
  name: string;
  raw: string;
  frame: Record<string, unknown>;
}

const golden = (file: string): Entry[] => JSON.parse(readFileSync(`../tests/fixtures/frames/${file}.json`, "utf8"));
const read = (raw: string) => decode<ServerFrame>(serverFrameShapes, raw);

test("every frame that the server writes is read as it was meant", () => {
  for (const { name, raw, frame } of golden("server_valid")) assert.deepEqual(read(raw), frame, name);
});

test("what is no frame of ours is passed over", () => {
  for (const { name, raw } of golden("server_ignored")) assert.equal(read(raw), null, name);
});

test("no frame at any moment makes the client fail", () => {
  const frames = golden("server_valid").map(({ raw }) => read(raw) as ServerFrame);
  const moments = [0, 20, 1000].map((ms) => {
    const w = new World(() => 0.5);
    w.input({ on: "start" });
    w.input({ on: "send", cmid: uuid(1), body: "x" });
    w.run(ms);
    return w;
  });
  for (const w of moments) {
    for (const first of frames) {
      for (const second of frames) {
        const env = { now: w.now, draw: 0.5 };
        const [between] = step(w.state, { on: "frame", frame: first }, env);
        const [after] = step(between, { on: "frame", frame: second }, env);
        assert.ok(after.events.every((ev, i) => i === 0 || ev.seq === (after.events[i - 1]?.seq ?? 0) + 1), "gapless");
      }
    }
  }
});

test("the frames of the client have the fields that the server reads", () => {
  const w = new World(() => 0.5);
  w.input({ on: "start" });
  w.server.append({ from: "bot", kind: "message", body: "hello" });
  w.run(1000);
  w.input({ on: "visible", visible: true });
  w.input({ on: "write", writing: true });
  w.input({ on: "send", cmid: uuid(1), body: "hello" });
  w.input({ on: "escalate", cmid: uuid(2), reason: "asked_for_human" });
  w.run(15 * 60_000);
  w.cut();
  w.run(2000);
  const shape = (frame: object) => Object.keys(frame).sort().join();
  const known = new Set(golden("client_valid").map(({ raw }) => shape(JSON.parse(raw))));
  const sent = new Set(w.sent.map((frame) => frame.t));
  assert.deepEqual([...sent].sort(), ["auth", "escalate", "hello", "msg", "ping", "seen", "typing"]);
  for (const frame of w.sent) assert.ok(known.has(shape(frame)), `${frame.t}: ${shape(frame)}`);
});
