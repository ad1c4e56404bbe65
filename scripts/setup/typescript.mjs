// TypeScript to dist/, only when a source changed.
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { filesUnder, packageRoot, readJson, run, SetupError, sha256, since } from "./common.mjs";

const tsc = join(packageRoot, "node_modules/typescript/bin/tsc");
const recordPath = join(packageRoot, "dist/.built.json");

/**
 * "shipped": an installed package without sources; nothing to do.
 * @returns {{ state: "current" | "stale" | "shipped", hash: string }}
 */
export function typescriptState(root = packageRoot) {
  const names = filesUnder(join(root, "src"), (name) => name.endsWith(".ts"));
  if (names.length === 0) return { state: existsSync(join(root, "dist/index.js")) ? "shipped" : "stale", hash: "" };
  const settings = ["tsconfig.json", "package.json"].map((name) => readFileSync(join(root, name), "utf8"));
  const hash = sha256(...settings, ...names.flatMap((name) => [name, readFileSync(join(root, "src", name))]));
  const current = readJson(join(root, "dist/.built.json"))?.hash === hash;
  return { state: current ? "current" : "stale", hash };
}

/** @param {string} hash @param {(line: string) => void} log */
export async function buildTypescript(hash, log) {
  if (!existsSync(tsc)) {
    throw new SetupError("the TypeScript compiler is not installed", ["npm ci   (with development dependencies)"]);
  }
  const started = performance.now();
  rmSync(recordPath, { force: true });
  const { status, output } = await run(process.execPath, [tsc, "-b", "tsconfig.json", "--pretty", "false"], {
    cwd: packageRoot,
  });
  if (status !== 0) {
    const lines = output.trimEnd().split("\n");
    const more = lines.length > 40 ? `\n... ${lines.length - 40} more lines` : "";
    throw new SetupError(`TypeScript did not compile:\n${lines.slice(0, 40).join("\n")}${more}`);
  }
  removeOrphans();
  mkdirSync(join(packageRoot, "dist"), { recursive: true });
  writeFileSync(recordPath, `${JSON.stringify({ hash })}\n`);
  log(`TypeScript built in ${since(started)}`);
}

/** tsc leaves the output of a source that was deleted or renamed. dist/app is not its own: web.mjs. */
function removeOrphans() {
  for (const name of filesUnder(join(packageRoot, "dist"), (file) => /\.(js|d\.ts)$/.test(file))) {
    const source = name.replace(/(\.d\.ts|\.js)$/, ".ts");
    if (!name.startsWith("app/") && !existsSync(join(packageRoot, "src", source)))
      rmSync(join(packageRoot, "dist", name));
  }
}
