// Both languages say the same things: every key that the code names exists, in both, with the same blanks.
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { fill, preferredLocale, words } from "../../src/ui/i18n.tsx";

const src = path.join(process.cwd(), "src");
const load = (name: string): Record<string, string> => JSON.parse(readFileSync(path.join(src, "strings", name), "utf8"));
const blanks = (text: string): string[] => [...text.matchAll(/\{(\w+)\}/g)].map((match) => match[1]!).sort();

for (const name of ["ui", "console", "supervisor"]) {
  test(`${name}: English and Chinese have the same keys and blanks`, () => {
    const [en, zh] = [load(`${name}.en.json`), load(`${name}.zh.json`)];
    assert.deepEqual(Object.keys(en).sort(), Object.keys(zh).sort());
    for (const [key, text] of Object.entries(en)) {
      assert.ok(text.trim() && zh[key]!.trim(), `${key} is empty`);
      // One language may leave a number out of its singular, never invent a blank.
      assert.deepEqual(blanks(zh[key]!).filter((blank) => !blanks(text).includes(blank)), [], key);
    }
  });
}

for (const app of ["console", "supervisor"]) {
  test(`${app}: every key in the code has words`, () => {
    const known = { ...load("ui.en.json"), ...load(`${app}.en.json`) };
    const files = ["ui", app].flatMap((folder) => readdirSync(path.join(src, folder)).filter((file) => /\.tsx?$/.test(file)).map((file) => path.join(src, folder, file)));
    const missing: string[] = [];
    for (const file of files) {
      const code = readFileSync(file, "utf8");
      for (const [, key] of code.matchAll(/\bt\(\s*"([\w.]+)"/g)) {
        if (!(key! in known) && !(`${key}.other` in known)) missing.push(`${path.basename(file)}: ${key}`);
      }
      // Keys chosen by a condition: t(x ? "a" : "b")
      for (const [, one, other] of code.matchAll(/\bt\([^"()]*\? "([\w.]+)" : "([\w.]+)"/g)) {
        for (const key of [one!, other!]) if (!(key in known)) missing.push(`${path.basename(file)}: ${key}`);
      }
    }
    assert.deepEqual(missing, []);
  });
}

test("codes of the server have words in both languages; unknown ones become readable", () => {
  const codes: Record<string, string[]> = {
    band: ["low", "elevated", "high"],
    reason: ["price", "delivery", "quality", "fit", "service", "trust", "account", "competitor"],
    action: ["reply", "clarify", "recommend", "offer", "escalate", "none"],
    disposition: ["saved", "solved", "refunded", "lost", "follow_up", "spam"],
    verdict: ["right", "too_late", "not_needed", "wrong_action", "wrong_reason"],
    override: ["resolved", "agent_holds", "waiting", "asks_for_human", "safety", "superseded", "loop_guard"],
    ineligible: ["holdout", "only_by_rule", "unhappy", "waiting", "loop", "not_needed", "unverified", "degraded", "low_risk", "crowded", "no_orders", "wallet_cooldown", "wallet_declined", "wallet_empty", "wallet_cap"],
    task_reason: ["asked_for_human", "high_risk", "need_human", "loop", "takeover", "self_harm", "threat", "injury", "legal"],
  };
  for (const locale of ["en", "zh"] as const) {
    const say = words(locale, load(`ui.${locale}.json`));
    for (const [kind, list] of Object.entries(codes)) {
      for (const code of list) assert.ok(say.known(`${kind}.${code}`), `${locale}: ${kind}.${code}`);
    }
    assert.equal(say.word("reason", "brand_new_reason"), "Brand new reason");
  }
});

test("counts choose singular and plural; blanks without a value stay visible", () => {
  const say = words("en", { "turns.one": "{n} turn", "turns.other": "{n} turns" });
  assert.equal(say.t("turns", { n: 1 }), "1 turn");
  assert.equal(say.t("turns", { n: 0 }), "0 turns");
  assert.equal(words("zh", { "turns.other": "{n} 轮" }).t("turns", { n: 1 }), "1 轮");
  assert.equal(fill("{a} and {b}", { a: "{b}" }), "{b} and {b}");
});

test("the language is the stored one, else the browser's first that we speak, else English", () => {
  assert.equal(preferredLocale("zh", ["en-GB"]), "zh");
  assert.equal(preferredLocale(null, ["fr-FR", "zh-TW", "en"]), "zh");
  assert.equal(preferredLocale("xx", ["fr-FR"]), "en");
});
