/** docs/results.md from the files in experiments/results: what was run, where and when, and what became of every claim. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { definitionNames, experimentsFolder, findDefinition, readProfile, shrunkText } from "./catalog.js";
import type { Definition } from "./definition/definition.js";
import { armsOf, definitionText } from "./plan.js";
import type { ExperimentResults } from "./results.js";
import { type Comparison, summarize } from "./summary.js";
import { comparisonText, tableRows } from "./table.js";

/** All kept results, by name of the experiment and scale. Their files are written by `fewlabels experiment NAME --save`. */
export function keptResults(folder = experimentsFolder): ExperimentResults[] {
  const place = join(folder, "results");
  return readdirSync(place)
    .filter((name) => name.endsWith(".json"))
    .sort()
    .map((name) => JSON.parse(readFileSync(join(place, name), "utf8")) as ExperimentResults);
}

/** The page as Markdown. */
export function resultsPage(kept: readonly ExperimentResults[], folder = experimentsFolder): string {
  const parts = kept.map((results) => part(results, findDefinition(results.experiment, folder), folder));
  const notRun = definitionNames(folder).filter((name) => !kept.some(({ experiment }) => experiment === name));
  return [
    "# Results",
    "",
    "What was really run. Every number on this page is made from the files in [experiments/results](../experiments/results) by",
    "`node scripts/results-page.mjs`; the files are written by `fewlabels experiment NAME --save experiments/results`.",
    "Errors at scale `small` are not the papers' numbers: networks, sets and steps are shrunk, for all arms of a table equally. What they can show is the order.",
    "A claim is *seen* if over three seeds or more the 95 % interval of the paired difference leaves 0 out.",
    "Runs of `supervised` until 2026-11-28 measured the statistics of its average on unlabeled images too ([averages](averages.md)).",
    "",
    ...remarksOf(folder),
    ...verdictsOf(kept, folder),
    ...parts.flat(),
    "## Not run",
    "",
    "No results yet, at any scale; their claims are not tested here:",
    "",
    ...notRun.map((name) => {
      const claims = findDefinition(name, folder).claims.map(({ text }) => text);
      return `- \`${name}\`${claims.length > 0 ? `: ${claims.join("; ")}` : ""}`;
    }),
    "",
  ].join("\n");
}

/** What a person says of the results: `results/remarks.md`. */
function remarksOf(folder: string): string[] {
  const file = join(folder, "results/remarks.md");
  return existsSync(file) ? [readFileSync(file, "utf8").trim(), ""] : [];
}

/** The claims that were tested, by what became of them. */
function verdictsOf(kept: readonly ExperimentResults[], folder: string): string[] {
  const all = kept.flatMap((results) => {
    const definition = findDefinition(results.experiment, folder);
    return summarize(definition, results).comparisons.map((comparison) => ({ name: definition.name, comparison }));
  });
  const words = { seen: "Seen", leaning: "Seen in the mean, not beyond chance", "not seen": "Not seen" } as const;
  const lines = Object.entries(words).flatMap(([verdict, word]) => {
    const some = all.filter(({ comparison }) => comparison.verdict === verdict);
    if (some.length === 0) return [];
    const items = some.map(({ name, comparison: { claim, column } }) => `${claim.text} (\`${name}\`, ${column})`);
    return [`- **${word}**: ${items.join("; ")}.`];
  });
  return lines.length === 0 ? [] : ["## What was seen of the papers' claims", "", ...lines, ""];
}

function part(results: ExperimentResults, definition: Definition, folder: string): string[] {
  const summary = summarize(definition, results);
  const { machine, dates, scale } = results;
  const ran = summary.cells.filter(({ measured }) => measured !== undefined);
  const columns = summary.columns.filter(({ name }) => ran.some(({ column }) => column === name));
  const rows = tableRows({
    ...summary,
    columns,
    rows: summary.rows.filter(({ name }) =>
      summary.cells.some(
        (cell) =>
          cell.row === name &&
          columns.some((column) => column.name === cell.column) &&
          (cell.measured || cell.published.length > 0),
      ),
    ),
  });
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  const [head = [], ...body] = rows;
  const { base } = readProfile(definition.profile, folder);
  const arms = results.arms.map(({ options }) => options);
  const what =
    scale === "small"
      ? `scale small (${shrunkText({ summary: results.shrunk ?? "shrunk", base }, arms)})`
      : "scale paper";
  const changed = changedSince(results, definition, folder);
  const seconds = results.arms.flatMap((arm) => arm.seconds).reduce((sum, one) => sum + one, 0);
  return [
    `## ${definition.title}`,
    "",
    `\`fewlabels experiment ${definition.name}\`, ${what}. Run ${dates[0].slice(0, 10)} on ${machine.cores} x ${machine.cpu} (${machine.device}), ${(seconds / 60).toFixed(0)} minutes of training in all.`,
    "",
    line(head),
    line(head.map(() => "---")),
    ...body.map(line),
    "",
    ...summary.comparisons.map((comparison) => `- ${claimText(comparison)}`),
    ...(summary.comparisons.length > 0 ? [""] : []),
    ...(changed.length > 0 ? [`Settings that have changed since these runs: ${changed.join("; ")}.`, ""] : []),
    ...summary.warnings.flatMap((warning) => [`> ${warning}`, ">"]).slice(0, -1),
    "",
  ];
}

/** "row/column: option was -> is", for arms whose definition is another one today. */
function changedSince({ arms, scale }: ExperimentResults, definition: Definition, folder: string): string[] {
  const today = armsOf(definition, scale, scale === "small" ? readProfile(definition.profile, folder) : undefined);
  return arms.flatMap(({ row, column, options }) => {
    const arm = today.find(({ key }) => key === `${row}/${column}`);
    if (!arm || Object.keys(options).length === 0) return [];
    const now = new Map(Object.entries(JSON.parse(definitionText(arm.given)) as Record<string, unknown>));
    const keys = [...new Set([...Object.keys(options), ...now.keys()])];
    const differing = keys.filter((key) => String(options[key]) !== String(now.get(key)));
    const say = (value: unknown) => (value === undefined ? "the default" : String(value));
    return differing.length === 0
      ? []
      : [
          `${row}/${column}: ${differing.map((key) => `${key} ${say(options[key])} -> ${say(now.get(key))}`).join(", ")}`,
        ];
  });
}

function claimText(comparison: Comparison): string {
  return comparison.verdict === "not run"
    ? `${comparison.claim.text} (${comparison.column}): not tested here, its arms have not run.`
    : `${comparisonText(comparison)}.`;
}
