#!/usr/bin/env node
// Everything between `npm ci` and a working fewlabels: libtorch, a compiler, the addon, the TypeScript. One line when
// there is nothing to do. See docs/setup.md. Old Nodes must be able to read this file: see setup/node-version.mjs.
void import("./setup/node-version.mjs")
  .then(() => import("./setup/main.mjs"))
  .then((setup) => setup.main(process.argv.slice(2)));
