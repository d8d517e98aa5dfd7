// Bundles tests/**/*.test.ts(x) with esbuild and runs them with node's own test runner.
//
//   npm test                 all
//   npm test -- core widget  those whose path contains one of the words
import { build } from "esbuild";
import { spawnSync } from "node:child_process";
import { readdirSync, rmSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), "..");
const out = path.join(root, "node_modules", ".cache", `staywell-tests-${process.pid}`);
const words = process.argv.slice(2);
const tests = readdirSync(path.join(root, "tests"), { recursive: true })
  .filter((file) => /\.test\.tsx?$/.test(file))
  .filter((file) => !words.length || words.some((word) => file.includes(word)))
  .map((file) => path.join("tests", file))
  .sort();
if (!tests.length) {
  console.error("no test matches");
  process.exit(1);
}
try {
  await build({
    absWorkingDir: root,
    entryPoints: tests,
    outdir: out,
    outbase: "tests",
    outExtension: { ".js": ".mjs" },
    bundle: true,
    packages: "external",
    platform: "node",
    format: "esm",
    target: "node20",
    jsx: "automatic",
    jsxImportSource: "preact",
    loader: { ".css": "empty" },
    sourcemap: "inline",
    logLevel: "warning",
  });
  const bundles = tests.map((file) => path.join(out, path.relative("tests", file).replace(/\.tsx?$/, ".mjs")));
  const run = spawnSync(process.execPath, ["--enable-source-maps", "--test", "--test-reporter=spec", ...bundles], { cwd: root, stdio: "inherit" });
  process.exitCode = run.status ?? 1;
} finally {
  rmSync(out, { recursive: true, force: true });
}
