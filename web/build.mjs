// Builds the bundles that the Python package serves: fixed names, minified, deterministic, committed.
//
//   npm run build                 all entries
//   npm run build -- widget chat  some of them
//   npm run build:check           builds in memory and fails when a committed file differs
import { build } from "esbuild";
import { minify } from "terser";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = path.dirname(fileURLToPath(import.meta.url));
export const OUT = path.join(root, "..", "assistant", "static");

const RENDERER = "./src/widget/view.ts";
const PREACT_PART = { preact: RENDERER, "preact/hooks": RENDERER, "preact/jsx-runtime": RENDERER };
const PREACT_LENT = { ...PREACT_PART, "preact/hooks": "./src/widget/lent.ts" };

/**
 * Fields that never leave the chat's own objects: not sent, not stored, no property of the browser's. They get short names in the chat's
 * bundles, the same in each, since the objects go from one to the other. `tests/internal.test.ts` holds the list to that.
 */
const INTERNAL = JSON.parse(readFileSync(path.join(root, "internal.json"), "utf8"));
const SHORT = Object.fromEntries(INTERNAL.map((name, i) => [name, `$${i.toString(36)}`]));

/** What the chat's bundles have besides: its own renderer's `h` for JSX, and the short names. */
const CHAT = {
  jsx: "transform",
  jsxFactory: "h",
  jsxFragment: "Fragment",
  inject: [RENDERER],
  tsconfigRaw: {},
  mangleProps: new RegExp(`^(${INTERNAL.join("|")})$`),
  mangleCache: SHORT,
};

/** Name of a bundle → its script and, for pages, the HTML beside it. CSS comes out where the script imports it. */
export const ENTRIES = {
  widget: { script: "src/widget/loader.ts", packed: true },
  proactive: { script: "src/widget/proactive.ts", packed: true },
  // The chat is held to 20 KB: its own small renderer stands in for Preact.
  chat: { script: "src/widget/chat.tsx", html: "src/widget/chat.html", languages: ["zh"], packed: true, options: { ...CHAT, alias: PREACT_PART } },
  "chat-more": { script: "src/widget/more.tsx", packed: true, options: { ...CHAT, alias: PREACT_LENT } },
  console: { script: "src/console/main.tsx", html: "src/console/console.html" },
  supervisor: { script: "src/supervisor/main.tsx", html: "src/supervisor/supervisor.html" },
};

/** The files of an entry, in memory: [{path, bytes}]. */
export async function bundle(name, { script, html, languages = [], packed = false, options = {} }) {
  const result = await build({
    absWorkingDir: root,
    entryPoints: { [name]: script },
    outdir: OUT,
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    charset: "utf8",
    jsx: "automatic",
    jsxImportSource: "preact",
    legalComments: "none",
    sourcemap: false,
    write: false,
    logLevel: "warning",
    ...options,
  });
  const files = result.outputFiles.map((file) => ({ path: file.path, bytes: Buffer.from(file.contents) }));
  for (const file of files) if (packed && file.path.endsWith(".js")) file.bytes = await pack(file.bytes.toString());
  if (html) files.push({ path: path.join(OUT, `${name}.html`), bytes: await readFile(path.join(root, html)) });
  for (const language of languages) {
    // English is part of the script; another language is fetched by those who read it.
    const read = async (part) => JSON.parse(await readFile(path.join(root, `src/strings/${part}.${language}.json`), "utf8"));
    const strings = { ...(await read("widget")), ...(await read("widget-more")) };
    files.push({ path: path.join(OUT, `${name}.${language}.json`), bytes: Buffer.from(JSON.stringify(strings)) });
  }
  const css = files.find((file) => file.path === CHAT_CSS);
  if (css) css.bytes = pruneTokens(css.bytes.toString(), await readFile(path.join(root, "src/widget/more.css"), "utf8"));
  return files;
}

/** What the shop's pages and the chat load goes through a second minifier, which takes some 3 % off what the first one leaves. */
async function pack(script) {
  const { code } = await minify(script, { module: true, ecma: 2020, compress: { passes: 3 }, format: { ascii_only: false } });
  return Buffer.from(code);
}

const CHAT_CSS = path.join(OUT, "chat.css");

/** The chat takes its colours and sizes from the tokens of all screens: those that neither it nor `more` uses are left out. */
function pruneTokens(css, more) {
  for (let before; before !== css; ) {
    before = css;
    const used = (name) => `${before}${more}`.includes(`var(${name}`);
    css = css.replace(/(?<=[{;])(--[\w-]+):[^;{}]*;?/g, (token, name) => (used(name) ? token : ""));
  }
  return Buffer.from(css);
}

async function main(args) {
  const check = args.includes("--check");
  const asked = args.filter((arg) => !arg.startsWith("--"));
  const unknown = asked.filter((name) => !(name in ENTRIES));
  if (unknown.length) throw new Error(`no such entry: ${unknown.join(", ")} (known: ${Object.keys(ENTRIES).join(", ")})`);
  const names = asked.length ? asked : Object.keys(ENTRIES);
  const files = (await Promise.all(names.map((name) => bundle(name, ENTRIES[name])))).flat();
  await mkdir(OUT, { recursive: true });
  const stale = [];
  for (const file of files) {
    if (!check) await writeFile(file.path, file.bytes);
    else if (!existsSync(file.path) || !file.bytes.equals(await readFile(file.path))) stale.push(path.basename(file.path));
  }
  if (stale.length) throw new Error(`not what the sources build: ${stale.join(", ")}; run npm run build`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  main(process.argv.slice(2)).catch((error) => {
    console.error(error.message);
    process.exit(1);
  });
}
