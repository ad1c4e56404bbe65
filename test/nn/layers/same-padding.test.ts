import { expect, test } from "vitest";
import { conv2d, initialize, padSame, samePadding } from "../../../src/nn/index.js";
import { Rng } from "../../../src/rng.js";
import { normal, scope } from "../../../src/torch/index.js";
import { describeEngine } from "../../support/engine.js";
import "../../support/matchers.js";

test("SAME pads 0 before and 1 after for 3x3/2 at 224, 2 and 3 for 7x7/2, both sides alike at odd sizes", () => {
  expect(samePadding(224, 3, 2)).toEqual([0, 1]);
  expect(samePadding(224, 7, 2)).toEqual([2, 3]);
  expect(samePadding(75, 3, 2)).toEqual([1, 1]);
  expect(samePadding(32, 5, 1)).toEqual([2, 2]);
  expect(samePadding(32, 1, 2)).toEqual([0, 0]);
});

describeEngine("convolution with SAME padding", () => {
  for (const [height, width, kernel, stride] of [
    [6, 5, 3, 2],
    [8, 7, 5, 2],
    [5, 6, 3, 1],
    [6, 6, 1, 2],
    [4, 5, 2, 1],
  ] as const) {
    test(`${height}x${width}, kernel ${kernel}, stride ${stride}: the plain loop over windows from -before`, () => {
      const layer = conv2d(1, 1, { kernel, stride, padding: "same" });
      initialize(layer, Rng.fromSeed(3));
      const x = normal([1, 1, height, width], 0, 1, Rng.fromSeed(4));
      const [pixels, w] = [x.toNumbers(), layer.parameters.weight!.toNumbers()];
      const [rows, columns] = [height, width].map((n) => Math.ceil(n / stride)) as [number, number];
      const offset = (n: number, outputs: number) => Math.floor(Math.max(0, (outputs - 1) * stride + kernel - n) / 2);
      const expected: number[] = [];
      for (let r = 0; r < rows; r++) {
        for (let c = 0; c < columns; c++) {
          let sum = 0;
          for (let i = 0; i < kernel; i++) {
            for (let j = 0; j < kernel; j++) {
              const [y, z] = [r * stride + i - offset(height, rows), c * stride + j - offset(width, columns)];
              if (y >= 0 && y < height && z >= 0 && z < width) sum += pixels[y * width + z]! * w[i * kernel + j]!;
            }
          }
          expected.push(sum);
        }
      }
      const got = scope(() => layer.forward(x, { mode: "eval", rng: Rng.fromSeed(0) }).toNumbers());
      expect(got).toBeCloseToTensor(expected, { rtol: 1e-4, atol: 1e-5 });
    });
  }

  test("padSame takes another value, as a maximum needs it", () => {
    const x = normal([1, 1, 2, 2], 0, 1, Rng.fromSeed(4));
    const y = scope(() => padSame(x, 3, 2, -7).toNumbers());
    const [a, b, c, d] = x.toNumbers();
    expect(y).toEqual([a, b, -7, c, d, -7, -7, -7, -7]);
  });
});
