/** Mistakes people make with folders of pictures, found by content (SHA-256 of the files). */
import { DataError } from "../errors.js";

/** A picture that could be read. */
export interface Known {
  readonly name: string;
  readonly hash: string;
  readonly part: "train" | "test" | "unlabeled";
  /** Class index, or -1. */
  readonly label: number;
}

/** Positions of pictures with the same content, for contents that come more than once. */
export function duplicateGroups(pictures: readonly Pick<Known, "hash">[]): number[][] {
  const groups = new Map<string, number[]>();
  pictures.forEach(({ hash }, i) => {
    const group = groups.get(hash);
    if (group) group.push(i);
    else groups.set(hash, [i]);
  });
  return [...groups.values()].filter((group) => group.length > 1);
}

/** Pairs of one content with two different labels: the first of each group. */
export function conflicts(pictures: readonly Known[]): [Known, Known][] {
  return duplicateGroups(pictures).flatMap((group) => {
    const labeled = group.map((i) => pictures[i]!).filter(({ label }) => label >= 0);
    const other = labeled.find(({ label }) => label !== labeled[0]!.label);
    return other ? [[labeled[0]!, other] as [Known, Known]] : [];
  });
}

/** Throws DataError where one picture (by content) has two different labels. `who` (a data set) names itself. */
export function rejectConflicts(who: string, pictures: readonly Known[], classes: readonly string[]): void {
  const found = conflicts(pictures);
  if (found.length === 0) return;
  const [a, b] = found[0]!;
  throw new DataError(
    `${who}: the same picture is labeled twice differently: ${a.name} is "${classes[a.label]}" and ${b.name} is "${classes[b.label]}"${andMore(found.length - 1)}. Keep one of each${who === "shards" ? "" : "; `fewlabels data inspect` lists them"}`,
  );
}

/** Pictures to train on whose content is also in the test set: positions, labeled ones and others. */
export function testOverlap<T extends Known>(
  pictures: readonly T[],
  isLabeled: (picture: T) => boolean = ({ label }) => label >= 0,
): { readonly labeled: number[]; readonly unlabeled: number[] } {
  const tested = new Set(pictures.filter(({ part }) => part === "test").map(({ hash }) => hash));
  const overlap = pictures.flatMap(({ part, hash }, i) => (part !== "test" && tested.has(hash) ? [i] : []));
  return {
    labeled: overlap.filter((i) => isLabeled(pictures[i]!)),
    unlabeled: overlap.filter((i) => !isLabeled(pictures[i]!)),
  };
}

export function andMore(n: number): string {
  return n > 0 ? ` (and ${n} more)` : "";
}
