/** Which pictures of a folder train and which test. */
import { DataError } from "../../errors.js";
import { andMore, type Known, testOverlap } from "../../labels/by-content.js";
import type { Rng } from "../../rng.js";

/** Training pictures that are also test pictures are an error, dropped or (`keep`) worth a remark, as unlabeled ones are. */
export function separate<T extends Known>(
  known: readonly T[],
  overlap: "error" | "drop" | "keep",
  remarks: string[],
): readonly T[] {
  const { labeled, unlabeled } = testOverlap(known);
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

/**
 * Holds out round(share x n) of the n different labeled pictures of each class, one at least. The draw goes by content: copies of
 * one picture stay together, and an unlabeled copy of a test picture is left out of training.
 */
export function holdOut<T extends Known>(
  known: readonly T[],
  classes: readonly string[],
  share: number,
  rng: Rng,
): T[] {
  const tested = new Set<string>();
  const small: string[] = [];
  classes.forEach((name, k) => {
    const hashes = [...new Set(known.filter(({ label }) => label === k).map(({ hash }) => hash))].sort();
    if (hashes.length < 2) small.push(`"${name}" (${hashes.length})`);
    const wanted = Math.min(hashes.length - 1, Math.max(1, Math.round(share * hashes.length)));
    for (const hash of rng.split(name).shuffle(hashes).slice(0, wanted)) tested.add(hash);
  });
  if (small.length > 0) {
    throw new DataError(
      `folder: classes with too few readable pictures: ${small.slice(0, 5).join(", ")}${andMore(small.length - 5)}. ` +
        "Each needs two, one to train and one to test with (or put test pictures into DIR/test/<class>)",
    );
  }
  return known
    .filter(({ label, hash }) => label >= 0 || !tested.has(hash))
    .map((slot) => (tested.has(slot.hash) ? { ...slot, part: "test" } : slot));
}

/** Throws DataError where a class has nothing to train on. */
export function checkClasses(kept: readonly Known[], classes: readonly string[]): void {
  const trained = new Set(kept.flatMap(({ part, label }) => (part === "train" ? [label] : [])));
  const empty = classes.filter((_, k) => !trained.has(k));
  if (empty.length === 0) return;
  const names = empty.slice(0, 5).map((name) => `"${name}"`);
  throw new DataError(
    `folder: no readable picture to train on is left of class ${names.join(", ")}${andMore(empty.length - 5)}`,
  );
}
