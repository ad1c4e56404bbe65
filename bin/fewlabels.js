#!/usr/bin/env node
// Starts the compiled command line; says what to do where Node is too old or nothing is compiled yet. Old Nodes must be able to
// read this file: see scripts/setup/node-version.mjs.
void import("../scripts/setup/node-version.mjs")
  .then(() => import("../dist/cli/main.js"))
  .catch((error) => {
    var message = error instanceof Error ? error.message : String(error);
    if (/Cannot find module '[^']*[/\\]dist[/\\]cli[/\\]main\.js'/.test(message)) {
      // A clone before its first set-up: `fewlabels setup` works there, too.
      if (process.argv[2] === "setup") {
        return import("../scripts/setup/main.mjs").then((setup) => setup.main(process.argv.slice(3)));
      }
      console.error(
        "fewlabels: not built yet. Run `npm run setup` in the package's folder (it finds or installs libtorch and compiles).",
      );
    } else if (/Cannot find package '(yaml|sharp|node-api-headers)'/.test(message)) {
      console.error(`fewlabels: ${message}. Run npm ci in a clone, or install fewlabels again.`);
    } else throw error;
    process.exitCode = 1;
  });
