import assert from "node:assert/strict";
import { test } from "node:test";
import { isEmpty } from "../../src/supervisor/reports.tsx";

const report = (first: string, rows: (string | number | null)[][]) => ({
  name: "any",
  columns: [first, "decisions", "observed"].map((name) => ({ name, unit: "count" })),
  rows,
  drill: [],
  since: 0,
  until: 0,
});

test("a report without lines, or with lines that stand there anyway and count nothing, is empty", () => {
  assert.equal(isEmpty(report("reason", [])), true);
  assert.equal(isEmpty(report("score", [["0.0-0.1", 0, null], ["0.1-0.2", 0, null]])), true);
  assert.equal(isEmpty(report("day", [["2026-11-01", 0, null], ["2026-11-02", 1, null]])), false);
});

test("who works for the shop is listed, whether or not there was work", () => {
  assert.equal(isEmpty(report("agent", [["Mara", 0, null]])), false);
});
