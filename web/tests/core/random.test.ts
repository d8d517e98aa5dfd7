import assert from "node:assert/strict";
import { test } from "node:test";
import { random, uuid, World } from "./world.ts";

const RUNS = 300;

/** Minutes of chatting over a bad line: cuts, lost requests, reloads, identical resends. */
function play(seed: number): World {
  const draw = random(seed);
  const w = new World(draw);
  let sent = 0;
  w.faults = 0.05 + draw() * 0.2;
  w.input({ on: "start" });
  for (let i = 0; i < 60; i += 1) {
    w.run(draw() * 1500);
    const chance = draw();
    if (chance < 0.45) w.input({ on: "send", cmid: uuid((sent += 1)), body: `m${sent}` });
    else if (chance < 0.65) w.server.append({ from: "bot", kind: "message", body: `b${i}` });
    else if (chance < 0.75) w.cut();
    else if (chance < 0.8) w.reload();
    else if (chance < 0.85) w.input({ on: "online", online: draw() < 0.5 });
    else if (chance < 0.88) for (let n = 0; n < 520; n += 1) w.server.append({ from: "bot", kind: "message", body: "flood" });
  }
  w.faults = 0;
  w.run(90_000);
  const mine = w.server.log.filter((ev) => ev.from === "contact").map((ev) => ev.body);
  assert.deepEqual(mine, Array.from({ length: sent }, (_, n) => `m${n + 1}`), "each once, in the order of writing");
  return w;
}

test(`${RUNS} conversations over a bad line: nothing lost, nothing doubled, the view is the log`, () => {
  for (let seed = 1; seed <= RUNS; seed += 1) {
    const w = play(seed);
    const { events } = w.state;
    const first = events[0]?.seq ?? w.server.log.length + 1;
    assert.deepEqual(events, w.server.log.slice(first - 1), `seed ${seed}: the view ends as the log does`);
    assert.equal(first === 1 || w.state.more, true, `seed ${seed}: what is not shown can be fetched`);
    assert.deepEqual(w.state.outbox, [], `seed ${seed}: nothing is left pending`);
    assert.equal(w.storage.size, 0, `seed ${seed}: nothing is left in storage`);
    assert.equal(w.state.link.phase, "live", `seed ${seed}`);
  }
});

test("the test can tell: without its memory of client ids the model server doubles messages", () => {
  let doubled = 0;
  for (let seed = 1; seed <= 60 && !doubled; seed += 1) {
    const draw = random(seed);
    const w = new World(draw);
    w.faults = 0.2;
    w.input({ on: "start" });
    const receive = w.server.receive.bind(w.server);
    // The server forgets every client id after storing its message.
    w.server.receive = (frame, send) => {
      if (frame.t === "msg" && w.server.log.some((ev) => ev.cmid === frame.cmid)) doubled += 1;
      receive(frame, send);
    };
    for (let i = 1; i <= 20; i += 1) {
      w.input({ on: "send", cmid: uuid(i), body: "x" });
      w.run(3000);
    }
  }
  assert.ok(doubled > 0, "resends of stored messages do occur");
});
