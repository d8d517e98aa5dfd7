// Prints the gzip bytes of each bundle and fails beyond its budget.
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { gzipSync } from "node:zlib";
import { OUT } from "../build.mjs";

const KB = 1024;
const BUDGETS = [
  { name: "widget loader", files: ["widget.js"], limit: 5 * KB },
  { name: "widget, opened", files: ["widget.js", "chat.js", "chat.css"], limit: 20 * KB },
  // What a conversation may fetch beside: cards, the rating, tools; another language; rules for speaking first.
  {
    name: "widget, later parts",
    files: ["chat-more.js", "chat-more.css", "chat.zh.json", "proactive.js"],
    limit: 8 * KB,
  },
  { name: "console", files: ["console.js", "console.css"], limit: 90 * KB },
  { name: "supervisor", files: ["supervisor.js", "supervisor.css"], limit: 110 * KB },
];

let failed = false;
for (const { name, files, limit } of BUDGETS) {
  const missing = files.filter((file) => !existsSync(path.join(OUT, file)));
  if (missing.length) {
    console.log(`${name}: missing ${missing.join(", ")}`);
    failed = true;
    continue;
  }
  const sizes = files.map((file) => gzipSync(readFileSync(path.join(OUT, file)), { level: 9 }).length);
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const over = total > limit;
  failed ||= over;
  const parts = files.map((file, i) => `${file} ${sizes[i]}`).join(" + ");
  console.log(`${name}: ${total} of ${limit} bytes gzip${over ? "  OVER BUDGET" : ""}  (${parts})`);
}
process.exit(failed ? 1 : 0);
