/** Convolutions in bfloat16 by AMX against libtorch's in float64. */
import { afterEach, describe, expect, test } from "vitest";
import { autocast, conv2d, scope, setThreads, type Tensor } from "../../src/torch/index.js";
import { exact, gradients, mixed, rounded, testValues, wrongShare } from "../support/bf16-convolutions.js";
import { apart, type Convolution, largest, plain, results, testPromises } from "../support/convolutions.js";
import { describeEngine } from "../support/engine.js";
import { processorFlags } from "../support/processor.js";

const amx = processorFlags.has("amx_bf16") && process.env.FEWLABELS_AMX !== "0";
describeEngine("convolutions by AMX (needs amx_bf16)", () => {
  afterEach(() => setThreads(1));

  describe.runIf(amx)("in mixed precision", () => {
    const cases: (Convolution & { winograd?: boolean })[] = [
      { count: 2, channels: 32, height: 8, width: 8, outputs: 32, padding: 1 },
      { count: 3, channels: 64, height: 7, width: 5, outputs: 96, padding: 1 },
      { count: 2, channels: 64, height: 8, width: 8, outputs: 128, padding: 0 },
      { count: 1, channels: 32, height: 3, width: 3, outputs: 32, padding: 0 },
      { count: 1, channels: 32, height: 1, width: 1, outputs: 32, padding: 1 },
      { count: 2, channels: 32, height: 5, width: 6, outputs: 64, padding: 2 },
      { count: 40, channels: 32, height: 12, width: 12, outputs: 32, padding: 1 },
      { count: 3, channels: 96, height: 33, width: 31, outputs: 32, padding: 1 },
      { count: 9, channels: 32, height: 16, width: 16, outputs: 64, padding: 1 },
      { count: 2, channels: 160, height: 32, width: 32, outputs: 64, padding: 1 },
      { count: 7, channels: 64, height: 6, width: 6, outputs: 128, padding: 0, kernel: 1 },
      { count: 3, channels: 64, height: 30, width: 20, outputs: 32, padding: 0, kernel: 1 },
      { count: 1, channels: 32, height: 60, width: 50, outputs: 32, padding: 1 },
      { count: 100, channels: 128, height: 8, width: 8, outputs: 32, padding: 0 },
      { count: 3, channels: 128, height: 8, width: 8, outputs: 128, padding: 1, winograd: true },
      { count: 40, channels: 160, height: 9, width: 14, outputs: 128, padding: 1, winograd: true },
      { count: 2, channels: 128, height: 7, width: 9, outputs: 192, padding: 0, winograd: true },
      { count: 70, channels: 256, height: 8, width: 8, outputs: 128, padding: 0, winograd: true },
      { count: 1, channels: 128, height: 5, width: 5, outputs: 128, padding: 2, winograd: true },
    ];
    // Ones and twos are exact: what is left of weights' gradients is the rounding of float32's sums.
    testValues(cases, 3e-6);

    const shape = cases[6]!;
    const ours = (x: Tensor, weight: Tensor) => mixed(x, weight, 1);
    test("they are in use: the weights' gradient keeps digits that libtorch's bfloat16 loses", () => {
      scope(() => {
        const given = exact(shape);
        const theirs = (x: Tensor, weight: Tensor) => autocast("bf16", "cpu", () => plain(x, weight, 1));
        const lost = (t: Tensor) => largest(t.sub(t.to("bfloat16").to("float32")).toNumbers());
        expect(lost(gradients(ours, given)[1]!)).toBeGreaterThan(0);
        expect(lost(gradients(theirs, given)[1]!)).toBe(0);
      });
    });

    test("Winograd's is in use from 128 channels on: half of the outputs are not what rounding the exact sum gives", () => {
      scope(() => {
        const given = exact({ count: 2, channels: 128, height: 8, width: 8, outputs: 128, padding: 1 });
        expect(wrongShare(given)).toBeGreaterThan(0.5);
        expect(wrongShare({ x: given.x, weight: given.weight.narrow(0, 0, 96) })).toBeLessThan(0.01);
      });
    });

    testPromises(mixed, exact, [shape, cases[10]!, cases[12]!]);
    describe("by Winograd's", () => {
      testPromises(mixed, exact, [
        { count: 41, channels: 128, height: 6, width: 6, outputs: 128, padding: 1 },
        cases[14]!,
      ]);
    });
  });

  test.runIf(amx)("of bfloat16 tensors without mixed precision: gradients are bfloat16 too", () => {
    scope(() => {
      const given = exact({ count: 4, channels: 32, height: 9, width: 9, outputs: 64, padding: 1 });
      const [x, weight] = [given.x.to("bfloat16").requiresGrad_(), given.weight.to("bfloat16").requiresGrad_()];
      const y = conv2d(x, weight, { padding: 1 });
      expect(apart(y.toNumbers(), plain(given.x, given.weight, 1).toNumbers())).toBeLessThan(rounded);
      y.sum().backward();
      expect([y, x.grad!, weight.grad!].map((t) => t.dtype)).toEqual(["bfloat16", "bfloat16", "bfloat16"]);
    });
  });

  test("pictures in float64 are refused with weights in float32, as libtorch refuses them", () => {
    scope(() => {
      const { x, weight } = exact({ count: 2, channels: 32, height: 6, width: 6, outputs: 32, padding: 1 });
      expect(() => mixed(x.to("float64"), weight, 1)).toThrow(/type/);
    });
  });

  test.each([
    ["48 channels", { count: 2, channels: 48, height: 6, width: 6, outputs: 32, padding: 1 }],
    ["a window of 5", { count: 2, channels: 32, height: 6, width: 6, outputs: 32, padding: 2, kernel: 5 }],
    ["no channels of pictures in a row", { count: 2, channels: 32, height: 6, width: 6, outputs: 32, padding: 1 }],
  ])("%s: libtorch's bits", (name, shape) => {
    scope(() => {
      const { x, weight } = exact(shape);
      const given = { x: name.startsWith("no") ? x.contiguous("contiguous") : x, weight };
      const theirs = (a: Tensor, w: Tensor) => autocast("bf16", "cpu", () => plain(a, w, shape.padding));
      expect(results((a, w) => mixed(a, w, shape.padding), given)).toEqual(results(theirs, given));
    });
  });
});
