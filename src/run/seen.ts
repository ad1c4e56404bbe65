/**
 * `seen/` of a run folder: what a person wants to look at and training does not need. Plain JSON and PNG, written by the run at its start and
 * at evaluations; a run without it is whole.
 *
 *   pictures.json  which images were chosen, and what is known of them     pictures.png  the images, in the same order
 *   views.json     names of the columns of views.png                       views.png     some of them as the network sees them
 *   step-N.json    what each model thought of them after step N, and its confusion matrix on the split that was evaluated
 */
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { makeFolder, writeWhole, writing } from "../files/write-whole.js";
import type { SeenPictures, SeenStep, SeenViews } from "./seen-types.js";

export type { Belief, SeenPictures, SeenStep, SeenViews, Sheet } from "./seen-types.js";

const folderOf = (run: string) => join(run, "seen");
const stepFile = (run: string, step: number) => join(folderOf(run), `step-${step}.json`);

/** Evaluations that are kept; then every second one of the older ones goes, so that there are always some of the whole run. */
const MOST_STEPS = 120;

/** Steps that were recorded, ascending; none where there is no record. */
export function seenSteps(run: string): number[] {
  if (!existsSync(folderOf(run))) return [];
  return readdirSync(folderOf(run))
    .flatMap((name) => {
      const step = /^step-(\d+)\.json$/.exec(name)?.[1];
      return step === undefined ? [] : [Number(step)];
    })
    .sort((a, b) => a - b);
}

/** Throws what the system says where the file is not there, and SyntaxError where it is damaged. */
export function readSeenPictures(run: string): SeenPictures {
  return JSON.parse(readFileSync(join(folderOf(run), "pictures.json"), "utf8")) as SeenPictures;
}

export function readSeenViews(run: string): SeenViews {
  return JSON.parse(readFileSync(join(folderOf(run), "views.json"), "utf8")) as SeenViews;
}

export function readSeenStep(run: string, step: number): SeenStep {
  return JSON.parse(readFileSync(stepFile(run, step), "utf8")) as SeenStep;
}

/** Where a sheet lies. */
export const sheetPath = (run: string, sheet: "pictures" | "views") => join(folderOf(run), `${sheet}.png`);

/** Throws DiskError where it cannot be written. */
export function writeSeenSheet(
  run: string,
  facts: { readonly pictures: SeenPictures } | { readonly views: SeenViews },
  png: Uint8Array | undefined,
): void {
  makeFolder(folderOf(run));
  const [name, content] =
    "pictures" in facts ? (["pictures", facts.pictures] as const) : (["views", facts.views] as const);
  if (png) writeWhole(sheetPath(run, name), png);
  writeWhole(join(folderOf(run), `${name}.json`), `${JSON.stringify(content)}\n`);
}

/** Throws DiskError where it cannot be written. */
export function writeSeenStep(run: string, seen: SeenStep): void {
  writeWhole(stepFile(run, seen.step), `${JSON.stringify(seen)}\n`);
  writing(folderOf(run), () => {
    const steps = seenSteps(run);
    if (steps.length <= MOST_STEPS) return;
    steps.slice(0, -MOST_STEPS / 4).forEach((step, i) => {
      if (i % 2 === 1) rmSync(stepFile(run, step), { force: true });
    });
  });
}

/** Drops what was recorded after `step`, for a run that continues from there. Throws DiskError where it cannot be removed. */
export function dropSeenAfter(run: string, step: number): void {
  writing(folderOf(run), () => {
    for (const recorded of seenSteps(run)) if (recorded > step) rmSync(stepFile(run, recorded), { force: true });
  });
}
