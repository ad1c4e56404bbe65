/**
 * ResNet (methods.md 3.5): stem 7x7/2, max pool 3x3/2, four stages, global average, dense. Depths 18 and 34 have basic
 * blocks, the others bottlenecks with the stride on the 3x3 ("v1.5"). Tensors are named as in torchvision.
 */
import { choice } from "../options.js";
import { defineModel } from "./model-definition.js";
import { residualNetwork, residualOptions } from "./parts/residual-network.js";

const stages = {
  "18": { block: "basic", counts: [2, 2, 2, 2] },
  "34": { block: "basic", counts: [3, 4, 6, 3] },
  "50": { block: "bottleneck", counts: [3, 4, 6, 3] },
  "101": { block: "bottleneck", counts: [3, 4, 23, 3] },
  "152": { block: "bottleneck", counts: [3, 8, 36, 3] },
} as const;

const widths = [64, 128, 256, 512];

export const resnet = defineModel({
  name: "resnet",
  paper: "arXiv:1512.03385, Table 1",
  summary: "residual network for large images, 25.6 million parameters at depth 50 and 1000 classes",
  options: {
    depth: choice(["18", "34", "50", "101", "152"], "50", { doc: "number of layers with weights" }),
    ...residualOptions,
  },
  presets: {
    "resnet-18": { depth: "18" },
    "resnet-34": { depth: "34" },
    "resnet-50": { depth: "50" },
    "resnet-101": { depth: "101" },
    "resnet-152": { depth: "152" },
  },
  input: { channels: 3, height: 224, width: 224, numClasses: 1000 },
  create(input, { depth, ...options }) {
    const { block, counts } = stages[depth];
    const inner = widths.map((n) => Math.max(1, Math.floor(n * options.width)));
    const outputs = widths.map((n) => (block === "basic" ? n : 4 * n));
    return residualNetwork(input, { ...options, block, counts, widths: inner, outputs });
  },
});
