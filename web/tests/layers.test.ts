import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

/** Which rooms a room may import from. */
const MAY: Record<string, string[]> = {
  protocol: [],
  core: ["protocol"],
  strings: [],
  io: ["protocol", "core"],
  ui: ["protocol", "core", "io", "strings"],
  widget: ["protocol", "core", "io", "ui", "strings"],
  console: ["protocol", "core", "io", "ui", "strings"],
  supervisor: ["protocol", "core", "io", "ui", "strings"],
};

const sources = readdirSync("src", { recursive: true, encoding: "utf8" }).filter((file) => /\.tsx?$/.test(file));

test("rooms import one way: protocol ← core ← io, ui ← widget, console, supervisor", () => {
  for (const file of sources) {
    const room = file.split(path.sep)[0] as string;
    for (const [, from] of readFileSync(path.join("src", file), "utf8").matchAll(/(?:from|import) "(\.[^"]+)"/g)) {
      const other = path.normalize(path.join(path.dirname(file), from as string)).split(path.sep)[0] as string;
      assert.ok(other === room || MAY[room]?.includes(other), `${file} imports ${from}`);
    }
  }
});

test("core has no clock, no chance, no input and no output of its own", () => {
  for (const file of sources.filter((file) => file.startsWith("core"))) {
    const code = readFileSync(path.join("src", file), "utf8").replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, "");
    const found = code.match(/\b(Date\.now|new Date|Math\.random|crypto|fetch|WebSocket|localStorage|setTimeout|document|window)\b/);
    assert.equal(found, null, `${file}: ${found}`);
  }
});

test("nobody sets HTML or evaluates text", () => {
  for (const file of sources) {
    const found = readFileSync(path.join("src", file), "utf8").match(
      /innerHTML|outerHTML|insertAdjacentHTML|dangerouslySetInnerHTML|document\.write|\beval\(|new Function|srcdoc/,
    );
    assert.equal(found, null, `${file}: ${found}`);
  }
});
