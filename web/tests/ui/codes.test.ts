import assert from "node:assert/strict";
import { test } from "node:test";
import en from "../../src/strings/ui.en.json" with { type: "json" };
import zh from "../../src/strings/ui.zh.json" with { type: "json" };
import { actionInWords, sourcesInWords, whyInWords } from "../../src/ui/codes.ts";
import { driverInWords, type Driver } from "../../src/ui/drivers.tsx";
import { format, type Locale } from "../../src/ui/format.ts";
import { words, type I18n } from "../../src/ui/i18n.tsx";

const say = (locale: Locale): I18n => ({ ...words(locale, locale === "zh" ? zh : en), f: format(locale), setLocale: () => undefined });
const [english, chinese] = [say("en"), say("zh")];

test("actions are told by their kind, with the script or offer behind it", () => {
  assert.equal(actionInWords(english, "offer:voucher-10"), "Offer: voucher-10");
  assert.equal(actionInWords(chinese, "escalate"), "转人工");
  assert.equal(actionInWords(english, "new_kind:x:y"), "New kind: x:y");
});

test("why something was retrieved is one line, with matched words together and stray letters left out", () => {
  assert.equal(whyInWords(english, ["matched:kettle", "matched:t", "matched:leaks", "reason:quality", "similar"]), "matches “kettle, leaks” · for quality · close in meaning");
  assert.equal(whyInWords(chinese, ["matched:晚", "reason:delivery"]), "匹配“晚” · 针对物流");
  assert.equal(whyInWords(english, ["matched:t"]), "");
});

test("what each source says stands in words, what says most first", () => {
  assert.equal(sourcesInWords(english, { sparse: 5.24, dense: 0.714, intent: 0.92, reason: 1 }), "asks for this 92% · close in meaning 71% · fits the reason · same words 5.2");
  assert.equal(sourcesInWords(chinese, { dense: 0.5, sparse: 0, history: 1 }), "语义相近 50% · 可能再次购买 100%");
  assert.equal(sourcesInWords(english, {}), "");
});

const driver = (extra: Partial<Driver>): Driver => ({ kind: "history", code: "returns", effect: 0.1, value: 1, ...extra });
const none = (): undefined => undefined;

test("drivers are sentences, with counts in the right number and log features turned back", () => {
  assert.equal(driverInWords(english, driver({ value: 1 }), none, () => 1), "1 return");
  assert.equal(driverInWords(english, driver({ value: 3 }), none, () => 1), "3 returns");
  assert.equal(driverInWords(chinese, driver({ value: 3 }), none, () => 1), "3 次退货");
  assert.equal(driverInWords(english, driver({ code: "spend", value: Math.log1p(492) }), none, () => 1, "EUR"), "Spent €492 in all");
  assert.equal(driverInWords(english, driver({ code: "items_mean", value: Math.log1p(1) }), none, () => 1), "1 item an order");
  assert.equal(driverInWords(english, driver({ code: "items_mean", value: Math.log1p(1.3) }), none, () => 1), "1.3 items an order");
  assert.equal(driverInWords(english, driver({ code: "order_rate", value: 0.98 }), none, () => 1), "1 order a month");
  assert.equal(driverInWords(english, driver({ code: "csat_mean", value: 1 }), none, () => 1), "Rates 1 of 5 on average");
  assert.equal(driverInWords(english, driver({ code: "return_share", value: 0.25 }), none, () => 1), "25% of spending was returned");
});

test("a turn is quoted with its number; what is not known is said so; a new feature stays readable", () => {
  const turn = driver({ kind: "turn", code: "turn", seq: 5, value: null });
  assert.equal(driverInWords(english, turn, () => "I'm done", () => 3), "“I'm done” (turn 3)");
  assert.equal(driverInWords(english, turn, none, () => 3), "Turn 3");
  assert.equal(driverInWords(english, driver({ code: "late_share", value: null }), none, () => 1), "Late deliveries: not known");
  assert.equal(driverInWords(english, driver({ code: "brand_new", value: 2 }), none, () => 1), "Brand new: 2");
});

test("every feature of the history model has words in both languages", () => {
  const features = ["recency_days", "tenure_days", "orders", "orders_30d", "orders_90d", "orders_180d", "spend", "spend_90d", "mean_order", "last_order_ratio", "gap_mean", "gap_median", "gap_spread", "overdue_ratio", "last_gap_ratio", "orders_trend", "spend_trend", "items_mean", "products_mean", "active_months", "order_rate", "returns", "return_share", "return_days", "cancelled_share", "coupon_share", "late_share", "contacts_90d", "escalations_90d", "csat_last", "csat_mean"];
  for (const i18n of [english, chinese]) {
    for (const code of features) {
      assert.ok(i18n.known(`driver.${code}`) || i18n.known(`driver.${code}.other`), `${i18n.locale}: driver.${code}`);
      assert.ok(i18n.known(`driver_name.${code}`), `${i18n.locale}: driver_name.${code}`);
    }
  }
});
