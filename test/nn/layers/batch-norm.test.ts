import { expect, test } from "vitest";
import { UsageError } from "../../../src/errors.js";
import { findModel } from "../../../src/models/index.js";
import { batchNorm2d, createModel, type Pass } from "../../../src/nn/index.js";
import { parseOptions } from "../../../src/options.js";
import { Rng } from "../../../src/rng.js";
import { noGrad, normal, ones, scope } from "../../../src/torch/index.js";
import { describeEngine } from "../../support/engine.js";
import { describeWorld, inProcesses } from "../../support/processes.js";

const rng = Rng.fromSeed(1);

describeEngine("batch norm of one value a channel", () => {
  for (const leakySlope of [undefined, 0.1]) {
    const name = leakySlope === undefined ? "alone" : "with its leaky ReLU";
    const run = (mode: Pass["mode"], shape: readonly number[], more: Partial<Pass> = {}) =>
      scope(() => {
        const norm = batchNorm2d(4, leakySlope === undefined ? {} : { leakySlope });
        noGrad(() => norm.reset!(rng));
        norm.forward(ones(shape), { mode, rng, ...more });
        return norm.buffers.running_var!.toNumbers();
      });

    test(`${name}: refused where it would be the statistics, saying what to do`, () => {
      for (const mode of ["train", "probe", "init"] as const) {
        expect(() => run(mode, [1, 4, 1, 1])).toThrow(UsageError);
        expect(() => run(mode, [1, 4, 1, 1])).toThrow(/more than one value a channel.*\[1, 4, 1, 1\].*--accumulate/);
      }
    });

    test(`${name}: taken with running statistics, and where there are two`, () => {
      expect(run("eval", [1, 4, 1, 1])).toEqual([1, 1, 1, 1]);
      for (const shape of [
        [2, 4, 1, 1],
        [1, 4, 1, 2],
      ]) {
        expect(run("train", shape).every(Number.isFinite)).toBe(true);
      }
    });
  }

  test.each([
    ["mobilenet-v2", { width: 0.05 }, 8, 1, 1],
    ["mobilenet-v2", { width: 0.05 }, 8, 4, 4],
    ["mobilenet-v3", { size: "small", width: 0.05 }, 8, 1, 1],
    ["efficientnet", { width: 0.05, strides: "imagenet" }, 32, 1, 1],
  ] as const)("%s %o on %i pixels refuses %i rows in %i groups", (name, options, side, rows, accumulate) => {
    const { definition } = findModel(name);
    const input = { channels: 1, height: side, width: side, numClasses: 3 };
    const network = definition.create(input, parseOptions(definition.options, options, name));
    const model = createModel(network, { rng, precision: "fp32", device: "cpu", accumulate });
    scope(() => {
      const x = normal([rows, 1, side, side], 0, 1, rng).contiguous("channelsLast");
      expect(() => model.forward(x, "train")).toThrow(/--accumulate/);
    });
  });
});

describeWorld("batch norm of one value a channel in each of two processes", () => {
  test("is taken where the statistics are of both, and refused where they are its own", {
    timeout: 60_000,
  }, async () => {
    const found = await inProcesses<{ both: number[]; alone: string }>(
      2,
      `import { closeWorld, full, noGrad, openWorld } from "dist/torch/index.js";
      import { batchNorm2d } from "dist/nn/index.js";
      import { Rng } from "dist/rng.js";
      const spread = openWorld({ seconds: 30, flag: () => false });
      const [norm, rng] = [batchNorm2d(1, { keep: 0 }), Rng.fromSeed(1)];
      noGrad(() => norm.reset(rng));
      const run = (syncStatistics) => norm.forward(full([1, 1, 1, 1], 2 * spread.rank), { mode: "train", rng, spread, syncStatistics });
      run(true); // of 0 and 2: mean 1, unbiased variance 2
      const both = [norm.buffers.running_mean.item(), norm.buffers.running_var.item()];
      let alone = "";
      try { run(false); } catch (error) { alone = error.message; }
      spread.barrier();
      closeWorld({ failed: false });
      console.log(JSON.stringify({ both, alone }));`,
    );
    for (const { both, alone } of found) {
      expect(both).toEqual([1, 2]);
      expect(alone).toMatch(/more than one value a channel/);
    }
  });
});
