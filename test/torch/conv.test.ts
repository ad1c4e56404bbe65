// A convolution that skips pixels and has few channels: libtorch 1.13 (oneDNN 2.7, AVX2) corrupts the heap in its backward pass.
import { expect, test } from "vitest";
import { Rng } from "../../src/rng.js";
import { conv2d, normal, scope, type Tensor } from "../../src/torch/index.js";
import { describeEngine } from "../support/engine.js";

/** x `[4, C, side, side]` and weight `[O, C, 1, 1]`, in the layout of training. */
function gradients(channels: number, side: number, outputs: number, seed: number) {
  const rng = Rng.fromSeed(seed);
  const [x, weight] = [normal([4, channels, side, side], 0, 1, rng), normal([outputs, channels, 1, 1], 0, 1, rng)];
  const [a, b] = [x, weight].map((t: Tensor) => t.contiguous("channelsLast").requiresGrad_());
  const y = conv2d(a!, b!, { stride: 2 });
  y.mul(y).sum().backward();
  return [y, a!.grad!, b!.grad!].map((t) => t.toNumbers());
}

describeEngine("1 x 1 convolutions at stride 2", () => {
  test.each([
    [3, 8, 6],
    [6, 8, 12],
    [5, 8, 12],
    [3, 7, 6],
    [12, 8, 25],
  ])("%i channels, %i pixels a side, to %i: the loops' values, a hundred times over", (channels, side, outputs) => {
    for (let seed = 1; seed <= 100; seed++) scope(() => void gradients(channels, side, outputs, seed));
    scope(() => {
      const rng = Rng.fromSeed(1);
      const [x, w] = [normal([4, channels, side, side], 0, 1, rng), normal([outputs, channels, 1, 1], 0, 1, rng)];
      const [pixels, weights] = [x.toNumbers(), w.toNumbers()];
      const half = Math.ceil(side / 2);
      const y: number[] = [];
      const dx = new Array<number>(pixels.length).fill(0);
      const dw = new Array<number>(weights.length).fill(0);
      for (let n = 0; n < 4; n++)
        for (let o = 0; o < outputs; o++)
          for (let i = 0; i < half * half; i++) {
            const at = (c: number) => ((n * channels + c) * side + 2 * Math.floor(i / half)) * side + 2 * (i % half);
            let sum = 0;
            for (let c = 0; c < channels; c++) sum += pixels[at(c)]! * weights[o * channels + c]!;
            y.push(sum);
            for (let c = 0; c < channels; c++) {
              dx[at(c)]! += 2 * sum * weights[o * channels + c]!;
              dw[o * channels + c]! += 2 * sum * pixels[at(c)]!;
            }
          }
      const [gotY, gotX, gotW] = gradients(channels, side, outputs, 1);
      for (const [got, wanted] of [
        [gotY!, y],
        [gotX!, dx],
        [gotW!, dw],
      ] as const) {
        expect(got.length).toBe(wanted.length);
        expect(Math.max(...got.map((v, i) => Math.abs(v - wanted[i]!)))).toBeLessThan(1e-3);
      }
    });
  });
});
