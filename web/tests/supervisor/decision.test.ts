import assert from "node:assert/strict";
import { test } from "node:test";
import { choices } from "../../src/supervisor/decision.tsx";
import type { DecisionRow } from "../../src/supervisor/types.ts";

const decision = (extra: Partial<DecisionRow>): DecisionRow => ({
  id: "d", seq: 1, reply_seq: null, ts_decision: 0, kind: "reply", action: "reply:a", eligible: ["reply:a", "escalate"], probabilities: [0.3, 0.7], values: [100, 900],
  ineligible: [], propensity: 0.3, explored: true, floor: 0.02, seed: "s", overrides: [], holdout: false, candidates: [], versions: {}, shadow: [], latency_ms: 1, degraded: [], score: 0.5, low: 0.4, high: 0.6, ...extra,
});

test("actions stand by probability, the taken one is marked", () => {
  assert.deepEqual(choices(decision({})).map((row) => [row.action, row.probability, row.taken]), [["escalate", 0.7, false], ["reply:a", 0.3, true]]);
});

test("an action forced by a rule is shown even where it was not eligible", () => {
  const rows = choices(decision({ kind: "none", action: "none", eligible: [], probabilities: [], values: [], propensity: 1 }));
  assert.deepEqual(rows, [{ action: "none", probability: 1, value: null, taken: true }]);
});
