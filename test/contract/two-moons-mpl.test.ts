/**
 * The toy of the Meta Pseudo Labels paper (arXiv:2003.10580, Section 3.1): three labels on each moon, networks of 2-8-8-2 sigmoid
 * units. The shipped experiments, a little shorter, on draws of the labels that leave the labeled points alone far from it.
 */
import { join } from "node:path";
import { expect, test } from "vitest";
import { readConfigFile } from "../../src/config/config-file.js";
import { resolveConfig } from "../../src/config/resolve.js";
import { describeEngine } from "../support/engine.js";
import { folderOfThisFile, trainToEnd } from "../support/train-run.js";

const folder = folderOfThisFile();

/** Accuracy on the test points in percent. */
async function accuracy(experiment: string, labelSeed: number): Promise<number> {
  const { given } = readConfigFile(`two-moons/${experiment}`);
  const quick = {
    steps: 6000,
    threads: 1,
    precision: "fp32",
    evalEvery: 0,
    checkpointEvery: 0,
    logEvery: 1000,
    labelSeed,
  };
  const out = join(folder, `${experiment}-${labelSeed}`);
  const { result } = await trainToEnd(
    resolveConfig(new Map<string, unknown>([...given, ...Object.entries({ ...quick, out })])),
  );
  return 100 - result!.error;
}

describeEngine("two moons, three labels a class", () => {
  test.each([[3, 80]])(
    "label draw %i: Meta Pseudo Labels separates the moons, supervised and Pseudo-Label do not",
    async (labelSeed, others) => {
      const [supervised, pseudoLabel, metaPseudoLabels] = [
        await accuracy("supervised", labelSeed),
        await accuracy("pseudo-label", labelSeed),
        await accuracy("meta-pseudo-labels", labelSeed),
      ];
      console.info(
        `two moons, draw ${labelSeed}: supervised ${supervised}, pseudo-label ${pseudoLabel}, MPL ${metaPseudoLabels} %`,
      );
      expect(metaPseudoLabels).toBeGreaterThan(95);
      expect(supervised).toBeLessThan(others);
      expect(pseudoLabel).toBeLessThan(others);
    },
    300_000,
  );
});
