/** `fewlabels report RUN...`: one self-contained page on any runs, with plots. */
import { existsSync, readdirSync, realpathSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { UsageError } from "../../errors.js";
import { writeWhole } from "../../files/write-whole.js";
import { boolean, text } from "../../options.js";
import { readRun } from "../../report/read-run.js";
import { defineCommand, restArguments } from "../command.js";
import { count, table } from "../format.js";
import { makePlaces, print, printError } from "../output.js";

const who = "fewlabels report";

export const report = defineCommand({
  name: "report",
  summary: "one self-contained page with plots of any runs",
  description:
    "Put runs side by side on one HTML page without scripts or outside files: errors with 95 % intervals over seeds, curves of error and " +
    "cost. Runs that differ in their seeds alone are one arm. Each plot is also written as SVG and PNG, into a folder beside the page.",
  arguments: { runs: restArguments("run folders, or folders of run folders") },
  options: {
    out: text("report.html", { value: "file", doc: "the page to write" }),
    title: text("Runs", { doc: "title of the page" }),
    json: boolean(false, { doc: "print what was written, and the arms, as one JSON line" }),
  },
  examples: ["fewlabels report runs/digits-* --out digits.html", "fewlabels report runs --title 'All of them'"],
  async run({ runs, out, title, json }) {
    makePlaces(who, { out });
    const named = runs.flatMap((path) => runFolders(path));
    // One folder is one run, however often and by whatever path it is given.
    const folders = [...new Map(named.toReversed().map((path) => [realpathSync(path), path])).values()].toReversed();
    // Plots take half a second to load, which other commands need not wait for.
    const [{ htmlPage }, { reportOnRuns }, { writeFigures }] = await Promise.all([
      import("../../report/page.js"),
      import("../../report/runs-report.js"),
      import("../../report/write.js"),
    ]);
    const found = reportOnRuns(folders.map(readRun), title);
    for (const remark of found.remarks) printError(`${who}: warning: ${remark}`);
    const page = resolve(out);
    const plots = `${page.replace(/\.html?$/i, "")}-plots`;
    writeWhole(page, htmlPage(title, found.sections));
    const files = await writeFigures(plots, found.figures);
    const groups = found.groups.map(({ label, runs: some }) => ({
      arm: label,
      runs: some.map(({ path }) => path),
      errors: some.flatMap(({ result }) => (result ? [result.error] : [])),
    }));
    if (json) {
      print(JSON.stringify({ page, plots: files, arms: groups }));
      return;
    }
    const [first] = found.sections;
    if (first?.kind === "table") print(...table(first.rows));
    print("", `${count(folders.length)} runs in ${page}; the plots are in ${plots}`);
  },
});

/** The run folder itself, or all below it. Throws UsageError where there is none. */
function runFolders(path: string): string[] {
  const isRun = (folder: string) =>
    existsSync(join(folder, "config.json")) && existsSync(join(folder, "metrics.jsonl"));
  if (!existsSync(path)) throw new UsageError(`${who}: there is no folder ${path}`);
  if (isRun(path)) return [path];
  const found = readdirSync(path, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith("metrics.jsonl"))
    .map((name) => dirname(join(path, name)))
    // What an experiment moved aside belongs to another definition.
    .filter((folder) => isRun(folder) && !/\.replaced-\d+$/.test(folder))
    .sort();
  if (found.length === 0)
    throw new UsageError(`${who}: ${path} holds no run folder; runs are made by \`fewlabels train\``);
  return found;
}
