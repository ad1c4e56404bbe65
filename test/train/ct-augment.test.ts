/** CTAugment in a run: the network's judgment of probes reaches the weights, and they are part of a checkpoint. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { CtWeights, ctDefaults } from "../../src/augment/ct-augment.js";
import { planStrong, probedOps } from "../../src/augment/strong.js";
import { memoryBatches } from "../../src/batches/batches.js";
import { createLoader } from "../../src/batches/loader.js";
import { probing } from "../../src/batches/probing.js";
import { createSampler } from "../../src/batches/sampler.js";
import { storeImages } from "../../src/batches/store.js";
import { DataError } from "../../src/errors.js";
import type { ImageSet } from "../../src/images/image-set.js";
import { normalizeData } from "../../src/images/normalize.js";
import { Rng } from "../../src/rng.js";
import { scope } from "../../src/torch/index.js";
import { describeEngine } from "../support/engine.js";
import { checkpointFiles, configure, continued, folderOfThisFile, trainToEnd } from "../support/train-run.js";

const folder = folderOfThisFile();

describeEngine("probing", () => {
  const rng = Rng.fromSeed(2);
  const pixels = Uint8Array.from({ length: 8 * 64 }, () => rng.integer(256));
  const labels = Int32Array.of(0, 1, 2, 0, 1, 2, 0, 1);
  const set: ImageSet = { pixels, count: 8, channels: 1, height: 8, width: 8, labels };
  const store = storeImages(normalizeData("none", set, set).train);
  const y = labels.map((label, i) => (i < 5 ? label : -1));
  const all = Int32Array.from(labels.keys());
  const exclude =
    "rotate,shearX,shearY,translateX,translateY,posterize,solarize,color,contrast,sharpness,autocontrast,equalize,invert,cutout";

  function open(extra: object = {}) {
    const weights = new CtWeights();
    const seed = Rng.fromSeed(6);
    const strong = { name: "ctaugment", exclude, weights, ...extra } as const;
    const views = { labeled: { image: { augment: "weak" } }, unlabeled: { strong: { augment: "strong" } } } as const;
    const options = { views, translate: 0, flip: false, strong, rng: seed };
    const sampler = createSampler(
      { labeled: all.subarray(0, 5), unlabeled: all, y },
      { kind: "two-stream", batch: 7, labeledBatch: 3 },
      Rng.fromSeed(1),
    );
    const source = probing(memoryBatches(sampler, createLoader(store, y, options)), store, y, strong, options);
    return { source, weights, seed, strong };
  }

  test("shows the labeled images of the batch, distorted as reported, and moves the bins by the answers", () => {
    const { source, weights, seed, strong } = open();
    const expected = new CtWeights();
    const plan = planStrong({ ...strong, probe: true });
    if (plan.kind !== "recipe") throw new Error("no recipe");
    expect(source.probe!()).toBeUndefined(); // no batch yet
    for (let step = 0; step < 6; step++) {
      scope(() => {
        const { labeled } = source.batch(step);
        const index = labeled.index.toNumbers();
        const probe = source.probe!()!;
        const ops = probedOps(plan, seed.split("probe.view"), step, 3);
        const shown = probe.x.toNumbers().map((v) => Math.round(255 * v));
        // Identity or brightness, two in a row: each rounds down to a byte.
        index.forEach((image, row) => {
          const wanted = [...pixels.subarray(64 * image, 64 * image + 64)].map((pixel) =>
            ops[row]!.reduce(
              (v, { name, u }) =>
                name === "brightness" ? Math.min(255, Math.trunc(Math.fround(Math.fround(0.1 + 1.9 * u) * v))) : v,
              pixel,
            ),
          );
          expect(shown.slice(64 * row, 64 * row + 64)).toEqual(wanted);
        });
        const answers = index.flatMap((_, row) => [0.2, 0.5 - 0.1 * row, 0.3 + 0.1 * row]);
        probe.observe(answers);
        index.forEach((image, row) => {
          expected.observe(ops[row]!, answers.slice(3 * row, 3 * row + 3), labels[image]!);
        });
      });
    }
    expect(weights.save()).toEqual(expected.save());
    expect(weights.of("brightness").some((w) => w < 1)).toBe(true);
  });

  test("keeps its weights in the state of the batches, and refuses a state without them", () => {
    const { source, weights } = open();
    weights.observe([{ name: "brightness", u: 0.4 }], [1, 0, 0], 1);
    const saved = JSON.parse(JSON.stringify(source.stateDict().values));
    const other = open();
    other.source.loadStateDict({ tensors: {}, values: saved });
    expect(other.weights.save()).toEqual(weights.save());
    const { ctaugment, ...rest } = saved;
    expect(ctaugment).toBeDefined();
    expect(() => open().source.loadStateDict({ tensors: {}, values: rest })).toThrow(DataError);
  });
});

describeEngine("a run with --strong ctaugment", () => {
  const given = { method: "fixmatch", strong: "ctaugment", steps: 8, checkpointEvery: 4 };

  test("learns weights, and goes on after a stop bit for bit", async () => {
    const [whole, stopped] = [join(folder, "whole"), join(folder, "stopped")];
    await trainToEnd(configure(whole, given));
    await trainToEnd(configure(stopped, given), 4);
    await trainToEnd(continued(stopped));
    expect(checkpointFiles(stopped, 8)).toEqual(checkpointFiles(whole, 8));
    const state = readFileSync(join(whole, "checkpoints/step-8/state.json"), "utf8");
    const weights = /"ctaugment":(\{[^}]*\})/.exec(state.replaceAll(/\s/g, ""))![1]!;
    const values = Object.values(JSON.parse(weights) as Record<string, number[]>);
    expect(values.length).toBeGreaterThan(5);
    for (const bins of values) expect(bins).toHaveLength(ctDefaults.bins);
    expect(values.flat().some((w) => w < 1)).toBe(true);
  });

  test("is refused where the method has no strong view", () => {
    expect(() => configure(join(folder, "plain"), { steps: 2, strong: "ctaugment" })).toThrow(
      /strong has no effect in this run: it needs a method that reads a strong view/,
    );
  });
});
