/** What ResNet and ResNeXt share: a stem, four stages of residual blocks, a global average and a dense layer. */
import {
  batchNorm2d,
  conv2d,
  dropout,
  globalAvgPool,
  linear,
  type Module,
  maxPool2d,
  type Network,
  network,
  type Pass,
  relu,
  segment,
  sequential,
} from "../../nn/index.js";
import { boolean, choice, integer, number } from "../../options.js";
import { scope, type Tensor } from "../../torch/index.js";
import type { InputSpec } from "../model-definition.js";

/** Options of both architectures. */
export const residualOptions = {
  width: number(1, { min: 0.02, max: 8, doc: "factor on the channel counts of the stem and of the stages' outputs" }),
  dropout: number(0, { min: 0, max: 1, doc: "dropout probability before the last layer" }),
  padding: choice(["torch", "tf"], "torch", {
    doc: "zeros around images of even size at stride 2: the same on both sides, or TensorFlow's SAME",
  }),
  zeroGamma: boolean(false, { doc: "the last gain of each block starts at 0, so every block starts as the identity" }),
  normKeep: number(0.9, { min: 0, max: 1, doc: "batch norm: share of the old running statistics kept per step" }),
  normEps: number(1e-5, {
    min: 1e-12,
    doc: "batch norm: added to the variance, which is 0 where a channel is constant",
  }),
  heads: integer(1, { min: 1, max: 2, doc: "2 adds a consistency head" }),
};

export interface ResidualSpec {
  /** `basic`: two 3x3 convolutions; `bottleneck`: 1x1, 3x3, 1x1 with four times as many outputs. */
  readonly block: "basic" | "bottleneck";
  /** Blocks of each stage. */
  readonly counts: readonly number[];
  /** Channels inside the blocks of each stage. */
  readonly widths: readonly number[];
  /** Outputs of each stage, before `width`. */
  readonly outputs: readonly number[];
  /** Groups of the 3x3 convolutions of bottlenecks. */
  readonly groups?: number;
  readonly width: number;
  readonly dropout: number;
  readonly padding: "torch" | "tf";
  readonly zeroGamma: boolean;
  readonly normKeep: number;
  readonly normEps: number;
  readonly heads: number;
}

/** The whole network, its tensors named as in torchvision (`layer1.0.conv1.weight`, `fc.weight`). */
export function residualNetwork({ channels, numClasses }: InputSpec, spec: ResidualSpec): Network {
  const { normKeep: keep, normEps: eps, groups = 1 } = spec;
  const conv = (from: number, to: number, kernel: number, stride = 1, inGroups = 1) => {
    const padding = spec.padding === "tf" ? "same" : (kernel - 1) / 2;
    return conv2d(from, to, { kernel, stride, groups: inGroups, padding, init: "fan-out" });
  };
  const norm = (n: number) => batchNorm2d(n, { keep, eps });
  const lastNorm = (n: number) => batchNorm2d(n, { keep, eps, gain: spec.zeroGamma ? 0 : 1 });
  const normRelu = (n: number) => batchNorm2d(n, { keep, eps, leakySlope: 0, ownsInput: true });

  /** relu(branch(x) + shortcut(x)), `[N, from, H, W]` -> `[N, to, H / stride, W / stride]`. */
  const block = (from: number, width: number, to: number, stride: number): Module => {
    const branch: Record<string, Module> =
      spec.block === "basic"
        ? { conv1: conv(from, width, 3, stride), bn1: normRelu(width), conv2: conv(width, to, 3), bn2: lastNorm(to) }
        : {
            conv1: conv(from, width, 1),
            bn1: normRelu(width),
            conv2: conv(width, width, 3, stride, groups), // the stride is here, not in conv1 ("v1.5")
            bn2: normRelu(width),
            conv3: conv(width, to, 1),
            bn3: lastNorm(to),
          };
    if (from === to && stride === 1) return residual(branch, {});
    return residual(branch, { downsample: sequential([conv(from, to, 1, stride), norm(to)]) });
  };

  const scaled = (n: number) => Math.max(1, Math.floor(n * spec.width));
  const stem = scaled(64);
  const layers: Record<string, Module> = {
    conv1: conv(channels, stem, 7, 2), // [N, 64, 112, 112]
    bn1: normRelu(stem),
    maxpool: maxPool2d(3, { stride: 2, padding: spec.padding === "tf" ? "same" : 1 }), // [N, 64, 56, 56]
  };
  let from = stem;
  for (const [stage, count] of spec.counts.entries()) {
    const [width, to] = [spec.widths[stage]!, scaled(spec.outputs[stage]!)];
    const blocks = Array.from({ length: count }, (_, i) =>
      block(i === 0 ? from : to, width, to, i === 0 && stage > 0 ? 2 : 1),
    );
    layers[`layer${stage + 1}`] = sequential(blocks);
    from = to;
  }
  layers.avgpool = globalAvgPool(); // [N, 512 or 2048]
  layers.dropout = dropout(spec.dropout);
  const features = sequential(layers);
  const dense = () => linear(from, numClasses);
  const parts = spec.heads === 2 ? { features, fc: dense(), fc2: dense() } : { features, fc: dense() };
  return network(parts, { features: "" });
}

/** relu(branch(x) + shortcut(x)); without `downsample` the shortcut is the identity. */
function residual(branch: Record<string, Module>, shortcut: { readonly downsample?: Module }): Module {
  const stack = sequential(branch);
  const act = relu();
  return segment({
    children: { ...branch, ...shortcut },
    parameters: {},
    buffers: {},
    forward: (x: Tensor, pass: Pass) =>
      scope(() => {
        const h = stack.forward(x, pass);
        // In place: neither batch norm nor the sum needs its own output for the gradient.
        h.add_(shortcut.downsample ? shortcut.downsample.forward(x, pass) : x);
        return act.forward(h, pass);
      }),
  });
}
