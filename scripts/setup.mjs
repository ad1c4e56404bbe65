#!/usr/bin/env node
// Everything between `npm ci` and a working fewlabels: libtorch, a compiler, the addon, the TypeScript. One line when
// there is nothing to do. See docs/setup.md.
import { addonPath, buildDir, packageRoot, SetupError, since } from "./setup/common.mjs";
import { setUp } from "./setup/set-up.mjs";

const usage = `usage: node scripts/setup.mjs [--only=engine|typescript] [--no-install]
  --only=engine      find libtorch and build the addon, nothing else
  --only=typescript  compile src/ into dist/, nothing else
  --no-install       never install or download: say what is missing instead (also FEWLABELS_NO_INSTALL=1)`;

async function main() {
  const started = performance.now();
  const args = process.argv.slice(2);
  if (args.includes("--help")) {
    console.log(usage);
    return;
  }
  const unknown = args.find((arg) => !/^--(only=(engine|typescript)|no-install)$/.test(arg));
  if (unknown) {
    console.error(`fewlabels setup: unknown argument ${unknown}\n${usage}`);
    process.exitCode = 2;
    return;
  }
  const only = args.find((arg) => arg.startsWith("--only="))?.slice("--only=".length);
  const install = !args.includes("--no-install") && process.env.FEWLABELS_NO_INSTALL !== "1";
  const parts = await setUp({
    nativeDir: `${packageRoot}/native`,
    buildDir,
    output: addonPath,
    engine: only !== "typescript",
    typescript: only !== "engine",
    install,
    log: (line) => console.log(`fewlabels: ${line}`),
  });
  console.log(`fewlabels: ${parts.join(", ")} (${since(started)})`);
}

try {
  await main();
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  console.error(`fewlabels setup: ${error.message}`);
  for (const hint of error.hints) console.error(`  - ${hint}`);
  process.exitCode = 1;
}
