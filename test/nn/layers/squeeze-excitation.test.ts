import { expect, test } from "vitest";
import { initialize, namedParameters, silu, squeezeExcitation } from "../../../src/nn/index.js";
import { Rng } from "../../../src/rng.js";
import { noGrad, normal, scope, tensor } from "../../../src/torch/index.js";
import { describeEngine } from "../../support/engine.js";
import "../../support/matchers.js";

const pass = { mode: "eval", rng: Rng.fromSeed(0) } as const;
const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));

describeEngine("squeeze and excitation", () => {
  test("equals the plain loops: x sigmoid(W2 silu(W1 mean + b1) + b2)", () => {
    const [n, channels, squeezed, pixels] = [2, 6, 2, 12];
    const layer = squeezeExcitation(channels, squeezed);
    initialize(layer, Rng.fromSeed(3));
    const weights = Object.fromEntries(namedParameters(layer).map((p) => [p.name, p.tensor]));
    expect(Object.keys(weights)).toEqual(["fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"]);
    expect(weights["fc1.weight"]!.shape).toEqual([squeezed, channels, 1, 1]);
    for (const bias of ["fc1.bias", "fc2.bias"]) {
      expect(weights[bias]!.toNumbers().every((v) => v === 0)).toBe(true);
      noGrad(() => weights[bias]!.copy_(normal(weights[bias]!.shape, 0, 1, Rng.fromSeed(bias.charCodeAt(2)))));
    }
    const x = normal([n, channels, 3, 4], 0, 1, Rng.fromSeed(4));
    const [v, w1, b1, w2, b2] = [x, ...Object.values(weights)].map((t) => t.toNumbers()) as number[][];
    const expected = v!.map((value, i) => {
      const [row, c] = [Math.floor(i / (channels * pixels)), Math.floor(i / pixels) % channels];
      const means = Array.from({ length: channels }, (_, k) => {
        const start = (row! * channels + k) * pixels;
        return v!.slice(start, start + pixels).reduce((a, b) => a + b, 0) / pixels;
      });
      let scale = b2![c!]!;
      for (let s = 0; s < squeezed; s++) {
        const u = b1![s]! + means.reduce((sum, m, k) => sum + m * w1![s * channels + k]!, 0);
        scale += w2![c! * squeezed + s]! * u * sigmoid(u);
      }
      return value * sigmoid(scale);
    });
    const got = scope(() => layer.forward(x, pass).toNumbers());
    expect(got).toBeCloseToTensor(expected, { rtol: 1e-4, atol: 1e-5 });
  });

  test("silu is x sigmoid(x), with its derivative", () => {
    const values = [-6, -1, -0.25, 0, 0.5, 2, 9];
    scope(() => {
      const x = tensor(values, [values.length]).requiresGrad_();
      const y = silu().forward(x, pass);
      expect(y).toBeCloseToTensor(values.map((v) => v * sigmoid(v)));
      y.sum().backward();
      expect(x.grad!).toBeCloseToTensor(values.map((v) => sigmoid(v) * (1 + v * (1 - sigmoid(v)))));
    });
  });
});
