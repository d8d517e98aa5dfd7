import assert from "node:assert/strict";
import { test } from "node:test";
import { runs, ticks } from "../../src/supervisor/chart.tsx";

test("the scale has a few round steps that hold every value", () => {
  assert.deepEqual(ticks([0, 7], true), [0, 2, 4, 6, 8]);
  assert.deepEqual(ticks([3], true), [0, 1, 2, 3]);
  assert.deepEqual(ticks([0.31, 0.44], true), [0, 0.2, 0.4, 0.6]);
  assert.deepEqual(ticks([-4.2, 9], false), [-5, 0, 5, 10]);
  assert.deepEqual(ticks([1, 2], true, true), [0, 1, 2]);
  for (const values of [[1, 1000], [0.001, 0.002], [-1, 0], [5, 5]]) {
    const steps = ticks(values, false);
    assert.ok(steps[0]! <= Math.min(...values) && steps.at(-1)! >= Math.max(...values), String(values));
    assert.ok(steps.length >= 2 && steps.length <= 7, String(steps));
  }
});

test("a line is broken where nothing is known", () => {
  const points = [1, 2, null, 3, null, null, 4].map((value) => ({ label: "", value }));
  assert.deepEqual(runs(points), [[0, 1], [3], [6]]);
});
