/**
 * What a run is made from besides its options: the files that they name, the run whose predictions it starts from, and its data.
 * Files and source are told by content; the data by place, and where that is another one by the run's fingerprint of them.
 */
import { createHash } from "node:crypto";
import { closeSync, existsSync, openSync, readFileSync, readSync, statSync } from "node:fs";
import { type Catalog, choose } from "../config/catalog.js";
import { absolutePath } from "../config/paths.js";
import { withModules } from "../config/plugin.js";
import type { RunConfig } from "../config/resolve.js";
import { withNewOptions } from "../config/resume.js";
import { runOptions } from "../config/run-options.js";
import { writeWhole } from "../files/write-whole.js";
import { type RunFacts, RunFolder } from "../run/index.js";
import { definitionText, type PlannedRun, textAsGiven } from "./plan.js";

/** `SEED.inputs.json`; runs of earlier versions have none. */
interface Inputs {
  /** SHA-256 of files by option. */
  readonly files: Readonly<Record<string, string>>;
  /** Of the definition and the inputs of the run whose predictions are taken. */
  readonly source?: string;
  /** Where the data were to be. */
  readonly data?: string;
  /** Other places at which the same data were found. */
  readonly places?: readonly string[];
}

const fileOf = (run: PlannedRun) => `${run.folder}.inputs.json`;

function inputsOf({ given, arm, source }: PlannedRun, text = definitionText): Inputs {
  const ownKeys = [...given, ...arm.files].filter(([key]) => !["data", "out", "resume"].includes(key));
  const files = ownKeys.flatMap(([key, value]) => {
    const hash = typeof value === "string" && /[./\\]/.test(value) ? hashOf(value) : undefined;
    return hash === undefined ? [] : [[key, hash] as const];
  });
  const data = plannedData(given);
  return {
    files: Object.fromEntries(files.sort(([a], [b]) => (a < b ? -1 : 1))),
    ...(source && { source: sha256(text(source.given) + contentOf(inputsOf(source, text))) }),
    ...(data !== undefined && { data }),
  };
}

const contentOf = ({ files, source }: Inputs) => JSON.stringify([files, source]);
const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

function recordedOf(run: PlannedRun): Inputs | undefined {
  return existsSync(fileOf(run)) ? (JSON.parse(readFileSync(fileOf(run), "utf8")) as Inputs) : undefined;
}

export function recordInputs(run: PlannedRun): void {
  writeWhole(fileOf(run), `${JSON.stringify(inputsOf(run))}\n`);
}

/** Whether files and source are those of `recorded`, by this version or one before. */
function isContentOf(recorded: Inputs, run: PlannedRun): boolean {
  return [definitionText, textAsGiven].some((text) => contentOf(recorded) === contentOf(inputsOf(run, text)));
}

/** Whether files and source are those of the last time; what an earlier version did not write down is taken to be. */
export function sameInputs(run: PlannedRun): boolean {
  const recorded = recordedOf(run);
  return recorded === undefined || isContentOf(recorded, run);
}

/** Whether the run's table of predictions was made for what it is now: files, source, and data at the same place. */
export function tableIsOfNow(run: PlannedRun): boolean {
  const recorded = recordedOf(run);
  return recorded !== undefined && isContentOf(recorded, run) && recorded.data === plannedData(run.given);
}

/** Where the data of the run in the folder are now by the plan, where that is not where it found them. */
export function movedTo(run: PlannedRun): string | undefined {
  const [now, then] = [plannedData(run.given), RunFolder.open(run.folder).config<{ data?: unknown }>().data];
  return typeof then !== "string" || now === undefined || now === then ? undefined : now;
}

/** Whether the data lie at another place at which they have not been recognized. */
export function hasOtherData(run: PlannedRun): boolean {
  const now = movedTo(run);
  return now !== undefined && !recordedOf(run)?.places?.includes(now);
}

function plannedData(given: PlannedRun["given"]): string | undefined {
  const data = given.get("data");
  return data === undefined ? undefined : absolutePath(runOptions.data, String(data));
}

/**
 * Looks for the data of runs where they are planned to lie now, and writes down where they are the same. Sets are read once. Throws
 * DataError where there are none.
 */
export async function recognizeData(runs: readonly PlannedRun[], catalog: Catalog): Promise<void> {
  const found = new Map<string, Promise<string>>();
  for (const run of runs) {
    const config = RunFolder.open(run.folder).config<RunConfig>();
    const data = movedTo(run);
    if (data === undefined) continue;
    const { dataset, datasetOptions, modules, labels, unlabeled } = config;
    const key = JSON.stringify([data, dataset, datasetOptions, modules, labels, unlabeled]);
    if (!found.has(key)) found.set(key, fingerprintAt(data, config, catalog));
    if ((await found.get(key)) !== config.dataFingerprint) continue;
    const recorded = recordedOf(run) ?? inputsOf(run);
    writeWhole(fileOf(run), `${JSON.stringify({ ...recorded, places: [...(recorded.places ?? []), data] })}\n`);
  }
}

async function fingerprintAt(data: string, saved: RunConfig & RunFacts, catalog: Catalog): Promise<string> {
  const chosen = choose(saved, await withModules(catalog, saved.modules));
  const { loadSplit } = await import("../session/data.js"); // and with it the engine, which few calls need
  const { fingerprint } = await import("../data/fingerprint.js");
  const loaded = await loadSplit({ ...withNewOptions(saved, chosen), data }, chosen.dataSet);
  return loaded.data.fingerprint ?? fingerprint(loaded.data);
}

/** By path, size and time of change: a plan asks for the same file many times. */
const hashes = new Map<string, string>();

/** SHA-256 of a file; undefined where there is none of that name. */
function hashOf(path: string): string | undefined {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat?.isFile()) return undefined;
  const key = JSON.stringify([path, stat.size, stat.mtimeMs, stat.ino]);
  const known = hashes.get(key);
  if (known !== undefined) return known;
  const [hash, chunk] = [createHash("sha256"), Buffer.alloc(1 << 20)];
  const file = openSync(path, "r");
  try {
    for (let n = readSync(file, chunk); n > 0; n = readSync(file, chunk)) hash.update(chunk.subarray(0, n));
  } finally {
    closeSync(file);
  }
  const sum = hash.digest("hex");
  hashes.set(key, sum);
  return sum;
}
