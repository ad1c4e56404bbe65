// Defaults of the batch follow from how many images there are; what was given does not.
import { describe, expect, it } from "vitest";
import { resolveConfig } from "../../src/config/resolve.js";
import { type MethodDefinition, packagedMethods } from "../../src/methods/index.js";
import { fitBatch } from "../../src/session/fit-batch.js";
import { type Spread, whole } from "../../src/torch/index.js";

const method: Parameters<typeof fitBatch>[1] = { name: "mean-teacher", usesUnlabeled: true };
function fitted(
  given: Readonly<Record<string, unknown>>,
  labeled: number,
  unlabeled: number,
  definition = method,
  spread: Spread = whole,
) {
  const config = resolveConfig(new Map(Object.entries({ dataset: "digits", labels: "all", ...given })));
  const rows = (n: number, from = 0) => Int32Array.from({ length: n }, (_, i) => from + i);
  const y = new Int32Array(labeled + unlabeled).fill(-1, labeled);
  const split = { labeled: rows(labeled), unlabeled: rows(unlabeled, labeled), validation: rows(0), y };
  const { config: found, fitted: said } = fitBatch(config, definition, { split, pool: undefined }, spread);
  expect(found).not.toHaveProperty("given");
  return [found.batch, found.labeledBatch, ...said];
}

describe("fitBatch", () => {
  it("says where --val has taken every image, or every label", () => {
    expect(() => fitted({ val: 8 }, 0, 0)).toThrow(/no image is left to train on: --val 8 holds all of them out/);
    expect(() => fitted({ val: 8 }, 0, 5)).toThrow(
      /no labeled image is left to train on: --val 8 holds all labels out/,
    );
    const supervised = { name: "supervised", usesUnlabeled: false };
    expect(() => fitted({ method: "supervised", val: 8 }, 0, 5, supervised)).toThrow(/no labeled image is left/);
    expect(() => fitted({ sampler: "mixed", val: 8 }, 0, 5)).toThrow(/no labeled image is left/);
  });

  it("leaves a batch alone that the data can fill", () => {
    expect(fitted({}, 25, 75)).toEqual([100, 25]);
    expect(fitted({}, 1000, 50_000)).toEqual([100, 25]);
  });

  it("makes defaults smaller, and says so", () => {
    expect(fitted({}, 20, 30)).toEqual([
      50,
      20,
      "--batch 50 in place of 100 and --labeled-batch 20 in place of 25, because there are only 20 labeled and 30 unlabeled images",
    ]);
    expect(fitted({}, 20, 500).slice(0, 2)).toEqual([95, 20]);
    expect(fitted({}, 100, 40).slice(0, 2)).toEqual([65, 25]);
    expect(fitted({ sampler: "mixed" }, 20, 30)[0]).toBe(50);
  });

  it("never changes what was given", () => {
    expect(fitted({ batch: 100, labeledBatch: 25 }, 20, 30)).toEqual([100, 25]);
    expect(fitted({ labeledBatch: 25 }, 20, 30).slice(0, 2)).toEqual([55, 25]);
    expect(fitted({ batch: 100 }, 20, 30).slice(0, 2)).toEqual([100, 20]);
  });

  it("a method that reads no unlabeled rows keeps its batch, however few labels there are", () => {
    expect(fitted({ method: "supervised" }, 8, 0, { name: "supervised", usesUnlabeled: false })).toEqual([100, 100]);
  });

  it("makes a default that several processes cannot share a little smaller, and says so", () => {
    const four = { rank: 1, size: 4 };
    const shared = (given: Readonly<Record<string, unknown>>, labeled = 1000, unlabeled = 50_000) =>
      fitted(given, labeled, unlabeled, method, four);
    expect(shared({})).toEqual([
      96,
      24,
      "--batch 96 in place of 100 and --labeled-batch 24 in place of 25, because 4 processes share the batch",
    ]);
    expect(shared({}, 2, 30).slice(0, 2)).toEqual([32, 4]);
    expect(shared({ batch: 100 }).slice(0, 2)).toEqual([100, 24]);
    expect(shared({ batch: 99, labeledBatch: 25 })).toEqual([99, 25]);
    const few = { name: "supervised", usesUnlabeled: false };
    expect(fitted({ method: "supervised" }, 40, 0, few, { rank: 0, size: 3 }).slice(0, 2)).toEqual([99, 99]);
    expect(fitted({ method: "supervised", batch: 25 }, 40, 0, few, { rank: 0, size: 3 })).toEqual([25, 25]);
  });

  it("makes rows fit that are mixed and go through the network in sub-batches", () => {
    const two = { rank: 0, size: 2 };
    const mixing = (groups: number, given: Readonly<Record<string, unknown>> = {}, unlabeled = 50_000) =>
      fitted(given, 1000, unlabeled, { ...method, subBatches: () => groups }, two);
    expect(mixing(3)).toEqual([
      96,
      24,
      "--batch 96 in place of 100 and --labeled-batch 24 in place of 25, because 2 processes share the batch and its 3 sub-batches",
    ]);
    expect(mixing(10).slice(0, 2)).toEqual([88, 24]);
    expect(mixing(10, { batch: 100 }).slice(0, 2)).toEqual([100, 20]); // 10 and 40 rows each
    expect(mixing(10, { labeledBatch: 16 }).slice(0, 2)).toEqual([92, 16]); // 8 and 38
    expect(mixing(34, {}, 6).slice(0, 2)).toEqual([12, 6]);
    expect(mixing(10, { batch: 98 })).toEqual([98, 25]); // 49 rows each: none do
  });

  it("knows no labeled rows beside the batch where all are labeled", () => {
    const few = { name: "supervised", usesUnlabeled: false };
    expect(fitted({ method: "supervised", labeledBatch: 30 }, 40, 0, few, { rank: 0, size: 3 }).slice(0, 2)).toEqual([
      99, 99,
    ]);
  });

  it("takes rows as they fall with one stream, all of them labeled too", () => {
    const agreeing = { ...method, agreesOnLabeled: () => true };
    expect(fitted({ unlabeled: "rest", sampler: "mixed" }, 40, 0, agreeing)[0]).toBe(40);
  });

  it.each(packagedMethods.filter(({ usesUnlabeled }) => usesUnlabeled))(
    "$name: goes without unlabeled rows where its consistency cost takes the labeled ones",
    (definition) => {
      const train = (consistencyOnLabeled: boolean) => () =>
        fitted(
          { sampler: "mixed", "method.consistencyOnLabeled": consistencyOnLabeled },
          40,
          0,
          definition as MethodDefinition,
        );
      expect(train(false)).toThrow(/none is left/);
      if ("consistencyOnLabeled" in definition.options) expect(train(true)).not.toThrow();
      else expect(train(true)).toThrow(/none is left/);
    },
  );

  it("says what to do where no unlabeled image is left", () => {
    expect(() => fitted({ sampler: "mixed" }, 40, 0)).toThrow(
      /none is left: all 40 have labels, which --sampler mixed never hides\. Use --sampler two-stream with --unlabeled all/,
    );
    expect(() => fitted({ unlabeled: "rest" }, 40, 0)).toThrow(
      /none is left: all 40 have labels, and --unlabeled rest leaves those out\. Use --unlabeled all, keep fewer labels/,
    );
  });
});
