import assert from "node:assert/strict";
import { test } from "node:test";
import { displayName, neutralise, oneLine, ownImage, readable } from "../../src/ui/text.ts";

test("text that lies about its direction or hides characters is shown plainly", () => {
  assert.deepEqual(neutralise("invoice\u202Egpj.exe"), { text: "invoicegpj.exe", hidden: 1 });
  assert.deepEqual(neutralise("a\u200bb\u2066c\u2069"), { text: "abc", hidden: 3 });
  assert.deepEqual(neutralise("ok\u{e0041}\u{e0042}"), { text: "ok", hidden: 2 });
  assert.equal(neutralise("one\r\ntwo\tthree").text, "one\ntwo\tthree");
});

test("what languages and emoji need stays", () => {
  for (const text of ["👩‍👩‍👧‍👦 ok", "می‌خواهم", "क्‍ष", "مرحبا", "é è ñ", "你好，世界", "ไม่ดี"]) {
    assert.deepEqual(neutralise(text), { text, hidden: 0 });
  }
});

test("a tower of marks is cut down to a bounded height", () => {
  const { text, hidden } = neutralise(`Z${"\u0301".repeat(1000)}a`);
  assert.equal([...text].length, 4);
  assert.equal(hidden, 998);
});

test("one line has no breaks and a bounded length", () => {
  assert.equal(oneLine("  a\n\n b  "), "a b");
  assert.equal([...oneLine("字".repeat(500), 10)].length, 10);
});

test("a name that shows nothing falls back", () => {
  assert.equal(displayName("\u200b\u202e", "Guest"), "Guest");
  assert.equal(displayName(null, "Guest"), "Guest");
  assert.equal(displayName(" Zoë ", "Guest"), "Zoë");
});

test("codes nobody has words for become readable", () => {
  assert.equal(readable("wallet_cap"), "Wallet cap");
  assert.equal(readable("risk:model-late"), "Risk model late");
  assert.equal(readable(""), "—");
});

test("only pictures of our own are loaded", () => {
  assert.equal(ownImage("/static/shop/kettle.svg"), "/static/shop/kettle.svg");
  for (const bad of ["//evil.example/x.png", "/\\evil.example", "https://evil.example/x.png", "data:image/svg+xml,x", "javascript:alert(1)", "/a/../../x", "", null]) {
    assert.equal(ownImage(bad), null);
  }
});
