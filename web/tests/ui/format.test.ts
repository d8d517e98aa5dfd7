import assert from "node:assert/strict";
import { test } from "node:test";
import { format } from "../../src/ui/format.ts";

const en = format("en");
const zh = format("zh");

test("money is in minor units of its currency, with fractions only where there are some", () => {
  assert.equal(en.money(324000, "EUR"), "€3,240");
  assert.equal(en.money(2450, "EUR"), "€24.50");
  assert.equal(en.money(-100, "EUR", true), "−€1");
  assert.equal(en.money(3700, "EUR", true), "+€37");
  assert.equal(en.money(1200, "JPY"), "¥1,200");
  assert.equal(zh.money(112000, "CNY"), "¥1,120");
  assert.equal(en.money(1234, "not a currency"), "12.34");
});

test("probabilities and changes have two digits and a real minus", () => {
  assert.equal(en.probability(0.756), "0.76");
  assert.equal(en.change(0.284), "+0.28");
  assert.equal(en.change(-0.07), "−0.07");
  assert.equal(en.percent(0.714), "71%");
});

test("clocks count up and down without going below zero", () => {
  assert.equal(en.clock(185_000), "3:05");
  assert.equal(en.clock(3_725_000), "1:02:05");
  assert.equal(en.clock(-5), "0:00");
});

test("times past are told in the largest unit that fits, in the reader's language", () => {
  const now = Date.UTC(2026, 4, 20, 12);
  assert.equal(en.ago(now - 12 * 86_400_000, now), "12 days ago");
  assert.equal(zh.ago(now - 12 * 86_400_000, now), "12天前");
  assert.equal(en.ago(now + 5000, now), "now");
});
