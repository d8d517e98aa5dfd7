import assert from "node:assert/strict";
import { test } from "node:test";
import { marked } from "../../src/supervisor/list.tsx";

test("words that were looked for are marked, whatever their case, and operators are characters", () => {
  assert.deepEqual(marked("The KETTLE leaks (a lot)", "kettle (a"), [["The ", false], ["KETTLE", true], [" leaks ", false], ["(a", true], [" lot)", false]]);
  assert.deepEqual(marked("我要退货", "退货"), [["我要", false], ["退货", true]]);
  assert.deepEqual(marked("plain", " "), [["plain", false]]);
  assert.deepEqual(marked("", "x"), []);
  assert.deepEqual(marked("a\\b", "\\"), [["a", false], ["\\", true], ["b", false]]);
});
