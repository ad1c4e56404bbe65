/**
 * ResNeXt (methods.md 3.3): ResNet's bottlenecks with wider, grouped 3x3 convolutions. Depth 152 with 32x4d and two heads is
 * the ImageNet network of Mean Teacher. Tensors are named as in torchvision.
 */
import { choice, integer } from "../options.js";
import { defineModel } from "./model-definition.js";
import { residualNetwork, residualOptions } from "./parts/residual-network.js";

const counts = { "50": [3, 4, 6, 3], "101": [3, 4, 23, 3], "152": [3, 8, 36, 3] } as const;

export const resnext = defineModel({
  name: "resnext",
  paper: "arXiv:1611.05431, Table 1; arXiv:1703.01780, Section 3.4",
  summary: "residual network with grouped convolutions, 25.0 million parameters at depth 50 and 1000 classes",
  options: {
    depth: choice(["50", "101", "152"], "50", { doc: "number of layers with weights" }),
    groups: integer(32, { min: 1, max: 64, doc: "groups of the 3x3 convolutions (cardinality)" }),
    groupWidth: integer(4, { min: 1, max: 64, doc: "channels of a group in the first stage" }),
    ...residualOptions,
  },
  presets: {
    "resnext-50": { depth: "50" },
    "resnext-101": { depth: "101" },
    "resnext-152": { depth: "152", heads: 2 },
  },
  input: { channels: 3, height: 224, width: 224, numClasses: 1000 },
  create(input, { depth, groups, groupWidth, ...options }) {
    const widths = [1, 2, 4, 8].map((factor) => groups * groupWidth * factor);
    const outputs = [256, 512, 1024, 2048];
    return residualNetwork(input, { ...options, block: "bottleneck", counts: counts[depth], widths, outputs, groups });
  },
});
