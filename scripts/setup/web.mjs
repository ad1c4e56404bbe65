// The front end, web/app to dist/app, only when a source or a version of what it is built with changed.
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { filesUnder, packageRoot, readJson, run, SetupError, sha256, since } from "./common.mjs";

const vite = join(packageRoot, "node_modules/vite/bin/vite.js");
const output = join(packageRoot, "dist/app");
const recordPath = join(output, ".built.json");

/** Packages whose version decides what comes out. */
const tools = ["vite", "preact", "uplot"];

/**
 * "shipped": an installed package without the front end's sources; nothing to do.
 * @returns {{ state: "current" | "stale" | "shipped", hash: string }}
 */
export function webState(root = packageRoot) {
  const names = filesUnder(join(root, "web/app"));
  if (names.length === 0) return { state: "shipped", hash: "" };
  const versions = readJson(join(root, "package.json"))?.devDependencies ?? {};
  const hash = sha256(
    ...tools.map((name) => `${name} ${versions[name]}`),
    ...names.flatMap((name) => [name, readFileSync(join(root, "web/app", name))]),
  );
  const record = readJson(join(root, "dist/app/.built.json"));
  const there = filesUnder(join(root, "dist/app"));
  const whole = record?.hash === hash && record.files?.every((/** @type {string} */ name) => there.includes(name));
  return { state: whole ? "current" : "stale", hash };
}

/** @param {string} hash @param {(line: string) => void} log */
export async function buildWeb(hash, log) {
  if (!existsSync(vite)) {
    throw new SetupError("vite, which builds the pages, is not installed", [
      "npm ci   (with development dependencies)",
    ]);
  }
  const started = performance.now();
  rmSync(recordPath, { force: true });
  const { status, output: said } = await run(process.execPath, [vite, "build", "web/app", "--logLevel", "warn"], {
    cwd: packageRoot,
  });
  if (status !== 0) throw new SetupError(`the pages could not be built:\n${said.trimEnd().slice(-4000)}`);
  mkdirSync(output, { recursive: true });
  const files = filesUnder(output, (name) => !name.startsWith("."));
  writeFileSync(recordPath, `${JSON.stringify({ hash, files })}\n`);
  log(`pages built in ${since(started)}`);
}
