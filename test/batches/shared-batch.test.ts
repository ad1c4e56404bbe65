import { expect, it } from "vitest";
import { checkShared } from "../../src/batches/shared-batch.js";
import { UsageError } from "../../src/errors.js";

const both = [{ name: "all", steps: 10, rows: "both" }] as const;
const labeled = (batch?: number) => [{ name: "fit", steps: 10, rows: "labeled", ...(batch && { batch }) }] as const;
const of = (batch: number, labeledBatch: number, sampler: "two-stream" | "mixed" = "two-stream") => ({
  batch,
  labeledBatch,
  sampler,
});
const four = { rank: 0, size: 4 };

it("takes parts that divide by the number of processes, and anything in one", () => {
  expect(() => checkShared(of(20, 8), both, four)).not.toThrow();
  expect(() => checkShared(of(20, 8), labeled(12), four)).not.toThrow();
  expect(() => checkShared(of(13, 3, "mixed"), both, { rank: 0, size: 1 })).not.toThrow();
});

it("refuses others, with numbers that do", () => {
  const refused = (words: RegExp, ...args: Parameters<typeof checkShared>) => {
    expect(() => checkShared(...args)).toThrow(UsageError);
    expect(() => checkShared(...args)).toThrow(words);
  };
  refused(
    /10 labeled and 30 unlabeled rows does not divide by 4 processes: give --batch 44 --labeled-batch 12/,
    of(40, 10),
    both,
    four,
  );
  refused(/--batch 8 --labeled-batch 4/, of(3, 1), both, four);
  refused(/9 labeled rows do not divide by 4 processes: give --labeled-batch 8/, of(9, 9), labeled(), four);
  refused(/give --method.finetuneBatch 12/, of(20, 8), labeled(13), four);
  refused(/--sampler mixed: .* 4 processes .* Use --sampler two-stream/, of(20, 8, "mixed"), both, four);
});
