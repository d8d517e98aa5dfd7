import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
// @ts-expect-error: a build script without types
import { generate } from "../../scripts/generate.mjs";
import schemas from "../../src/protocol/schema.json" with { type: "json" };

test("gen.ts is what the schema generates", () => {
  assert.equal(readFileSync("src/protocol/gen.ts", "utf8"), generate(schemas), "run npm run protocol");
});
