import { expect, it } from "vitest";
import { checkShared } from "../../src/batches/shared-batch.js";
import { UsageError } from "../../src/errors.js";

const phase = (rows: "both" | "labeled", batch?: number) => ({ rows, ...(batch && { batch }) });
const both = { phases: [phase("both")], usesUnlabeled: true, groups: 1 };
/** Rows of their own, behind those of both kinds. */
const tuned = (batch: number) => ({ ...both, phases: [phase("both"), phase("labeled", batch)] });
/** As `supervised` has it. */
const labeled = { phases: [phase("labeled")], usesUnlabeled: false, groups: 1 };
const mixed = (groups: number) => ({ ...both, groups });
const of = (batch: number, labeledBatch: number, sampler: "two-stream" | "mixed" = "two-stream") => ({
  batch,
  labeledBatch,
  sampler,
});
const four = { rank: 0, size: 4 };

it("takes parts that divide by the number of processes, and anything in one", () => {
  expect(() => checkShared(of(20, 8), both, four)).not.toThrow();
  expect(() => checkShared(of(20, 8), tuned(12), four)).not.toThrow();
  expect(() => checkShared(of(24, 12), mixed(3), { rank: 0, size: 2 })).not.toThrow(); // 36 mixed rows, 6 of each sub-batch in each
  expect(() => checkShared(of(88, 24), mixed(10), { rank: 0, size: 2 })).not.toThrow();
  expect(() => checkShared(of(13, 3, "mixed"), both, { rank: 0, size: 1 })).not.toThrow();
});

it("refuses others, with numbers that do", () => {
  const refused = (words: RegExp, ...args: Parameters<typeof checkShared>) => {
    expect(() => checkShared(...args)).toThrow(UsageError);
    expect(() => checkShared(...args)).toThrow(words);
  };
  refused(
    /10 labeled and 30 unlabeled rows does not divide by 4 processes: give --batch 40 --labeled-batch 12/,
    of(40, 10),
    both,
    four,
  );
  refused(/--batch 8 --labeled-batch 4/, of(3, 1), both, four);
  refused(/9 labeled rows do not divide by 4 processes: give --batch 8$/, of(9, 9), labeled, four);
  refused(/give --method.finetuneBatch 12/, of(20, 8), tuned(13), four);
  refused(/--sampler mixed: .* 4 processes .* use --sampler two-stream/, of(20, 8, "mixed"), both, four);
  const two = { rank: 0, size: 2 };
  refused(
    /2 processes with 3 sub-batches of mixed rows: give --batch 96 --labeled-batch 24/,
    of(98, 24),
    mixed(3),
    two,
  );
  refused(/give --batch 88 --labeled-batch 24/, of(98, 24), mixed(10), two);
});

it("gives advice that it then takes", () => {
  for (const size of [2, 3, 4, 7])
    for (const groups of [1, 3, 10])
      for (let batch = 2; batch < 60; batch++)
        for (let l = 1; l < batch; l++) {
          const check = (rows: number, labels: number) =>
            checkShared(of(rows, labels), mixed(groups), { rank: 0, size });
          try {
            check(batch, l);
          } catch (error) {
            const [rows, labels] = /--batch (\d+) --labeled-batch (\d+)/
              .exec((error as Error).message)!
              .slice(1)
              .map(Number);
            expect(() => check(rows!, labels!)).not.toThrow();
          }
        }
});

it("says which numbers of processes can go on with a run", () => {
  const resumed = (rows: ReturnType<typeof of>, reader: typeof both) => () =>
    checkShared({ ...rows, resume: "runs/a" }, reader, { rank: 0, size: 3 });
  expect(resumed(of(12, 4), both)).toThrow(
    /does not divide by 3 processes, and a run that continues keeps its batch\. Continue runs\/a in 1, 2 or 4 processes$/,
  );
  expect(resumed(of(8, 8), labeled)).toThrow(/in 1, 2, 4 or 8 processes$/);
  expect(resumed(of(12, 5), both)).toThrow(/in 1 process$/);
  expect(resumed(of(12, 4, "mixed"), both)).toThrow(/in 1 process$/);
});
