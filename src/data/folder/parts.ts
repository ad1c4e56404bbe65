/** What to do about pictures that are on both sides of a folder. */
import { DataError } from "../../errors.js";
import { type Known, testOverlap } from "../../labels/by-content.js";

/**
 * Training pictures that are also test pictures are an error, dropped or (`keep`) worth a remark, as unlabeled ones are. `isLabeled`: whether
 * a picture has a label to train with, of its folder or of a file.
 */
export function separate<T extends Known>(
  known: readonly T[],
  isLabeled: (picture: T) => boolean,
  overlap: "error" | "drop" | "keep",
  remarks: string[],
): readonly T[] {
  const { labeled, unlabeled } = testOverlap(known, isLabeled);
  if (unlabeled.length > 0)
    remarks.push(
      `${unlabeled.length} unlabeled pictures are also in the test set, the first ${known[unlabeled[0]!]!.name}`,
    );
  if (labeled.length === 0) return known;
  if (overlap === "error") {
    throw new DataError(
      `folder: ${labeled.length} labeled pictures are also in the test set, the first ${known[labeled[0]!]!.name}: the error would be too good. ` +
        "Remove them from one of the two, or give --dataset.overlap drop to leave them out of training",
    );
  }
  if (overlap === "keep") {
    remarks.push(`${labeled.length} labeled pictures are also in the test set, the first ${known[labeled[0]!]!.name}`);
    return known;
  }
  remarks.push(`${labeled.length} labeled pictures are also in the test set and are not trained on`);
  const dropped = new Set(labeled);
  return known.filter((_, i) => !dropped.has(i));
}
