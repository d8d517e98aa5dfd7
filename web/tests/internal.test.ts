import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import INTERNAL from "../internal.json" with { type: "json" };

const read = (file: string) => readFileSync(file, "utf8");
const words = (text: string) => new Set(text.match(/[A-Za-z_]\w*/g));

test("names that the chat's bundles shorten are fields of its own objects alone", () => {
  const typescript = "node_modules/@typescript";
  const libraries = readdirSync(typescript).flatMap((name) => {
    const folder = path.join(typescript, name, "lib");
    return readdirSync(folder).filter((file) => /^lib\.(dom|es)/.test(file)).map((file) => path.join(folder, file));
  });
  assert.ok(libraries.some((file) => file.endsWith("lib.dom.d.ts")));
  // Declarations only: prose in the comments is not a name.
  const browser = new Set(libraries.flatMap((file) => [...read(file).matchAll(/^\s+(?:readonly |get |set )?(\w+)\??[:(]/gm)].map(([, name]) => name)));
  const wire = words(read("src/protocol/schema.json").replace(/"description": .*/g, ""));
  const strings = words(["widget", "widget-more"].map((name) => Object.keys(JSON.parse(read(`src/strings/${name}.en.json`))).join(" ")).join(" "));
  const stored = words(["Outgoing", "Kept"].map((name) => new RegExp(`interface ${name} \\{[^}]*`).exec(read("src/core/chat/state.ts"))?.[0]).join(" ").replace(/\/\*.*?\*\//g, ""));
  assert.ok(stored.has("cmid") && stored.has("subject"));
  const bridge = words(read("src/widget/bridge.ts").replace(/\/\*[\s\S]*?\*\//g, ""));
  for (const name of INTERNAL) {
    for (const [where, names] of Object.entries({ browser, wire, strings, stored, bridge })) assert.ok(!names.has(name), `${name}: ${where}`);
  }
});
