/** Trains while people label: a new model whenever labels have come, each an ordinary run, rated on the honest test set. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { UsageError } from "../errors.js";
import { FolderLock } from "../files/lock/lock.js";
import { makeFolder } from "../files/write-whole.js";
import { RunFolder } from "../run/index.js";
import { readInferenceRecord } from "../session/inference-record.js";
import type { Asking } from "./asking.js";
import { commandLine, type RunningCommand, runCommand } from "./command.js";
import { labelFilesOf } from "./label-files.js";
import type { Guesses } from "./mind/judge.js";
import type { Confusion, RatedModel } from "./model-types.js";
import { addModel, judged, nextRun, pruneRuns, rated, readModels } from "./models.js";
import { OPEN, type Studio } from "./studio.js";

export interface TrainingOptions {
  /** Run folder, or name or file of weights. */
  readonly source?: string | undefined;
  readonly method: string;
  /** Of training from scratch. */
  readonly steps: number;
  readonly threads: number;
  /** Seconds from the end of one training to the start of the next. */
  readonly every: number;
  readonly onChange: () => void;
}

/** A label that is doubted, and the class that it should rather have. */
export interface NamedDoubt {
  readonly row: number;
  readonly suggested: string;
  readonly margin: number;
}

export interface Training {
  readonly models: readonly RatedModel[];
  /** What the latest model says of the pictures that were read, and the run it is. */
  readonly guesses: (Guesses & { readonly run: string }) | undefined;
  readonly confusion: Confusion | undefined;
  readonly doubts: readonly NamedDoubt[];
  readonly running: { readonly since: number; readonly labels: number } | undefined;
  /** What is missing before the first training, or what went wrong. */
  readonly waiting: string | undefined;
  readonly problem: string | undefined;
  /** The training as people type it. */
  readonly command: string;
  /** Looks whether it is time to train. Throws DiskError. */
  tick(): void;
  close(): void;
}

