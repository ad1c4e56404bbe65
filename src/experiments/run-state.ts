/** Where a planned run stands on the disk; what a killed experiment left is put in order before it goes on. */
import { closeSync, existsSync, fstatSync, openSync, readFileSync, readSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Catalog } from "../config/catalog.js";
import { UsageError } from "../errors.js";
import { makeFolder, writeWhole } from "../files/write-whole.js";
import { isHeld, RunFolder } from "../run/index.js";
import { definitionText, isDefinitionOf, type PlannedRun } from "./plan.js";
import { hasOtherData, recognizeData, recordInputs, sameInputs, tableIsOfNow } from "./run-inputs.js";

/** `changed`: there is a run, of another definition. `started`: it can go on from a checkpoint. */
export type RunState = "new" | "started" | "finished" | "changed";

/** Files beside the run folder: what it was asked, the configuration file, the process that runs it, predictions. */
export const besides = (run: PlannedRun) => ({
  definition: `${run.folder}.definition.json`,
  config: `${run.folder}.yaml`,
  pid: `${run.folder}.pid`,
  table: `${run.folder}.table`,
});

export function stateOf(run: PlannedRun): RunState {
  if (!existsSync(run.folder)) return "new";
  if (!isAsAsked(run)) return "changed";
  if (!existsSync(join(run.folder, "config.json"))) return "new";
  const folder = RunFolder.open(run.folder);
  if (hasOtherData(run)) return "changed";
  if (existsSync(join(run.folder, "result.json"))) return "finished";
  return folder.checkpointSteps().length > 0 ? "started" : "new";
}

/** Whether options, files and source are those that the run in the folder was asked for. */
function isAsAsked(run: PlannedRun): boolean {
  const { definition } = besides(run);
  return existsSync(definition) && isDefinitionOf(readFileSync(definition, "utf8"), run.given) && sameInputs(run);
}

/** Runs of data that lie elsewhere now count as what they are: those whose data are the same there go on. Throws DataError where there are none. */
export async function findMovedData(runs: readonly PlannedRun[], catalog: Catalog): Promise<void> {
  const whole = ({ folder }: PlannedRun) => existsSync(join(folder, "config.json"));
  await recognizeData(
    runs.filter((run) => whole(run) && isAsAsked(run) && hasOtherData(run)),
    catalog,
  );
}

/** Makes the run's place ready and returns its state; a run of another definition is moved aside, not deleted. Throws UsageError where somebody trains there. */
export async function prepareRun(run: PlannedRun): Promise<RunState> {
  makeFolder(dirname(run.folder));
  await endOrphan(run);
  if (isHeld(run.folder)) {
    throw new UsageError(
      `${run.folder}: another process is training in this run folder. Wait for it or stop it; the same command then goes on`,
    );
  }
  const files = besides(run);
  const state = stateOf(run);
  if (state === "changed") {
    let n = 1;
    while (existsSync(`${run.folder}.replaced-${n}`)) n++;
    renameSync(run.folder, `${run.folder}.replaced-${n}`);
  }
  if (state === "new") rmSync(run.folder, { recursive: true, force: true });
  if (state === "new" || state === "changed") {
    // Predictions of a run that is another one now, or of which nothing is known, would be taken for those of this one.
    if (state === "changed" || !isAsAsked(run) || !tableIsOfNow(run)) rmSync(files.table, { force: true });
    writeWhole(files.definition, definitionText(run.given));
    recordInputs(run);
  }
  return state === "changed" ? "new" : state;
}

/** Ends a run that outlived an experiment killed with -9 (a living one holds the lock of the whole): two processes must not write into one folder. */
async function endOrphan(run: PlannedRun): Promise<void> {
  const { pid: file } = besides(run);
  if (!existsSync(file)) return;
  const pid = Number(readFileSync(file, "utf8"));
  const ours = () => commandOf(pid)?.includes(run.folder) ?? false;
  if (Number.isInteger(pid) && pid > 1 && ours()) {
    process.kill(pid, "SIGKILL"); // its checkpoints are whole whenever it dies
    while (ours()) await sleep(20);
  }
  rmSync(file, { force: true });
}

/** Command line of a process; undefined where there is none (or it is a zombie) or the system does not tell. */
export function commandOf(pid: number): string | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();
    return text === "" ? undefined : text;
  } catch {
    return undefined;
  }
}

/** The last whole step that `metrics.jsonl` tells of, without reading all of it. */
export function lastStep(folder: string): number {
  const path = join(folder, "metrics.jsonl");
  if (!existsSync(path)) return 0;
  const file = openSync(path, "r");
  try {
    const { size } = fstatSync(file);
    const tail = Buffer.alloc(Math.min(size, 8192));
    readSync(file, tail, 0, tail.length, size - tail.length);
    const steps = [...tail.toString("utf8").matchAll(/"type":"step","step":(\d+)/g)];
    return Number(steps.at(-1)?.[1] ?? 0);
  } finally {
    closeSync(file);
  }
}
