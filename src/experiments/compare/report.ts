/** A comparison as a table, in sentences, and the command that trains the winner. */
import { byFile } from "../../config/catalog.js";
import { flagOf } from "../../config/given.js";
import { withoutIdle } from "../../config/without-idle.js";
import { quoted } from "../../errors.js";
import type { Comparison } from "./compare.js";
import type { CompareOptions } from "./options.js";
import type { Ranked } from "./recommend.js";

/** First column left, the others right. */
export function compareRows({ ranking: { rows }, folds }: Comparison): string[][] {
  const value = (mean: number, half: number) =>
    Number.isNaN(half) ? mean.toFixed(1) : `${mean.toFixed(1)} ± ${half.toFixed(1)}`;
  const against = ({ behind, complete }: Ranked) =>
    behind ? value(behind.difference, behind.half95) : complete ? "lowest" : "-";
  return [
    ["method", "error in %", "folds", "worse than the lowest by", "steps", "seconds a run"],
    ...rows.map((row) => [
      row.label,
      value(row.mean, row.half95),
      `${row.errors.length}/${folds.count}`,
      against(row),
      String(row.steps),
      row.seconds < 10 ? row.seconds.toFixed(1) : row.seconds.toFixed(0),
    ]),
  ];
}

/** Trains the recommended method on everything, with the default number of steps; options of other methods are left out. */
export function winnerCommand(
  {
    dir,
    labelsFile,
    unlabeledDir,
    overrides,
    catalog,
  }: Pick<CompareOptions, "dir" | "labelsFile" | "unlabeledDir" | "overrides" | "catalog">,
  method: string,
): string {
  const own: [string, unknown][] = [
    ["dataset", "folder"],
    ["data", dir],
    ...(labelsFile === undefined ? [] : [["labels", labelsFile] as [string, unknown]]),
    ...(unlabeledDir === undefined ? [] : [["unlabeled", unlabeledDir] as [string, unknown]]),
    ["method", method],
    ...Object.entries(overrides),
  ];
  const told = byFile(withoutIdle(new Map(own), catalog), catalog);
  return ["fewlabels train", ...[...told].map(([key, value]) => `${flagOf(key)} ${quoted(String(value))}`)].join(" ");
}

/** Sentences about how it was measured. */
export function notesOf({ folds, steps, wantedSteps }: Comparison): string[] {
  return [
    `${folds.labeled.length} labeled and ${folds.unlabeled.length} unlabeled pictures, ${folds.classes.length} classes; ${folds.count} folds of the labeled ones, the same for all methods: each is held out once, and the test set plays no part.`,
    ...(steps !== undefined && wantedSteps !== undefined && steps < wantedSteps
      ? [
          `The budget allowed ${steps} of the ${wantedSteps} steps that training takes by default: with more, methods that train may do better.`,
        ]
      : []),
    "Mean over folds with a 95 % interval that allows for the training pictures that folds share (Nadeau and Bengio, 2003); differences are paired over folds.",
  ];
}

/** Methods that were left out for one reason, in one line. */
export function leftOutLines({ leftOut }: Comparison): string[] {
  const reasons = [...new Set(leftOut.map(({ why }) => why))];
  return reasons.map((why) => {
    const methods = leftOut.filter((one) => one.why === why).map(({ method }) => method);
    return `${methods.join(", ")}: ${why}`;
  });
}
