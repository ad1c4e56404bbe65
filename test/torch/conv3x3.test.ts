/** Winograd's 3 x 3 convolutions against libtorch's in float64. Asked for before the engine is loaded: some processors do without them. */
process.env.FEWLABELS_WINOGRAD = "1";

import { afterEach, describe, expect, test } from "vitest";
import { autocast, conv2d, normal, scope, setThreads } from "../../src/torch/index.js";
import { apart, type Convolution, inputs, plain, results, rng, testPromises } from "../support/convolutions.js";
import { describeEngine } from "../support/engine.js";
import { processorFlags } from "../support/processor.js";

/** `most`: the largest error, as a share of the largest value; default 3e-6. */
type Case = Convolution & { readonly most?: number };

const avx2 = processorFlags.has("avx2") && processorFlags.has("fma");

describeEngine("3 x 3 convolutions", () => {
  afterEach(() => setThreads(1));

  describe.runIf(avx2)("by Winograd's method (needs AVX2)", () => {
    const cases: Case[] = [
      { count: 2, channels: 16, height: 8, width: 8, outputs: 16, padding: 1 },
      { count: 3, channels: 32, height: 7, width: 5, outputs: 48, padding: 1 },
      { count: 2, channels: 64, height: 8, width: 8, outputs: 128, padding: 0 },
      { count: 1, channels: 16, height: 3, width: 3, outputs: 16, padding: 0 },
      { count: 1, channels: 16, height: 1, width: 1, outputs: 16, padding: 1 },
      { count: 2, channels: 16, height: 5, width: 6, outputs: 32, padding: 2 },
      { count: 40, channels: 16, height: 12, width: 12, outputs: 16, padding: 1 },
      { count: 2, channels: 304, height: 6, width: 6, outputs: 144, padding: 1 },
      // Tiles of 4 x 4 outputs, many and few; the last ones reach over the picture by 1 to 3.
      { count: 2, channels: 304, height: 16, width: 16, outputs: 64, padding: 1, most: 5e-6 }, // 3.1e-6
      { count: 12, channels: 32, height: 11, width: 10, outputs: 32, padding: 1 },
      { count: 1, channels: 48, height: 9, width: 8, outputs: 32, padding: 1 },
    ];
    test.each(cases)(
      "$count x $channels x $height x $width to $outputs, padding $padding: values and gradients are float64's",
      (shape) => {
        scope(() => {
          const given = inputs(shape);
          const got = results((x, w) => conv2d(x, w, { padding: shape.padding }), given);
          const wanted = results((x, w) => plain(x, w, shape.padding), given, "float64");
          for (const [i, values] of got.entries()) {
            expect(values.length).toBe(wanted[i]!.length);
            expect(apart(values, wanted[i]!)).toBeLessThan(shape.most ?? 3e-6);
          }
        });
      },
    );

    const shape = cases[6]!;
    test("they are in use: other bits than libtorch's", () => {
      scope(() => {
        const given = inputs(shape);
        const ours = results((x, w) => conv2d(x, w, { padding: 1 }), given);
        const theirs = results((x, w) => plain(x, w, 1), given);
        for (const [i, values] of ours.entries()) expect(values).not.toEqual(theirs[i]);
      });
    });

    testPromises((x, weight, padding) => conv2d(x, weight, { padding }), inputs, [shape]);
  });

  test.each([
    ["24 channels", { count: 2, channels: 24, height: 6, width: 6, outputs: 16, padding: 1 }],
    ["no channels of pictures in a row", { count: 2, channels: 16, height: 6, width: 6, outputs: 16, padding: 1 }],
  ])("%s: libtorch's bits", (name, shape) => {
    scope(() => {
      const { x, weight } = inputs(shape);
      const given = { x: name.startsWith("no") ? x.contiguous("contiguous") : x, weight };
      expect(results((a, w) => conv2d(a, w, { padding: 1 }), given)).toEqual(results((a, w) => plain(a, w, 1), given));
    });
  });

  test("mixed precision stays libtorch's", () => {
    scope(() => {
      const { x, weight } = inputs({ count: 2, channels: 16, height: 6, width: 6, outputs: 16, padding: 1 });
      const [ours, theirs] = autocast("bf16", "cpu", () => [conv2d(x, weight, { padding: 1 }), plain(x, weight, 1)]);
      expect(ours!.dtype).toBe("bfloat16");
      expect(ours!.toNumbers()).toEqual(theirs!.toNumbers());
    });
  });

  test("shapes that do not fit are refused with both", () => {
    scope(() => {
      const { x } = inputs({ count: 2, channels: 16, height: 6, width: 6, outputs: 16, padding: 1 });
      expect(() => conv2d(x, normal([16, 32, 3, 3], 0, 1, rng), { padding: 1 })).toThrow(/32|channels/);
    });
  });
});
