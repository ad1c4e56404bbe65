/**
 * ConvNeXt: 7 x 7 depthwise convolutions, layer norm and wide pointwise layers, in four stages. Tensors are named as in torchvision
 * (`features.1.0.block.0.weight`, `features.1.0.layer_scale`).
 */
import { badValue, UsageError } from "../errors.js";
import {
  conv2d,
  dropConnect,
  gelu,
  globalAvgPool,
  layer,
  layerNorm,
  layerScale,
  linear,
  type Module,
  network,
  segment,
  sequential,
} from "../nn/index.js";
import { choice, number } from "../options.js";
import { defineModel } from "./model-definition.js";
import { pooled } from "./parts/inverted-bottleneck.js";

/** Blocks and channels of each stage. */
const stages = [
  [3, 96],
  [3, 192],
  [9, 384],
  [3, 768],
] as const;

export const convnext = defineModel({
  name: "convnext",
  paper: "arXiv:2201.03545, Section 2 and Appendix A.1",
  summary: "convolutional network after the fashion of transformers (tiny), 28.6 million parameters at 1000 classes",
  options: {
    width: number(1, { min: 0.05, max: 16, doc: "factor on the channel counts, rounded down" }),
    depth: number(1, { min: 0.05, max: 16, doc: "factor on the blocks of each stage, rounded up" }),
    stem: choice(["4", "2", "1"], undefined, {
      doc: "size and stride of the first convolution; if not given, 2 below 64 pixels a side and 1 below 16, else 4 as in official weights",
    }),
    dropConnect: number(0.1, {
      min: 0,
      max: 1,
      doc: "stochastic depth by image: the last block's branch is dropped with this probability, the first never",
    }),
    layerScale: number(1e-6, { min: 0, doc: "fresh value of the scale of each branch" }),
  },
  presets: { "convnext-tiny": {} },
  input: { channels: 3, height: 224, width: 224, numClasses: 1000 },
  create(
    { channels, height, width: imageWidth, numClasses },
    { width, depth, stem, dropConnect: drop, layerScale: scale },
  ) {
    const plan = stages.map(
      ([blocks, base]) => [Math.ceil(blocks * depth), Math.max(1, Math.floor(base * width))] as const,
    );
    const total = plan.reduce((sum, [blocks]) => sum + blocks, 0);
    const side = Math.min(height, imageWidth);
    const size = Number(stem ?? (side < 16 ? 1 : side < 64 ? 2 : 4));
    if (side < 8 * size) {
      const advice = "three more layers halve what the stem leaves; use a smaller --model.stem, or --model mlp";
      throw new UsageError(
        badValue("convnext", "the image side", `at least ${8 * size} for stem ${size}`, side, advice),
      );
    }
    const patches = conv2d(channels, plan[0]![1], { kernel: size, stride: size, padding: 0, bias: true });
    const parts: Module[] = [sequential([patches, layerNorm(plan[0]![1], { channels: true })])];
    let index = 0; // of the block, over all stages
    for (const [stage, [blocks, n]] of plan.entries()) {
      const list = Array.from({ length: blocks }, () => {
        const probability = total > 1 ? (drop * index++) / (total - 1) : 0;
        return segment(block(n, scale, probability));
      });
      parts.push(sequential(list));
      const next = plan[stage + 1]?.[1];
      if (next === undefined) continue;
      const halving = conv2d(n, next, { kernel: 2, stride: 2, padding: 0, bias: true });
      parts.push(sequential([layerNorm(n, { channels: true }), halving]));
    }
    const last = plan.at(-1)![1];
    const fc = sequential({ 2: linear(last, numClasses, { zeroBias: true }) });
    const features = pooled(sequential(parts), globalAvgPool());
    return network({ features, neck: sequential({ 0: layerNorm(last) }), fc }, { fc: "classifier" });
  },
});

/** x + drop-connect(scale * branch(x)), x `[N, n, H, W]`. */
function block(n: number, scale: number, probability: number): Module {
  const branch = sequential([
    conv2d(n, n, { kernel: 7, groups: n, bias: true }),
    layer((x) => x.permute([0, 2, 3, 1])), // [N, H, W, n]: a view where channels lie side by side
    layerNorm(n),
    linear(n, 4 * n, { zeroBias: true }),
    gelu(),
    linear(4 * n, n, { zeroBias: true }),
    layer((x) => x.permute([0, 3, 1, 2])),
  ]);
  const scaled = layerScale([n, 1, 1], scale, "layer_scale");
  const gate = dropConnect(probability);
  return {
    ...scaled,
    children: { block: branch },
    forward(x, pass) {
      const h = branch.forward(x, pass);
      const product = scaled.forward(h, pass);
      h.release();
      const kept = gate.forward(product, pass);
      if (kept !== product) product.release();
      return kept.add_(x);
    },
  };
}
