/** Pictures that are there twice: the same file, or nearly the same picture; within training, within the test, and across. */
import { alikePairs } from "../../features/alike.js";
import { type AuditPictures, THUMBNAIL } from "./pictures.js";

/** Cosine of small versions from which on two pictures count as nearly the same: of 6,000 of CIFAR-10 six pairs, all of them the same subject. */
export const NEAR = 0.95;

export interface Copy {
  readonly kind: "copy" | "near-copy" | "copy-in-test" | "near-copy-in-test";
  /** Of two in training or two in the test the later one; across, the one in training. */
  readonly row: number;
  readonly other: number;
  readonly similarity: number;
}

export interface Copies {
  readonly copies: readonly Copy[];
  /** `[N]`: equal for pictures that are copies of each other, directly or through others. */
  readonly groups: Int32Array;
}

/** Of n pictures alike n - 1 are listed, each with one before it; of those in training that are in the test each, with a test picture. */
export function findCopies({
  pictures,
  small,
  mirrored,
}: Pick<AuditPictures, "pictures" | "small" | "mirrored">): Copies {
  const tested = (row: number) => pictures[row]!.part === "test";
  const pairs = [
    ...sameContent(pictures.map(({ hash }) => hash)).map((pair) => ({ ...pair, exact: true })),
    ...alikePairs(small, THUMBNAIL, NEAR, [mirrored]).map((pair) => ({ ...pair, exact: false })),
  ];
  const parent = Int32Array.from(pictures.keys());
  const root = (row: number): number => {
    let at = row;
    while (parent[at] !== at) at = parent[at] = parent[parent[at]!]!;
    return at;
  };
  const unite = (a: number, b: number) => {
    const [x, y] = [root(a), root(b)];
    if (x === y) return false;
    parent[Math.max(x, y)] = Math.min(x, y);
    return true;
  };
  const copies: Copy[] = [];
  // Within one side first: a chain through the other side hides no pair of this one.
  for (const { first, second, similarity, exact } of pairs) {
    if (tested(first) === tested(second) && unite(first, second))
      copies.push({ kind: exact ? "copy" : "near-copy", row: second, other: first, similarity });
  }
  const seen = new Set<number>();
  for (const { first, second, similarity, exact } of pairs) {
    if (tested(first) === tested(second)) continue;
    const [row, other] = tested(first) ? [second, first] : [first, second];
    unite(row, other);
    if (seen.has(row)) continue;
    seen.add(row);
    copies.push({ kind: exact ? "copy-in-test" : "near-copy-in-test", row, other, similarity });
  }
  return { copies, groups: Int32Array.from(pictures.keys(), root) };
}

/** All pairs of one content. */
function sameContent(hashes: readonly string[]) {
  const places = new Map<string, number[]>();
  for (const [row, hash] of hashes.entries()) places.set(hash, [...(places.get(hash) ?? []), row]);
  return [...places.values()].flatMap((rows) =>
    rows.flatMap((second, at) => rows.slice(0, at).map((first) => ({ first, second, similarity: 1 }))),
  );
}
