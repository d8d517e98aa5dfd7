// Prints what the chat weighs with its own renderer and with Preact in its place (docs/decisions/0031-a-renderer-of-its-own.md).
import { gzipSync } from "node:zlib";
import { bundle, ENTRIES } from "../build.mjs";

const size = async (entry) => {
  const script = (await bundle("chat", entry)).find((file) => file.path.endsWith("chat.js"));
  return gzipSync(script.bytes, { level: 9 }).length;
};
const own = await size(ENTRIES.chat);
const preact = await size({ ...ENTRIES.chat, options: {} });
console.log(`chat.js: ${own} bytes gzip with its own renderer, ${preact} with Preact, ${preact - own} more`);
