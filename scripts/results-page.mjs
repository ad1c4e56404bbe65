// Writes docs/results.md from experiments/results/*.json.
//   node scripts/results-page.mjs [--check]       --check writes nothing and exits with 1 if the page differs
import { readFileSync, writeFileSync } from "node:fs";
import { keptResults, resultsPage } from "fewlabels/internal";

const page = new URL("../docs/results.md", import.meta.url);
const text = resultsPage(keptResults());
if (process.argv.includes("--check")) process.exitCode = readFileSync(page, "utf8") === text ? 0 : 1;
else writeFileSync(page, text);
