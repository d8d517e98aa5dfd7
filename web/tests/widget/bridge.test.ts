import assert from "node:assert/strict";
import { test } from "node:test";
import { readToChat, readToHost } from "../../src/widget/bridge.ts";
import { inLanguage, matches, readRules } from "../../src/widget/proactive.ts";
import { subjectOf } from "../../src/widget/subject.ts";

const look = { theme: "auto", accent: "", font: "" };

test("messages with their fields cross, others do not", () => {
  const init = { t: "init", url: "https://shop.example/", locale: "en", look, privacy: "", ask: "" };
  assert.deepEqual(readToChat(init), init);
  for (const bad of [null, 1, "init", [], {}, { t: "init" }, { ...init, locale: 1 }, { ...init, look: "dark" }, { ...init, identity: {} }]) {
    assert.equal(readToChat(bad), null, JSON.stringify(bad));
  }
  assert.equal(readToChat({ t: "cart" }), null, "each direction has its own messages");
  assert.equal(readToChat({ t: "Look", ...look }), null, "what is inside a message is none itself");
  const product = { id: "P1", title: "Kettle", price: 3400, currency: "EUR" };
  assert.ok(readToHost({ t: "cart", product, quantity: 1 }));
  assert.equal(readToHost({ t: "cart", product: { ...product, price: "free" }, quantity: 1 }), null);
  assert.equal(readToHost({ t: "unread", count: Number.NaN }), null);
});

const jwt = (payload: unknown) => `e30.${Buffer.from(JSON.stringify(payload)).toString("base64url")}.x`;

test("the subject of an identity, whatever alphabet; what cannot be read is a subject of its own", () => {
  assert.equal(subjectOf(jwt({ sub: "C1001" })), "C1001");
  assert.equal(subjectOf(jwt({ sub: "王丽" })), "王丽");
  assert.equal(subjectOf(undefined), null);
  assert.equal(subjectOf("nonsense"), "nonsense");
  assert.equal(subjectOf(jwt({ sub: 5 })), jwt({ sub: 5 }));
});

test("rules for speaking first: pages by pattern, text by language, bad ones left out", () => {
  assert.ok(matches("/cart*", "/cart/checkout") && matches("*", "/") && matches("/a.b", "/a.b"));
  assert.ok(!matches("/cart*", "/x/cart") && !matches("/a.b", "/axb"));
  const text = { en: "Anything unclear?", zh: "有什么可以帮您？" };
  assert.deepEqual(["zh-CN", "zh", "en-GB", "fr"].map((locale) => inLanguage(text, locale)), [text.zh, text.zh, text.en, text.en]);
  assert.equal(readRules(JSON.stringify([{ page: "/x", text }, { page: "/y" }, null, 3])).length, 1);
  assert.deepEqual([readRules("{"), readRules("{}")], [[], []]);
});
