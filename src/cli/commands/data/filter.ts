/** `fewlabels data filter RUN`: the pictures of a pool that look like the labeled ones. */
import { UsageError } from "../../../errors.js";
import { type FilterOptions, type FilterResult, filterPool } from "../../../inference/filter.js";
import { boolean, choice, integer, number, required, text } from "../../../options.js";
import { argument, defineCommand } from "../../command.js";
import { count, table } from "../../format.js";
import { makePlaces, print, printError } from "../../output.js";
import { predictorOptions } from "../../predictor-options.js";

export const dataFilter = defineCommand({
  name: "data filter",
  summary: "keep the pictures of a pool that a trained run is sure of",
  description:
    "Score a pool of any size with a trained run and keep the most confident pictures of each class. Needs the run folder alone, not its data.",
  arguments: { run: argument("run folder") },
  options: {
    data: required(
      text(undefined, {
        value: "pool",
        doc: "shards (brace ranges, or a folder of .tar files) or a folder of pictures",
      }),
    ),
    out: text(undefined, { value: "file", doc: "CSV file to write: file, label, confidence" }),
    shards: text(undefined, {
      value: "prefix",
      doc: "shards to write: PREFIX-unlabeled-000000.tar and so on, beside a manifest PREFIX.json",
    }),
    shardSize: integer(10_000, { min: 1, doc: "pictures in a shard" }),
    perClass: integer(undefined, {
      min: 1,
      doc: "keep only so many pictures of each class, the most confident (default: all)",
    }),
    minConfidence: number(0, {
      min: 0,
      max: 1,
      doc: "leave pictures out whose most probable class is less probable than this",
    }),
    balance: boolean(false, {
      doc: "repeat the pictures of small classes up to --per-class (default: up to the largest class)",
    }),
    onDamaged: choice(["fail", "skip"], "fail", {
      doc: "missing and damaged shards: end with an error, or leave them out",
    }),
    json: boolean(false, { doc: "print the summary as one JSON line" }),
    ...predictorOptions,
  },
  examples: [
    "fewlabels data filter runs/mine --data pool --out kept.csv --per-class 1000",
    "fewlabels data filter runs/mine --data 'pool-{000..099}.tar' --shards kept --min-confidence 0.8 --balance",
  ],
  async run({ run, json, ...options }, { who }) {
    const { out, shards } = options;
    if (out === undefined && shards === undefined) {
      throw new UsageError(`${who}: expected --out FILE.csv or --shards PREFIX, where the result goes`);
    }
    makePlaces(who, { out });
    const result = await filterPool(run, { ...options, onProgress: tellProgress() });
    if (json) print(JSON.stringify({ ...(out ? { out } : {}), ...(shards ? { shards } : {}), ...result }));
    else report(result, options);
  },
});

function report(result: FilterResult, { out, shards }: Pick<FilterOptions, "out" | "shards">): void {
  const { pictures, kept, rejected, damaged, damagedReason, rows, byClass, damagedShards } = result;
  for (const { file, reason } of damagedShards) printError(`${file}: left out: ${reason}`);
  if (damagedReason !== undefined) printError(`${count(damaged)} pictures are damaged; the first: ${damagedReason}`);
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
