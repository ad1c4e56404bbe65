/** An average whose running statistics are those of its own weights. */
import { expect, test } from "vitest";
import { findModel } from "../../src/models/index.js";
import { createModel, type Model } from "../../src/nn/index.js";
import { parseOptions } from "../../src/options.js";
import { Rng } from "../../src/rng.js";
import { decayOfRun, recomputeStatistics } from "../../src/targets/index.js";
import { cat, noGrad, normal, scope } from "../../src/torch/index.js";
import { describeEngine } from "../support/engine.js";

test("the default decay reaches over the last twentieth of the run, and is the published one for long runs", () => {
  expect([100, 200, 1000, 10_000].map((steps) => decayOfRun(steps))).toEqual([0.8, 0.9, 0.98, 0.998]);
  expect([decayOfRun(20_000), decayOfRun(1 << 20)]).toEqual([0.999, 0.999]);
  expect([decayOfRun(1 << 20, 0.9999), decayOfRun(150_000, 0.995)]).toEqual([0.9999, 0.995]);
  expect([decayOfRun(6), decayOfRun(20)]).toEqual([0, 0]);
});

describeEngine("recomputeStatistics", () => {
  const build = (name: string, options: object, accumulate = 1): Model => {
    const { definition } = findModel(name);
    const net = definition.create(
      { channels: 3, height: 16, width: 16, numClasses: 4 },
      parseOptions(definition.options, { ...options }, name),
    );
    return createModel(net, { rng: Rng.fromSeed(2), precision: "fp32", device: "cpu", accumulate });
  };
  const images = (count: number, seed: number) => normal([count, 3, 16, 16], 0.3, 2, Rng.fromSeed(seed));

  test.each([
    ["convnet-tiny", { width: 0.25, dropout: 0.5, inputNoise: 0.3 }],
    ["cnn-13", { width: 0.125, norm: "weight" }],
    ["wide-resnet", { depth: 10, width: 1 }],
  ])(
    "%s: eval is then what batch statistics give, without dropout and noise, whatever the statistics were",
    (name, options) => {
      const model = build(name, options);
      scope(() =>
        noGrad(() => {
          const x = images(64, 3);
          for (const { tensor } of model.buffers) if (tensor.dtype === "float32") tensor.fill_(7);
          recomputeStatistics(model, [x]);
          const [byStatistics, byBatch] = [model.forward(x, "eval"), model.forward(x, "probe")];
          // The running variance divides by n - 1 where the batch's divides by n.
          const off = byStatistics.sub(byBatch).abs().amax([0, 1]).item();
          expect(off).toBeLessThan(0.03 * byBatch.abs().amax([0, 1]).item());
        }),
      );
    },
  );

  test.each([2, 4])("a model that trains in %i groups of rows measures each batch whole", (groups) => {
    const measured = (accumulate: number) => {
      const model = build("convnet-tiny", { width: 0.25 }, accumulate);
      scope(() => {
        const batches = [0, 1, 2, 3].map((mean) => images(64, mean).add(mean));
        recomputeStatistics(model, batches);
      });
      return model.buffers.map(({ tensor }) => tensor.toNumbers());
    };
    expect(measured(groups)).toEqual(measured(1));
  });

  test("several batches count the same, and none leaves the statistics alone", () => {
    const model = build("convnet-tiny", { width: 0.25 });
    const [first] = model.buffers.filter(({ name }) => name.endsWith("running_mean"));
    scope(() =>
      noGrad(() => {
        const [a, b] = [images(32, 4), images(32, 5)];
        const mean = (...batches: (typeof a)[]) => {
          recomputeStatistics(model, batches);
          return first!.tensor.toNumbers();
        };
        const [ofA, ofB, ofBoth, joined] = [mean(a), mean(b), mean(a, b), mean(cat([a, b]))];
        for (const [i, value] of ofBoth.entries()) {
          expect(value).toBeCloseTo((ofA[i]! + ofB[i]!) / 2, 5);
          expect(value).toBeCloseTo(joined[i]!, 5);
        }
        recomputeStatistics(model, []);
        expect(first!.tensor.toNumbers()).toEqual(joined);
      }),
    );
  });
});
