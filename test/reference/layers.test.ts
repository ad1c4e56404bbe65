import { expect, test } from "vitest";
import { batchNorm2d, conv2d, linear, type Module } from "../../src/nn/index.js";
import { Rng } from "../../src/rng.js";
import { globalAvgPool, leakyRelu, maxPool2d, noGrad, scope, type Tensor } from "../../src/torch/index.js";
import { describeEngine } from "../support/engine.js";
import "../support/matchers.js";
import { references, type StoredArray, stored } from "../support/references.js";

interface Case {
  readonly kind: "conv" | "linear" | "batchNorm" | "leakyRelu" | "maxPool" | "globalAvgPool";
  readonly x: StoredArray;
  readonly weight?: StoredArray;
  readonly bias?: StoredArray;
  readonly output: StoredArray;
  readonly upstream: StoredArray;
  readonly gradients: Readonly<Record<string, StoredArray>>;
  // biome-ignore lint/suspicious/noExplicitAny: whatever the script stored for this kind
  readonly options: any;
  readonly before?: { readonly runningMean: StoredArray; readonly runningVar: StoredArray };
  readonly after?: { readonly runningMean: StoredArray; readonly runningVar: StoredArray };
}

const functions: Readonly<Record<string, (x: Tensor) => Tensor>> = {
  leakyRelu: (x) => leakyRelu(x, 0.1),
  maxPool: (x) => maxPool2d(x, 2),
  globalAvgPool,
};

/** The layer with the stored weights, or undefined for what has none. */
function layerOf({ kind, options, ...c }: Case): Module | undefined {
  const layer =
    kind === "conv"
      ? conv2d(options.inChannels, options.outChannels, options)
      : kind === "linear"
        ? linear(c.x.shape[1]!, c.output.shape[1]!)
        : kind === "batchNorm"
          ? batchNorm2d(c.x.shape[1]!, { keep: options.kept, eps: options.eps, leakySlope: options.leakySlope })
          : undefined;
  const set = (target: Tensor | undefined, values: StoredArray | undefined) =>
    noGrad(() => target && values && target.copy_(stored(values)));
  set(layer?.parameters.weight, c.weight);
  set(layer?.parameters.bias, c.bias);
  set(layer?.buffers.running_mean, c.before?.runningMean);
  set(layer?.buffers.running_var, c.before?.runningVar);
  return layer;
}

describeEngine("layers agree with PyTorch's stored arrays", () => {
  for (const [name, c] of references<Case>("layers")) {
    for (const layout of ["contiguous", "channelsLast"] as const) {
      if (layout === "channelsLast" && c.x.shape.length !== 4) continue;
      test(`${name} (${layout}): output and all gradients`, () => {
        scope(() => {
          const layer = layerOf(c);
          const x = stored(c.x).contiguous(layout).requiresGrad_();
          const mode = c.options?.training === false ? "eval" : "train";
          const y = layer ? layer.forward(x, { mode, rng: Rng.fromSeed(0) }) : functions[c.kind]!(x);
          expect(y).toBeCloseToTensor(c.output, { rtol: 1e-4, atol: 1e-5 });
          y.mul(stored(c.upstream)).sum().backward();
          expect(x.grad!).toBeCloseToTensor(c.gradients.x!, { rtol: 1e-4, atol: 1e-5 });
          for (const [key, weight] of Object.entries(layer?.parameters ?? {})) {
            expect(weight.grad!).toBeCloseToTensor(c.gradients[key]!, { rtol: 1e-4, atol: 1e-5 });
          }
          if (c.after) expect(layer!.buffers.running_mean!).toBeCloseToTensor(c.after.runningMean);
          if (c.after) expect(layer!.buffers.running_var!).toBeCloseToTensor(c.after.runningVar);
          for (const t of layer ? [...Object.values(layer.parameters), ...Object.values(layer.buffers)] : [])
            t.release();
        });
      });
    }
  }
});
