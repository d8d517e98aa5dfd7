import assert from "node:assert/strict";
import { test } from "node:test";
import { cleanName, ownAddress, pieces, shown } from "../../src/widget/safe.ts";

const SHOP = "https://shop.example";
const own = (address: string) => ownAddress(address, `${SHOP}/page`, [SHOP]);

test("addresses of the shop are links and pictures, whatever way they are written", () => {
  assert.equal(own("/p/1"), `${SHOP}/p/1`);
  assert.equal(own("p/1?x=1"), `${SHOP}/p/1?x=1`);
  assert.equal(own(`${SHOP}/a.svg`), `${SHOP}/a.svg`);
});

test("no other scheme, host or user gets through", () => {
  const bad = [
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "java\nscript:alert(1)",
    " javascript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:x",
    "blob:https://shop.example/1",
    "file:///etc/passwd",
    "https://shop.example.evil.test/",
    "https://evil.test/https://shop.example",
    "//evil.test/x",
    "\\\\evil.test\\x",
    "https://shop.example@evil.test/",
    "https://user:pass@shop.example/",
    "https://shop.example:8443/",
    "http://shop.example/",
    "http://[::1",
    "https://xn--shp-1na.example/",
  ];
  for (const address of bad) assert.equal(own(address), null, address);
  assert.equal(ownAddress(null, SHOP, [SHOP]), null);
});

test("addresses in a text become links without the punctuation around them", () => {
  const text = `See ${SHOP}/p/1, or (${SHOP}/p/2). 见${SHOP}/p/3。 Not https://evil.test/x or javascript:alert(1)`;
  const found = pieces(text, [SHOP]);
  assert.deepEqual(found.filter((piece) => piece.href).map((piece) => piece.text), [`${SHOP}/p/1`, `${SHOP}/p/2`, `${SHOP}/p/3`]);
  assert.equal(found.map((piece) => piece.text).join(""), text, "no character is lost");
});

test("text that lies or hides is made plain", () => {
  assert.equal(shown("pay \u202e09$\u202c now\u200b\u2066x\u2069\ufeff"), "pay 09$ nowx");
  assert.equal(shown(`hi${String.fromCodePoint(0xe0041, 0xe0042)}`), "hi");
  assert.equal(shown("a\nb\tc"), "a\nb\tc");
  assert.equal(shown("👩‍👧"), "👩‍👧", "joined emoji stay joined");
  assert.equal([...shown(`e${"\u0301".repeat(1000)}`)].length, 5);
});

test("a name is one short line and never empty", () => {
  assert.equal(cleanName(" Mara\n\tof  the\u202e shop "), "Mara of the shop");
  assert.equal(cleanName("x".repeat(500)).length, 80);
  assert.equal(cleanName("\u200b", "A person"), "A person");
  assert.equal(cleanName(null, "A person"), "A person");
});
