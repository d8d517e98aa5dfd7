import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import en from "../../src/strings/widget.en.json" with { type: "json" };
import enMore from "../../src/strings/widget-more.en.json" with { type: "json" };
import zh from "../../src/strings/widget.zh.json" with { type: "json" };
import zhMore from "../../src/strings/widget-more.zh.json" with { type: "json" };
import { moneyIn, languageName } from "../../src/widget/figures.ts";
import { launcherWords } from "../../src/widget/launcher-words.ts";
import { comingLine, systemLine } from "../../src/widget/lines.ts";
import { addEnglish, offered, say } from "../../src/widget/words.ts";
import type { Ev } from "../../src/protocol/gen.ts";

type Strings = Record<string, string>;
const blanks = (text: string) => [...text.matchAll(/\{\w+\}/g)].map(([blank]) => blank).sort();

test("both languages have the same strings with the same blanks, none empty", () => {
  for (const [english, chinese] of [[en, zh], [enMore, zhMore]] as [Strings, Strings][]) {
    assert.deepEqual(Object.keys(english).sort(), Object.keys(chinese).sort());
    for (const [key, text] of Object.entries(english)) {
      assert.ok(text.trim() && chinese[key]?.trim(), key);
      assert.deepEqual(blanks(text), blanks(chinese[key] ?? ""), key);
    }
  }
});

test("every string is used, and the first script names none that comes later", () => {
  const read = (files: string[]) => files.map((file) => readFileSync(`src/widget/${file}`, "utf8")).join("\n");
  const later = ["cards.tsx", "rating.tsx", "tools.tsx", "save.ts", "gate.tsx", "banner.tsx", "callback.tsx", "lines.ts", "happened.tsx", "notsent.tsx", "signs.tsx"];
  const files = readdirSync("src/widget");
  const uses = (code: string, key: string) => new RegExp(`\\bt\\([^)]*"${key}"`).test(code);
  const first = read(files.filter((file) => !later.includes(file)));
  // These are said by what they are called: t(shown), t(delivery).
  const named = ["seen", "delivered", "sending", "offline_send"];
  for (const key of Object.keys(en)) assert.ok(uses(first + read(later), key) || named.includes(key), key);
  for (const key of Object.keys(enMore)) {
    assert.ok(!uses(first, key), `${key} is needed early`);
    assert.ok(uses(read(later), key) || key.startsWith("csat_") || ["offline", "connecting", "refused"].includes(key), key);
  }
});

test("the shop's own words come before ours, and English where a language lacks one", () => {
  const own = [{ locale: "de", strings: { write: "Nachricht schreiben …", place: "Platz {n}" } }];
  const german = say("de", own);
  assert.equal(german.t("write"), "Nachricht schreiben …");
  assert.equal(german.t("place", { n: 3 }), "Platz 3");
  assert.equal(german.t("send"), "Send");
  assert.deepEqual(german.choices, ["en", "zh-CN", "de"]);
  assert.equal(say("en", [{ locale: "en", strings: { name: "Robo" } }]).t("name"), "Robo");
});

test("a language that nobody brings is answered in English, any Chinese in ours", () => {
  assert.deepEqual(["zh", "zh-TW", "ZH-hans", "fr", ""].map((tag) => offered(tag, [])), ["zh-CN", "zh-CN", "zh-CN", "en", "en"]);
  assert.equal(offered("de", [{ locale: "de", strings: {} }]), "de");
  assert.equal(say("not a tag", []).time(0).length > 3, true);
});

test("right to left for the languages that are", () => {
  assert.deepEqual(["ar", "he-IL", "fa", "ur", "en", "zh-CN"].map((tag) => say(tag, []).direction), ["rtl", "rtl", "rtl", "rtl", "ltr", "ltr"]);
});

test("days by name when they are near", () => {
  const said = say("en", []);
  const noon = new Date(2026, 10, 24, 12).getTime();
  assert.match(said.day(noon - 3_600_000, noon), /^Today /);
  assert.match(said.day(noon - 86_400_000, noon), /^Yesterday /);
  assert.match(said.day(noon - 10 * 86_400_000, noon), /2026/);
});

test("money in minor units, whole amounts without cents, currencies without any", () => {
  assert.equal(moneyIn("en", 23900, "CNY"), "¥239");
  assert.equal(moneyIn("en", 3499, "EUR"), "€34.99");
  assert.equal(moneyIn("en", 1200, "JPY"), "¥1,200");
  assert.equal(moneyIn("en", 1200, "no such"), "12 no such");
  assert.equal(languageName("zh-CN"), "中文");
});

const event = (kind: string, data: Record<string, unknown>): Ev => ({ t: "ev", seq: 1, id: "x", from: "system", kind, data, at: 0 });

addEnglish(enMore);

test("the place in the queue is said as far as it is known", () => {
  const said = say("en", []);
  assert.equal(comingLine(said, event("escalated", { position: 1, estimate_s: 60 })), "A person is coming · you are next · about 1 minute");
  assert.equal(comingLine(said, event("escalated", { position: 3, estimate_s: 200 })), "A person is coming · number 3 in the queue · about 3 minutes");
  assert.equal(comingLine(said, event("escalated", {})), "A person is coming");
  assert.equal(comingLine(said, event("escalated", { position: "1", estimate_s: null })), "A person is coming");
  const opens = comingLine(said, event("escalated", { position: 1, opens_at: Date.UTC(2026, 4, 25, 9) }));
  assert.match(opens, /^Somebody is here again: .*2026.*\.$/); // nobody comes before that, whatever the place
});

test("system events speak to the contact; a disposition never does", () => {
  const said = say("en", []);
  assert.equal(systemLine(said, event("joined", { agent: "Mara" })), "Mara joined. The assistant is quiet now.");
  assert.equal(systemLine(said, event("joined", {})), "A person joined. The assistant is quiet now.");
  assert.equal(systemLine(said, event("resolved", { by: "agent", disposition: "lost" })), "This conversation is closed");
  assert.equal(systemLine(said, event("something_new", {})), null);
});

test("the launcher speaks both languages and the shop's own", () => {
  assert.equal(launcherWords("zh-CN").open, "联系客服");
  assert.equal(launcherWords("fr").open, "Chat with us");
  assert.equal(launcherWords("fr", { "launcher.open": "Écrivez-nous" }).open, "Écrivez-nous");
});
