/** `fewlabels list methods|models|datasets|experiments`: what exists, with options and papers. */
import { experimentNames, readConfigFile } from "../../config/config-file.js";
import { dataSets } from "../../data/index.js";
import { EngineError } from "../../errors.js";
import { definitionNames, findDefinition, readProfile } from "../../experiments/catalog.js";
import { SCALES } from "../../experiments/definition/definition.js";
import { armsOf } from "../../experiments/plan.js";
import { methods } from "../../methods/index.js";
import { findModel, models } from "../../models/index.js";
import { modelFacts } from "../../models/model-facts.js";
import { boolean, type OptionSpec } from "../../options.js";
import { argument, defineCommand } from "../command.js";
import { describeOption } from "../flags.js";
import { count, wrap } from "../format.js";
import { print } from "../output.js";

const kinds = ["methods", "models", "datasets", "experiments"] as const;
type Kind = (typeof kinds)[number];

/** An entry of `list --json`. */
interface Entry {
  readonly name: string;
  readonly summary: string;
  /** Paper or source. */
  readonly source: string;
  readonly options: Readonly<Record<string, unknown>>;
  /** The options as text, a line each. */
  readonly lines: readonly string[];
}

export const list = defineCommand({
  name: "list",
  summary: "methods, models, data sets, experiments, with their options",
  description: "List what exists, with options, defaults and papers.",
  arguments: { what: argument("what to list", kinds) },
  options: { json: boolean(false, { doc: "print one JSON array" }) },
  examples: ["fewlabels list methods", "fewlabels list models --json"],
  run({ what, json }) {
    const entries = entriesOf(what);
    if (json) print(JSON.stringify(entries.map(({ lines, ...entry }) => ({ ...entry, ...factsOf(what, entry.name) }))));
    else print(...entries.flatMap((one, i) => [...headingOf(what, one, entries[i - 1]), ...entryLines(one)]));
  },
});

/** Experiments are grouped by their paper: a line before the first of each. */
function headingOf(what: Kind, { name, source }: Entry, before: Entry | undefined): string[] {
  const [paper] = name.split("/");
  if (what !== "experiments" || paper === before?.name.split("/")[0]) return [];
  return [`--- ${paper}: ${source.endsWith(".yaml") ? "single runs, for `fewlabels train`" : source} ---`, ""];
}

/** Presets and size of a network with its default options, for the papers' input; null without the engine. */
function factsOf(what: Kind, name: string): object {
  if (what !== "models") return {};
  const { presets } = findModel(name).definition;
  try {
    const { layers, ...facts } = modelFacts(name);
    return { presets, ...facts };
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    return { presets, input: null, parameters: null, multiplyAccumulates: null, memoryMB: null };
  }
}

function entriesOf(what: Kind): Entry[] {
  if (what === "methods")
    return methods.map((item) => entry(item.name, item.summary, item.paper, item.options, "method"));
  if (what === "models")
    return models.map((item) => {
      const presets = Object.keys(item.presets);
      const found = entry(item.name, item.summary, item.paper, item.options, "model");
      return presets.length === 0 ? found : { ...found, lines: [`presets: ${presets.join(", ")}`, ...found.lines] };
    });
  if (what === "datasets")
    return dataSets.map((item) => entry(item.name, item.summary, item.source, item.options, "dataset"));
  return [...definitionNames().map(experimentEntry), ...experimentNames().map(runEntry)];
}

/** A table or figure of a paper: its arms, and what they cost at both scales. */
function experimentEntry(name: string): Entry {
  const definition = findDefinition(name);
  const costs = SCALES.map((scale) => {
    const arms = armsOf(definition, scale, scale === "small" ? readProfile(definition.profile) : undefined);
    const seeds = definition.seeds[scale].length;
    const runsOf = ({ runs = seeds }: { readonly runs?: number }) => Math.min(runs, seeds);
    const steps = arms.reduce((sum, { given, column }) => sum + Number(given.get("steps") ?? 0) * runsOf(column), 0);
    return { scale, arms: arms.length, seeds, steps };
  });
  const lines = [
    ...costs.map(
      ({ scale, arms, seeds, steps }) => `--scale ${scale}: ${arms} arms, ${seeds} seeds, ${count(steps)} steps in all`,
    ),
    `rows: ${definition.rows.map((row) => row.name).join(", ")}; columns: ${definition.columns.map((column) => column.name).join(", ")}`,
    ...definition.listed.map(({ row, nearest }) => `cannot be run: ${row}; nearest: ${nearest}`),
  ];
  const options = Object.fromEntries(costs.map(({ scale, ...cost }) => [scale, cost]));
  return { name, summary: definition.title, source: definition.paper, options, lines };
}

/** One run with all its settings, for `fewlabels train NAME`. */
function runEntry(name: string): Entry {
  const { given, description } = readConfigFile(name);
  const lines = [
    "one run: `fewlabels train` with this name",
    ...[...given].map(([key, value]) => `${key}: ${String(value)}`),
  ];
  return { name, summary: description, source: `experiments/${name}.yaml`, options: Object.fromEntries(given), lines };
}

function entry(name: string, summary: string, source: string, options: OptionSpec, group: string): Entry {
  const lines = Object.entries(options).map(([key, option]) => `--${group}.${key}: ${describeOption(option)}`);
  return { name, summary, source, options, lines };
}

function entryLines({ name, summary, source, lines }: Entry): string[] {
  const width = Math.min(120, process.stdout.columns || 100);
  return [
    name,
    ...wrap(`${summary}${source ? ` (${source})` : ""}`, width, "  "),
    ...lines.flatMap((line) => hanging(line, width)),
    "",
  ];
}

function hanging(line: string, width: number): string[] {
  return wrap(line, width, "    ").map((text, i) => (i === 0 ? text : `    ${text}`));
}
