/** What tells the labels of one run from those of another on the same data: a labels file may change, and data without it are the same. */
import { createHash } from "node:crypto";
import { DataError } from "../errors.js";
import { isLabelsFile } from "./label-options.js";
import type { Split } from "./split.js";

type Labels = Pick<Split, "labeled" | "validation" | "y">;

/** SHA-256 (hex) over who has a label, which one, and who is held out to validate. */
export function labelsFingerprint({ labeled, validation, y }: Labels): string {
  const hash = createHash("sha256");
  for (const part of [labeled, validation, y]) hash.update(`${part.length}\n`).update(part);
  return hash.digest("hex");
}

/**
 * Throws DataError where the labels are not those that `run` was started with. `before`: their fingerprint, unknown of runs that an earlier
 * version started.
 */
export function checkSameLabels(run: string, before: unknown, split: Labels, labels: string): void {
  const now = labelsFingerprint(split);
  if (before === undefined || before === now) return;
  const prints = `(fingerprint ${now}, then ${before})`;
  throw new DataError(
    isLabelsFile(labels)
      ? `${run}: the labels file has changed: ${labels} does not give the labels that the run was started with ${prints}. Put the earlier one back, or start a new run`
      : `${run}: the images with labels, or those that validate, are not those the run was started with ${prints}`,
  );
}
