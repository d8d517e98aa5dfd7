import assert from "node:assert/strict";
import { test } from "node:test";
import { turnThatMoved } from "../../src/ui/curve.tsx";

const points = (...churns: number[]) => churns.map((churn, i) => ({ seq: 2 * i + 1, churn }));

test("the turn that moved the score is the one with the largest rise", () => {
  const moved = turnThatMoved(points(0.31, 0.47, 0.76, 0.7));
  assert.equal(moved?.seq, 5);
  assert.ok(Math.abs(moved.delta - 0.29) < 1e-9);
});

test("a calm course has no such turn", () => {
  assert.equal(turnThatMoved(points(0.3, 0.33, 0.35)), null);
  assert.equal(turnThatMoved(points(0.9)), null);
  assert.equal(turnThatMoved([]), null);
});
