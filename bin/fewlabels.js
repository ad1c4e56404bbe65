#!/usr/bin/env node
// Starts the compiled command line; says what to run when it is not compiled yet.
import { existsSync } from "node:fs";

const main = new URL("../dist/cli/main.js", import.meta.url);
if (existsSync(main)) {
  await import(main.href);
} else {
  console.error(
    "fewlabels: not built yet. Run `npm run setup` in the package's folder (it finds or installs libtorch and compiles).",
  );
  process.exitCode = 1;
}
