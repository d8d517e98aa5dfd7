// Prints the gzip bytes of each bundle and fails beyond its budget.
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { gzipSync } from "node:zlib";
import { OUT } from "../build.mjs";

const KB = 1000;
const OPENED = ["widget.js", "chat.html", "chat.js", "chat.css"];
const TOUCHED = ["chat-more.js", "chat-more.css"];
const BUDGETS = [
  { name: "widget loader", files: ["widget.js"], limit: 5 * KB },
  // All that is fetched until the contact touches the opened chat, in English: the loader, the page in the iframe, script, styles.
  { name: "widget, opened", files: OPENED, limit: 20 * KB },
  // With the first touch, or where a conversation is going on: cards, forms, the rating, tools, what happened.
  { name: "widget, with the first touch", files: TOUCHED, limit: 6.8 * KB },
  { name: "widget, all of it", files: [...OPENED, ...TOUCHED], limit: 26 * KB },
  // For those who read it; for pages with rules for speaking first.
  { name: "widget, Chinese", files: ["chat.zh.json"], limit: 2 * KB },
  { name: "widget, speaking first", files: ["proactive.js"], limit: 1.5 * KB },
  { name: "console", files: ["console.js", "console.css"], limit: 90 * KB },
  { name: "supervisor", files: ["supervisor.js", "supervisor.css"], limit: 110 * KB },
];

const gzip = (bytes) => gzipSync(bytes, { level: 9 }).length;
const read = (file) => readFileSync(path.join(OUT, file));
const size = (file) => gzip(read(file));

let failed = false;
for (const { name, files, limit } of BUDGETS) {
  const missing = files.filter((file) => !existsSync(path.join(OUT, file)));
  if (missing.length) {
    console.log(`${name}: missing ${missing.join(", ")}`);
    failed = true;
    continue;
  }
  const sizes = files.map(size);
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const over = total > limit;
  failed ||= over;
  const parts = files.map((file, i) => `${file} ${sizes[i]}`).join(" + ");
  console.log(`${name}: ${total} of ${limit} bytes gzip${over ? "  OVER BUDGET" : ""}  (${parts})`);
}
// What one file for everything would weigh at least: why the chat comes in two parts.
if (!failed) console.log(`widget, all of it in one gzip stream: ${gzip(Buffer.concat([...OPENED, ...TOUCHED].map(read)))} bytes`);
process.exit(failed ? 1 : 0);
