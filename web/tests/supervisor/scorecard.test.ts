import assert from "node:assert/strict";
import { test } from "node:test";
import { freshId, shareOf, titleOf } from "../../src/supervisor/scorecard.tsx";

const CRITERIA = [
  { id: "tone", title: { en: "Tone", zh: "语气" }, most: 3 },
  { id: "answer", title: { en: "Answer" }, most: 5 },
];

test("the share is of the points that could be had where something applied", () => {
  assert.equal(shareOf(CRITERIA, { tone: 3, answer: 1 }), 0.5);
  assert.equal(shareOf(CRITERIA, { tone: 0, answer: null }), 0);
  assert.equal(shareOf(CRITERIA, { answer: null }), null);
  assert.equal(shareOf(CRITERIA, { gone: 2 }), null);
});

test("a title is shown in the reader's language, else in the other one", () => {
  assert.equal(titleOf(CRITERIA[0]!, "zh"), "语气");
  assert.equal(titleOf(CRITERIA[1]!, "zh"), "Answer");
  assert.equal(titleOf({ id: "c1", title: { en: "", zh: "" } }, "en"), "c1");
});

test("a new criterion has an id of its own", () => {
  assert.equal(freshId(["tone", "c3"]), "c4");
  assert.equal(freshId([]), "c1");
});
