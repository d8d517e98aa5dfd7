import assert from "node:assert/strict";
import { test } from "node:test";
import { EMPTY_DRAFT } from "../../src/console/state.ts";
import { insert, matching, productText, provenance, type Suggested } from "../../src/console/suggest.ts";
import { format } from "../../src/ui/format.ts";

const script = (id: string, title: string, text: string): Suggested => ({ is: "script", key: "1", id, title, text, script: { id, title, text, why: [], sources: {}, score: 1 } });
const courier = script("quality/courier@en", "Replace by courier", "I'm sending a new one today.");
const voucher = script("quality/voucher@en", "€10 voucher", "Here are €10 for your next order.");

test("what is logged tells whether the agent edited the suggestion", () => {
  const draft = insert(EMPTY_DRAFT, courier);
  assert.deepEqual(provenance(draft, draft.text), { id: courier.id, edited: false });
  assert.deepEqual(provenance(draft, `${draft.text} Promise.`), { id: courier.id, edited: true });
  assert.equal(provenance(EMPTY_DRAFT, "by hand"), null);
});

test("another suggestion takes the place of an unchanged one and goes behind own words", () => {
  assert.equal(insert(insert(EMPTY_DRAFT, courier), voucher).text, voucher.text);
  assert.equal(insert({ ...EMPTY_DRAFT, text: "Hello Jonas," }, courier).text, `Hello Jonas,\n${courier.text}`);
  assert.equal(insert({ ...EMPTY_DRAFT, text: "/cour" }, courier).text, courier.text);
});

test("own words before a suggestion count as an edit", () => {
  const draft = insert({ ...EMPTY_DRAFT, text: "Hello Jonas," }, courier);
  assert.equal(provenance(draft, draft.text)?.edited, true);
});

test("the slash finds by all words, in any order and case", () => {
  assert.deepEqual(matching([courier, voucher], "/COURIER new").map((item) => item.id), [courier.id]);
  assert.equal(matching([courier, voucher], "/").length, 2);
  assert.equal(matching([courier, voucher], "/nothing like it").length, 0);
});

test("a product is written as its name and price", () => {
  assert.equal(productText({ id: "p", title: "Kettle\u202e", price: 3900, currency: "EUR", stock: 1, why: [], sources: {}, score: 1 }, format("en")), "Kettle · €39");
});
