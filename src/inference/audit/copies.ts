/** Pictures that are there twice: the same file, or nearly the same picture; within training, within the test, and across. */
import { alikePairs, bySimilarity, type Pair } from "../../features/alike.js";
import { duplicateGroups } from "../../labels/by-content.js";
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

/**
 * Of n pictures alike n - 1 are listed, each with one before it; of those in training that are in the test each, with a test picture. Memory
 * and time grow with the pictures of different content, not with their copies.
 */
export function findCopies({
  pictures,
  small,
  mirrored,
}: Pick<AuditPictures, "pictures" | "small" | "mirrored">): Copies {
  const tested = (row: number) => pictures[row]!.part === "test";
  const pairs = [
    ...sameContent(pictures, tested).map((pair) => ({ ...pair, exact: true })),
    ...nearPairs({ pictures, small, mirrored }, tested).map((pair) => ({ ...pair, exact: false })),
  ];
  const { root, unite } = unions(pictures.length);
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

/** Sets of rows that grow together; the root is the first row of its set. `unite`: whether the two were apart. */
function unions(count: number) {
  const parent = Int32Array.from({ length: count }, (_, row) => row);
  const root = (row: number): number => {
    let at = row;
    while (parent[at] !== at) at = parent[at] = parent[parent[at]!]!;
    return at;
  };
  const unite = (a: number, b: number): boolean => {
    const [x, y] = [root(a), root(b)];
    if (x === y) return false;
    parent[Math.max(x, y)] = Math.min(x, y);
    return true;
  };
  return { root, unite };
}

type Tested = (row: number) => boolean;

/** Of each content: every row with the first of its side, and every one in training with the first in the test. */
function sameContent(pictures: AuditPictures["pictures"], tested: Tested): Pair[] {
  return duplicateGroups(pictures).flatMap((rows) => {
    const firsts = [rows.find((row) => !tested(row)), rows.find(tested)] as const;
    const [, test] = firsts;
    return rows.flatMap((row) => {
      const first = firsts[tested(row) ? 1 : 0]!;
      return [
        ...(first === row ? [] : [pairOf(first, row, 1)]),
        ...(tested(row) || test === undefined ? [] : [pairOf(row, test, 1)]),
      ];
    });
  });
}

/**
 * Pairs of nearly the same picture that say all there is to say of them: the first row of each content and side stands for its copies,
 * except that every copy in training has its own pair with a test picture.
 */
function nearPairs(
  { pictures, small, mirrored }: Pick<AuditPictures, "pictures" | "small" | "mirrored">,
  tested: Tested,
): Pair[] {
  const copies = new Map<string, number[]>();
  pictures.forEach(({ hash }, row) => {
    const key = `${tested(row)} ${hash}`;
    const rows = copies.get(key);
    if (rows) rows.push(row);
    else copies.set(key, [row]);
  });
  const alike = [...copies.values()];
  const firsts = alike.map(([first]) => first!);
  const found = alikePairs(
    rowsOf(small, firsts),
    THUMBNAIL,
    NEAR,
    [rowsOf(mirrored, firsts)],
    deciding(firsts.length, (at) => tested(firsts[at]!)),
  );
  return found
    .flatMap(({ first, second, similarity }) => {
      const [a, b] = [firsts[first]!, firsts[second]!];
      if (tested(a) === tested(b)) return [pairOf(a, b, similarity)];
      const [own, test] = tested(a) ? [second, a] : [first, b];
      return alike[own]!.map((row) => pairOf(row, test, similarity));
    })
    .sort(bySimilarity);
}

/** Of pairs in order: those that make a set of one side grow, and the first of each row in training with the test; nothing apart that was together. */
function deciding(count: number, tested: Tested): (pairs: readonly Pair[]) => Pair[] {
  return (pairs) => {
    const [within, all] = [unions(count), unions(count)];
    const seen = new Set<number>();
    return pairs.filter(({ first, second }) => {
      const joined = all.unite(first, second);
      if (tested(first) === tested(second)) return within.unite(first, second);
      const row = tested(first) ? second : first;
      return seen.has(row) ? joined : seen.add(row);
    });
  };
}

function pairOf(a: number, b: number, similarity: number): Pair {
  return { first: Math.min(a, b), second: Math.max(a, b), similarity };
}

function rowsOf(features: Float32Array, rows: readonly number[]): Float32Array {
  const out = new Float32Array(rows.length * THUMBNAIL);
  rows.forEach((row, at) => {
    out.set(features.subarray(row * THUMBNAIL, (row + 1) * THUMBNAIL), at * THUMBNAIL);
  });
  return out;
}
