/** The models that were trained while people labelled: an ordinary run folder each, and a line about each of how good it was. */
import { closeSync, existsSync, openSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { writing } from "../files/write-whole.js";
import { emptyConfusion } from "../metrics/index.js";
import { wilson } from "../statistics.js";
import { appendLine } from "./log.js";
import type { Confusion, ModelRow, RatedModel } from "./model-types.js";
import type { TestSet } from "./reserve.js";

/** How many of the last models stay on the disk. */
const KEPT = 3;

export const rated = (row: ModelRow): RatedModel => ({ ...row, error: wilson(row.wrong, row.tested) });

/** Lines that are no model (cut short by a kill) are passed over. */
export function readModels(folder: string): ModelRow[] {
  const path = join(folder, "models.jsonl");
  if (!existsSync(path)) return [];
  return readFileSync(path, "utf8")
    .split("\n")
    .flatMap((line) => {
      try {
        const row = JSON.parse(line) as Partial<ModelRow>;
        const whole = typeof row.run === "string" && typeof row.tested === "number" && typeof row.wrong === "number";
        return whole ? [row as ModelRow] : [];
      } catch {
        return [];
      }
    });
}

/** Throws DiskError. */
export function addModel(folder: string, row: ModelRow): void {
  const path = join(folder, "models.jsonl");
  writing(path, () => {
    const file = openSync(path, "a+");
    try {
      appendLine(file, JSON.stringify(row));
    } finally {
      closeSync(file);
    }
  });
}

/** "runs/0001", "runs/0002", ...: one that is not there yet. */
export function nextRun(folder: string): string {
  const numbers = runsIn(folder).map(Number);
  return `runs/${String(Math.max(0, ...numbers) + 1).padStart(4, "0")}`;
}

/** Removes all runs but those of the last few models: also what failed, was stopped or was never rated. Not while one is running. */
export function pruneRuns(folder: string): void {
  const kept = new Set(
    readModels(folder)
      .slice(-KEPT)
      .map(({ run }) => run),
  );
  for (const name of runsIn(folder)) {
    if (!kept.has(`runs/${name}`)) rmSync(join(folder, "runs", name), { recursive: true, force: true });
  }
}

/** Names of the runs that training has made in the folder, the first first. */
export function runsIn(folder: string): string[] {
  const runs = join(folder, "runs");
  return existsSync(runs)
    ? readdirSync(runs)
        .filter((name) => /^\d{4,}$/.test(name))
        .sort((a, b) => Number(a) - Number(b))
    : [];
}

/** `guessOf` gives the class a model takes a picture for, undefined where it could not be read: such a picture is in no count. */
export function judged(
  { rows }: TestSet,
  classes: readonly string[],
  guessOf: (name: string) => string | undefined,
): { readonly tested: number; readonly wrong: number; readonly confusion: Confusion } {
  const counts = emptyConfusion(classes.length);
  let [tested, wrong] = [0, 0];
  for (const { name, class: truth } of rows) {
    const guess = guessOf(name);
    if (guess === undefined) continue;
    tested++;
    if (guess !== truth) wrong++;
    const line = counts[classes.indexOf(truth)];
    const k = classes.indexOf(guess);
    if (line && k >= 0) line[k]!++;
  }
  return { tested, wrong, confusion: { classes: [...classes], counts } };
}
