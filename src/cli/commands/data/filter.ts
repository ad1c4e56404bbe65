/** `fewlabels data filter RUN`: the pictures of a pool that look like the labeled ones. */
import { dirname } from "node:path";
import { type Command, InvalidArgumentError, Option } from "commander";
import { UsageError } from "../../../errors.js";
import { type FilterOptions, type FilterResult, filterPool } from "../../../inference/filter.js";
import { count, table } from "../../format.js";
import { print, printError } from "../../output.js";
import { addPredictorFlags } from "../predict.js";
import { atLeastOne, makeFolder } from "./pack.js";

const who = "fewlabels data filter";

export function addDataFilter(data: Command): void {
  const command = data
    .command("filter")
    .argument("<run>", "run folder")
    .summary("keep the pictures of a pool that a trained run is sure of")
    .description(
      "Score a pool of any size with a trained run and keep the most confident pictures of each class. Needs the run folder alone, not its data.",
    )
    .requiredOption("--data <pool>", "shards (brace ranges, or a folder of .tar files) or a folder of pictures")
    .option("--out <file>", "CSV file to write: file, label, confidence")
    .option(
      "--shards <prefix>",
      "shards to write: PREFIX-unlabeled-000000.tar and so on, beside a manifest PREFIX.json",
    )
    .option("--shard-size <n>", "pictures in a shard", atLeastOne, 10_000)
    .option(
      "--per-class <n>",
      "keep only so many pictures of each class, the most confident (default: all)",
      atLeastOne,
    )
    .option("--min-confidence <p>", "leave pictures out whose most probable class is below p", probability, 0)
    .option("--balance", "repeat the pictures of small classes up to --per-class (default: up to the largest class)")
    .addOption(
      new Option("--on-damaged <what>", "missing and damaged shards: end with an error, or leave them out")
        .choices(["fail", "skip"])
        .default("fail"),
    )
    .option("--json", "print the summary as one JSON line");
  addPredictorFlags(command).action(filterCommand);
}

type FilterFlags = Omit<FilterOptions, "onProgress"> & { readonly json?: boolean };

async function filterCommand(run: string, { json, ...options }: FilterFlags): Promise<void> {
  const { out, shards } = options;
  if (out === undefined && shards === undefined) {
    throw new UsageError(`${who}: expected --out FILE.csv or --shards PREFIX, where the result goes`);
  }
  for (const path of [out, shards]) if (path !== undefined) makeFolder(dirname(path));
  const result = await filterPool(run, { ...options, onProgress: tellProgress() });
  if (json) print(JSON.stringify({ ...(out ? { out } : {}), ...(shards ? { shards } : {}), ...result }));
  else report(result, options);
}

function report(result: FilterResult, { out, shards }: FilterFlags): void {
  const { pictures, kept, rejected, damaged, rows, byClass, damagedShards } = result;
  for (const { file, reason } of damagedShards) printError(`${file}: left out: ${reason}`);
  const where = [out, shards && `${shards}-unlabeled-*.tar`].filter(Boolean).join(" and ");
  print(
    `${count(kept)} of ${count(pictures)} pictures kept in ${where}${rows > kept ? `, ${count(rows)} with repetitions` : ""}; ${count(rejected)} rejected, ${count(damaged)} damaged`,
    ...table([
      ["class", "kept", "rows"],
      ...Object.entries(byClass).map(([name, own]) => [name, count(own.kept), count(own.rows)]),
    ]),
  );
}

/** A line every tenth of the pool. */
function tellProgress(): (done: number, total: number) => void {
  let told = 0;
  return (done, total) => {
    const tenth = Math.floor((10 * done) / Math.max(1, total));
    if (tenth === told || total < 100_000) return;
    told = tenth;
    printError(`${count(done)} of ${count(total)} pictures scored`);
  };
}

function probability(raw: string): number {
  const value = Number(raw);
  if (raw.trim() === "" || !(value >= 0 && value <= 1)) {
    throw new InvalidArgumentError(`Expected a number in 0..1, got "${raw}".`);
  }
  return value;
}
