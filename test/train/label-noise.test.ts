/** `--label-noise` in a run: training alone sees it, and the run says how many labels it changed. */
import { join } from "node:path";
import { expect, test } from "vitest";
import { findDataSet } from "../../src/data/index.js";
import { prepareData } from "../../src/session/data.js";
import { describeEngine } from "../support/engine.js";
import { configure, folderOfThisFile, trainToEnd } from "../support/train-run.js";

const folder = folderOfThisFile();

async function labelsOf(given: Record<string, unknown>) {
  const data = await prepareData(
    configure(join(folder, "unused"), { labels: "all", val: 20, ...given }),
    findDataSet("digits"),
  );
  const { split, trainLabels, testLabels, labelNoise } = data;
  data.release();
  return { split, trainLabels, testLabels, labelNoise };
}

describeEngine("label noise", () => {
  test("changes the labels training sees, not those of validation and test, and not who is where", async () => {
    const [clean, noisy] = [await labelsOf({}), await labelsOf({ labelNoise: 60 })];
    expect(noisy.trainLabels).toEqual(clean.trainLabels);
    expect(noisy.testLabels).toEqual(clean.testLabels);
    for (const part of ["labeled", "unlabeled", "validation"] as const) {
      expect(noisy.split[part]).toEqual(clean.split[part]);
    }
    const wrong = [...clean.split.labeled].filter((i) => noisy.split.y[i] !== clean.trainLabels[i]);
    expect(noisy.labelNoise).toEqual({ redrawn: 60, changed: wrong.length }); // of 120 images 20 are held out
    expect(wrong.length).toBeGreaterThan(40);
    expect(clean.labelNoise).toBeUndefined();
    expect([...clean.split.labeled].every((i) => clean.split.y[i] === clean.trainLabels[i])).toBe(true);
  });

  test("is drawn from --label-seed, not from --seed", async () => {
    const y = async (given: Record<string, unknown>) => (await labelsOf({ labelNoise: 50, val: 0, ...given })).split.y;
    expect(await y({ seed: 5 })).toEqual(await y({ seed: 6 }));
    expect(await y({ labelSeed: 5 })).not.toEqual(await y({ labelSeed: 6 }));
  });

  test("the start event says how many labels were drawn anew, and how many changed", async () => {
    const { events } = await trainToEnd(configure(join(folder, "run"), { labelNoise: 50, steps: 1 }));
    const [start] = events;
    if (start?.type !== "start") throw new Error("no start event");
    const { redrawn, changed } = start.data.labelNoise!;
    expect(redrawn).toBe(10);
    expect(changed).toBeGreaterThan(0);
    expect(changed).toBeLessThanOrEqual(10);
  });
});
