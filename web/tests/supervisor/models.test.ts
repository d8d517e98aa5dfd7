import assert from "node:assert/strict";
import { test } from "node:test";
import { blocks } from "../../src/supervisor/markdown.tsx";
import { figureRows } from "../../src/supervisor/models.tsx";

const figure = (name: string, value: number) => ({ name, value, low: null, high: null });

test("figures of several models stand under each other's names, group by group", () => {
  const rows = figureRows([
    { figures: [figure("history.auc", 0.7), figure("conversations.ap", 0.5), figure("conversations.turns_only.ap", 0.4)] },
    { figures: [figure("history.ap", 0.6), figure("conversations.ap", 0.55)] },
    {},
  ]);
  assert.deepEqual(rows.map((row) => [row.group, row.name, row.values.map((one) => one?.value ?? null)]), [
    ["history", "auc", [0.7, null, null]],
    ["history", "ap", [null, 0.6, null]],
    ["conversations", "ap", [0.5, 0.55, null]],
    ["conversations.turns_only", "ap", [0.4, null, null]],
  ]);
});

test("a card's headings, lists and tables are told apart; lines of one item belong together", () => {
  assert.deepEqual(blocks("# A\n\nOne\ntwo\n\n- first\n  goes on\n- second\n\n| x | y |\n|---|---|\n| 1 | 2 |\n"), [
    { is: "heading", level: 1, text: "A" },
    { is: "text", text: "One two" },
    { is: "list", items: ["first goes on", "second"] },
    { is: "table", head: ["x", "y"], rows: [["1", "2"]] },
  ]);
});

test("what hides in a card is taken out, and markup stays text", () => {
  assert.deepEqual(blocks("<img src=x onerror=alert(1)>\u202e\u200b"), [{ is: "text", text: "<img src=x onerror=alert(1)>" }]);
});
