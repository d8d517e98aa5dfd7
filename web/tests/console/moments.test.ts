import assert from "node:assert/strict";
import { test } from "node:test";
import { snoozeMoments } from "../../src/console/moments.ts";

const at = (...parts: [number, number, number, number]): number => new Date(...parts).getTime();

test("moments to come back are in the agent's own time and always ahead", () => {
  const friday = at(2026, 4, 22, 16);
  const moments = new Map(snoozeMoments(friday));
  assert.equal(moments.get("half_hour"), friday + 1_800_000);
  assert.equal(moments.get("tomorrow"), at(2026, 4, 23, 9));
  assert.equal(moments.get("monday"), at(2026, 4, 25, 9));
});

test("on a Monday the Monday is the next one, on a Sunday it is tomorrow", () => {
  assert.equal(new Map(snoozeMoments(at(2026, 4, 25, 7))).get("monday"), at(2026, 5, 1, 9));
  assert.equal(new Map(snoozeMoments(at(2026, 4, 24, 7))).get("monday"), at(2026, 4, 25, 9));
});
