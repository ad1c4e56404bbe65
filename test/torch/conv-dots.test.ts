/** Convolutions in bfloat16 by AVX-512's dot products against libtorch's in float64; also where the processor has AMX, which is switched off here. */
import { afterEach, describe, expect, test } from "vitest";
import { addon } from "../../src/torch/addon.js";
import { conv2d, noGrad, scope, setThreads, type Tensor } from "../../src/torch/index.js";
import { exact, gradients, mixed, testValues, twiceRounded, wrongShare } from "../support/bf16-convolutions.js";
import { apart, plain, testPromises } from "../support/convolutions.js";
import { describeEngine } from "../support/engine.js";
import { processorFlags } from "../support/processor.js";

// The engine reads them at the first convolution; each test file is a process of its own.
Object.assign(process.env, { FEWLABELS_AMX: "0", FEWLABELS_WINOGRAD: "1" });
const dots = ["avx512_bf16", "avx512bw", "avx512vl", "avx512dq"].every((flag) => processorFlags.has(flag));

describeEngine("convolutions by dot products (needs avx512_bf16)", () => {
  afterEach(() => setThreads(1));

  describe.runIf(dots)("in mixed precision", () => {
    const cases = [
      { count: 2, channels: 32, height: 8, width: 8, outputs: 32, padding: 1, winograd: true },
      { count: 3, channels: 32, height: 7, width: 5, outputs: 96, padding: 1, winograd: true },
      { count: 45, channels: 32, height: 3, width: 3, outputs: 64, padding: 1 },
      { count: 7, channels: 64, height: 6, width: 6, outputs: 128, padding: 0, kernel: 1 },
      { count: 3, channels: 64, height: 30, width: 20, outputs: 32, padding: 0, kernel: 1 },
      { count: 41, channels: 64, height: 8, width: 8, outputs: 32, padding: 0, winograd: true },
      { count: 3, channels: 64, height: 8, width: 8, outputs: 64, padding: 1, winograd: true },
      { count: 40, channels: 96, height: 9, width: 14, outputs: 128, padding: 1, winograd: true },
      { count: 2, channels: 128, height: 7, width: 9, outputs: 192, padding: 0, winograd: true },
      { count: 70, channels: 256, height: 8, width: 8, outputs: 64, padding: 0, winograd: true },
      { count: 1, channels: 64, height: 5, width: 5, outputs: 64, padding: 2, winograd: true },
      { count: 41, channels: 64, height: 16, width: 16, outputs: 64, padding: 1, winograd: true },
    ];
    testValues(cases, 3e-6);
    testPromises(mixed, exact, [cases[2]!, cases[3]!]);
    describe("by Winograd's", () => testPromises(mixed, exact, [cases[11]!, cases[5]!, cases[7]!, cases[9]!]));

    test("they are in use, Winograd's where little lies outside the pictures: half of their outputs are not what rounding the exact sum gives", () => {
      scope(() => {
        expect(addon().info()).toMatchObject({ dots: true, amx: false });
        const given = exact({ count: 20, channels: 32, height: 8, width: 8, outputs: 32, padding: 1 });
        expect(wrongShare(given)).toBeGreaterThan(0.5);
        const small = given.x.narrow(2, 0, 3).narrow(3, 0, 3).contiguous("channelsLast");
        expect(wrongShare({ x: small, weight: given.weight })).toBeLessThan(0.01);
      });
    });
  });

  test.runIf(dots)("of bfloat16 tensors without mixed precision: gradients are bfloat16 too", () => {
    scope(() => {
      const given = exact({ count: 4, channels: 64, height: 9, width: 9, outputs: 64, padding: 1 });
      const lower = { x: given.x.to("bfloat16"), weight: given.weight.to("bfloat16") };
      const ours = (x: Tensor, weight: Tensor) => conv2d(x, weight, { padding: 1 });
      const y = noGrad(() => ours(lower.x, lower.weight));
      expect(apart(y.toNumbers(), plain(given.x, given.weight, 1).toNumbers())).toBeLessThan(twiceRounded);
      expect([y, ...gradients(ours, lower)].map((t) => t.dtype)).toEqual(["bfloat16", "bfloat16", "bfloat16"]);
    });
  });
});
