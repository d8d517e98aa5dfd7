// Writes src/protocol/schema.json from the pydantic models and src/protocol/gen.ts from that schema.
//
//   PYTHON=../.venv/bin/python npm run protocol
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { generate } from "./generate.mjs";

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), "..");
const protocol = path.join(root, "src", "protocol");

const python = spawnSync(process.env.PYTHON ?? "python3", ["-m", "assistant.chat.schema"], {
  cwd: path.join(root, ".."),
  encoding: "utf8",
});
if (python.status !== 0) {
  console.error(python.stderr || python.error?.message);
  process.exit(1);
}
writeFileSync(path.join(protocol, "schema.json"), python.stdout);
writeFileSync(path.join(protocol, "gen.ts"), generate(JSON.parse(python.stdout)));
