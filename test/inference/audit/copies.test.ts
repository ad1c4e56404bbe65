import { expect, it } from "vitest";
import { type Copy, findCopies, NEAR } from "../../../src/inference/audit/copies.js";
import { type AuditPicture, THUMBNAIL } from "../../../src/inference/audit/pictures.js";
import { Rng } from "../../../src/rng.js";
import { describeEngine } from "../../support/engine.js";

interface Made {
  readonly content: number;
  readonly part: "train" | "test";
}

/** Content c leans to axis 0 by `lean(c)` and has an axis of its own: the cosine of two contents is a product of two numbers, in any order of sums. */
function made(rows: readonly Made[], lean: (content: number) => number) {
  const small = new Float32Array(rows.length * THUMBNAIL);
  const pictures = rows.map(({ content, part }, row): AuditPicture => {
    small[row * THUMBNAIL] = lean(content);
    small[row * THUMBNAIL + 1 + content] = Math.sqrt(1 - lean(content) ** 2);
    return { name: `${row}.png`, path: `${row}.png`, part, label: 0, hash: `h${content}` };
  });
  return { pictures, small, mirrored: new Float32Array(small.length) };
}

/** Every pair of rows, the most similar first: what is listed, and who is together. */
function slowly(rows: readonly Made[], lean: (content: number) => number) {
  const pairs = rows.flatMap((b, second) =>
    rows.slice(0, second).map((a, first) => {
      const exact = a.content === b.content;
      const near = Math.fround(Math.fround(lean(a.content)) * Math.fround(lean(b.content)));
      return { first, second, exact, across: a.part !== b.part, similarity: exact ? 1 : near };
    }),
  );
  const order = pairs
    .filter(({ exact, similarity }) => exact || similarity >= Math.fround(NEAR))
    .sort(
      (a, b) =>
        Number(b.exact) - Number(a.exact) || b.similarity - a.similarity || a.first - b.first || a.second - b.second,
    );
  const groups = rows.map((_, row) => row);
  const copies: Omit<Copy, "similarity">[] = [];
  const join = (a: number, b: number) => {
    const [x, y] = [Math.min(groups[a]!, groups[b]!), Math.max(groups[a]!, groups[b]!)];
    groups.forEach((group, row) => {
      if (group === y) groups[row] = x;
    });
    return x !== y;
  };
  for (const { first, second, exact, across } of order) {
    if (!across && join(first, second)) copies.push({ kind: exact ? "copy" : "near-copy", row: second, other: first });
  }
  const seen = new Set<number>();
  for (const { first, second, exact, across } of order) {
    if (!across) continue;
    join(first, second);
    const [row, other] = rows[first]!.part === "test" ? [second, first] : [first, second];
    if (!seen.has(row)) copies.push({ kind: exact ? "copy-in-test" : "near-copy-in-test", row, other });
    seen.add(row);
  }
  return { copies, groups };
}

/** The order of exact copies among themselves goes by content, which does not matter. */
const listed = (copies: readonly Omit<Copy, "similarity">[]) =>
  copies.map(({ kind, row, other }) => `${kind} ${row} ${other}`).sort();

describeEngine("findCopies", () => {
  it("lists what comparing all pairs lists", () => {
    for (let seed = 0; seed < 30; seed++) {
      const rng = Rng.fromSeed(seed);
      const rows = Array.from({ length: 14 }, (): Made => {
        return { content: rng.integer(6), part: rng.integer(3) === 0 ? "test" : "train" };
      });
      const leans = Array.from({ length: 6 }, () => [1, 0.99, 0.98, 0.975, 0.965, 0.6][rng.integer(6)]!);
      const lean = (content: number) => leans[content]!;
      const [found, wanted] = [findCopies(made(rows, lean)), slowly(rows, lean)];
      expect(listed(found.copies)).toEqual(listed(wanted.copies));
      expect([...found.groups]).toEqual(wanted.groups);
    }
  });

  it("lists n - 1 of n different pictures that are all alike, though their pairs are never in memory together", () => {
    const rows = Array.from({ length: 600 }, (_, content): Made => ({ content, part: content % 3 ? "train" : "test" }));
    const lean = (content: number) => 0.98 + (content % 50) / 5000;
    const [found, wanted] = [findCopies(made(rows, lean)), slowly(rows, lean)];
    expect(listed(found.copies)).toEqual(listed(wanted.copies));
    expect(new Set(found.groups)).toEqual(new Set([0]));
  });

  it("takes thousands of copies of one picture", () => {
    const rows = Array.from({ length: 6000 }, (_, row): Made => ({ content: 0, part: row === 7 ? "test" : "train" }));
    const { copies, groups } = findCopies(made(rows, () => 1));
    expect(copies.filter(({ kind, other }) => kind === "copy" && other === 0)).toHaveLength(5998);
    expect(copies.filter(({ kind, other }) => kind === "copy-in-test" && other === 7)).toHaveLength(5999);
    expect(groups.every((group) => group === 0)).toBe(true);
  });
});