export function startTraining(studio: Studio, asking: Asking, options: TrainingOptions): Training {
  const { source, method, steps, threads, every, onChange } = options;
  const files = labelFilesOf(studio.out);
  let models = readModels(studio.out).map(rated);
  let guesses: Training["guesses"];
  let confusion: Confusion | undefined;
  let doubts: readonly NamedDoubt[] = [];
  let running: (NonNullable<Training["running"]> & { readonly run: RunningCommand }) | undefined;
  let [waiting, problem]: [string | undefined, string | undefined] = [undefined, undefined];
  let [trainedOn, ended, busy, closed] = [-1, Number.NEGATIVE_INFINITY, false, false];
  let lookedAt: string | undefined;
  let lock: FolderLock | undefined;

  const argsOf = (out: string) => [
    ...["train", "--dataset", "folder", "--data", studio.dir, "--labels", files.train],
    ...(testOf(studio, asking) === "none" ? [] : ["--dataset.testLabels", files.test]),
    ...["--dataset.check", "header", "--dataset.overlap", "drop", "--dataset.maxDamaged", "1"],
    ...["--method", method],
    ...(source === undefined
      ? ["--model", "convnet-tiny", "--steps", String(steps)]
      : ["--model.weights", weightsOf(source)]),
    ...["--threads", String(threads), "--out", out],
  ];
  /** What the model of `run` says; its error on the test set, and what it doubts. */
  const look = async (run: string) => {
    const rows = asking.rows;
    if (!rows) return undefined;
    lookedAt = run;
    const found = await asking.mind.ask("guess", { run: join(studio.out, run) });
    guesses = { ...found, run };
    const placeOf = new Map(Array.from(rows, (row, at) => [studio.pictures[row]!.name, at]));
    const rating = judged(studio.tests(), studio.classes, (name) => {
      const best = found.best[placeOf.get(name) ?? -1] ?? -1;
      return best < 0 ? undefined : found.classes[best];
    });
    confusion = rating.confusion;
    // The places of the classes may be others when the answer has come.
    const classes = [...studio.classes];
    const judgedLabels = { labels: asking.codes(), numClasses: classes.length };
    doubts = (await asking.mind.ask("doubts", judgedLabels)).map(({ row, suggested, margin }) => ({
      row: rows[row]!,
      suggested: classes[suggested]!,
      margin,
    }));
    return rating;
  };
  const train = async (version: number, labels: number) => {
    pruneRuns(studio.out);
    const run = nextRun(studio.out);
    const since = Date.now();
    running = { since, labels, run: runCommand([...argsOf(join(studio.out, run)), "--json", "--seen", "0"]) };
    onChange();
    const { code, problem: said } = await running.run.done;
    running = undefined;
    trainedOn = version;
    if (closed) return;
    if (code !== 0) throw new Error(said || `the training ended with exit code ${code}`);
    const rating = await look(run);
    if (!rating) return;
    problem = undefined;
    const seconds = Math.round((Date.now() - since) / 100) / 10;
    const { tested, wrong } = rating;
    addModel(studio.out, { run, at: new Date().toISOString(), labels, seconds, tested, wrong });
    pruneRuns(studio.out);
  };
  const work = (job: () => Promise<unknown>) => {
    busy = true;
    void job()
      .catch((error: unknown) => {
        problem = error instanceof Error ? error.message : String(error);
      })
      .finally(() => {
        busy = false;
        ended = performance.now();
        models = readModels(studio.out).map(rated);
        if (!closed) onChange();
      });
  };
  /** Also while it trains: who looks from another machine knows nothing else of this process. */
  const keepLock = () => {
    try {
      lock?.touch();
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      problem = error.message;
      lock = undefined; // another process's now
      running?.run.stop();
    }
  };
  const tick = () => {
    keepLock();
    if (busy || closed || !asking.rows) return;
    lock ??= takeLock(studio.out);
    models = readModels(studio.out).map(rated);
    const last = models.at(-1)?.run;
    if (last !== undefined && lookedAt !== last && existsSync(join(studio.out, last, "result.json"))) {
      return work(() => look(last));
    }
    // Another process trains for this folder.
    if (!lock || studio.version === trainedOn || performance.now() - ended < 1000 * every) return;
    const missing = missingOf(studio, asking);
    if (missing !== waiting) {
      waiting = missing;
      onChange();
    }
    if (missing !== undefined) return;
    const { version } = studio;
    if (studio.save()) work(() => train(version, studio.trainRows().length));
  };
  return {
    get models() {
      return models;
    },
    get guesses() {
      return guesses;
    },
    get confusion() {
      return confusion;
    },
    get doubts() {
      return doubts;
    },
    get running() {
      return running && { since: running.since, labels: running.labels };
    },
    get waiting() {
      return waiting;
    },
    get problem() {
      return problem;
    },
    get command() {
      return commandLine(argsOf("RUN"));
    },
    tick,
    close() {
      closed = true;
      running?.run.stop();
      lock?.release();
    },
  };
}

/** In words, what a first training still needs. */
function missingOf(studio: Studio, asking: Asking): string | undefined {
  const counts = new Map<string, number>();
  for (const [, name] of studio.trainRows()) counts.set(name, (counts.get(name) ?? 0) + 1);
  if (counts.size < 2) return "labels of two classes";
  const test = testOf(studio, asking);
  if (test === "none") return [...counts.values()].some((n) => n < 2) ? "two labels of every class" : undefined;
  return test === "open" ? "a label of the test set; the pages ask for it by themselves" : undefined;
}

/**
 * Whether the test set has a label that a training can be tested on, may still get one, or never will: every picture had its label from the
 * start, or those drawn were skipped. Then a run holds out some of the labels, as where no test set is wanted.
 */
function testOf(studio: Studio, { damaged }: Asking): "there" | "open" | "none" {
  const trained = new Set(studio.trainRows().map(([, own]) => own));
  if (studio.tests().rows.some(({ class: own }) => trained.has(own))) return "there";
  return studio.reserve.some((row) => studio.codes[row] === OPEN && !damaged.has(row)) ? "open" : "none";
}

/** The file that `--model.weights` takes: of a run, the model of its result. */
function weightsOf(source: string): string {
  if (!existsSync(join(source, "config.json"))) return source;
  const checkpoint = RunFolder.open(source).latestCheckpoint();
  return checkpoint ? join(checkpoint.path, `${readInferenceRecord(source).predictor}.safetensors`) : source;
}

/** Who trains for this folder; undefined while another process does. Throws DiskError. */
function takeLock(folder: string): FolderLock | undefined {
  makeFolder(join(folder, "runs"));
  try {
    return FolderLock.take(join(folder, "runs"));
  } catch (error) {
    if (error instanceof UsageError) return undefined;
    throw error;
  }
}
