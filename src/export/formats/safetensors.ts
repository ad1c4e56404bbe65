/** Weights by PyTorch's names with a `config.json` as timm has it. */
import { join } from "node:path";
import { writeSafetensors } from "../../files/safetensors.js";
import { writeWhole } from "../../files/write-whole.js";
import type { NamedTensor } from "../../nn/index.js";
import type { ExportFacts } from "../facts.js";
import type { Source } from "../source.js";

/** Registered names whose tensors and architecture are torchvision's and timm's. */
const architectures: Readonly<Record<string, string>> = {
  "resnet-18": "resnet18",
  "resnet-34": "resnet34",
  "resnet-50": "resnet50",
  "resnet-101": "resnet101",
  "resnet-152": "resnet152",
  "resnext-50": "resnext50_32x4d",
  "resnext-101": "resnext101_32x8d",
};

/** Writes `model.safetensors` and `config.json` into `folder`. Tensors are float32, as the run holds them. */
export function writeWeights(folder: string, source: Source, facts: ExportFacts): void {
  const { parameters, buffers } = source.model;
  const tensors = Object.fromEntries([...parameters, ...buffers].map((named) => [named.name, tensorSource(named)]));
  writeSafetensors(join(folder, "model.safetensors"), tensors, { format: "pt", fewlabels: JSON.stringify(facts) });
  writeWhole(join(folder, "config.json"), `${JSON.stringify(timmConfig(source, facts), null, 2)}\n`);
}

function tensorSource({ tensor }: NamedTensor) {
  const bytes = () => {
    const { buffer, byteOffset, byteLength } = tensor.float().toArray();
    return new Uint8Array(buffer, byteOffset, byteLength);
  };
  return { dtype: "F32", shape: tensor.shape, bytes } as const;
}

/** timm's name, where the options leave the architecture as published. */
function published({ model, modelOptions }: Source["config"]): string | undefined {
  const { width, heads, padding } = modelOptions as Readonly<Record<string, unknown>>;
  return (width ?? 1) === 1 && heads === 1 && padding === "torch" ? architectures[model] : undefined;
}

/** Mean and deviation of pixels in [0, 1], from input = pixel scale + offset. */
function meanAndStd({ scale, offset }: Source["normalizing"]) {
  if (!scale || !offset) return {};
  return { mean: offset.map((o, c) => -o / (scale[c]! * 255) || 0), std: scale.map((s) => 1 / (s * 255)) };
}

function timmConfig({ record, config, normalizing, decoding }: Source, facts: ExportFacts): object {
  const { input } = record;
  const side = decoding?.size ?? input.height;
  return {
    architecture: published(config) ?? config.model,
    num_classes: record.classes.length,
    label_names: record.classes,
    pretrained_cfg: {
      input_size: [input.channels, input.height, input.width],
      fixed_input_size: false,
      interpolation: "lanczos",
      crop_pct: input.height / side,
      crop_mode: "center",
      ...meanAndStd(normalizing),
      num_classes: record.classes.length,
      label_names: record.classes,
    },
    // What timm does not know of: options of the network, and normalizations that are no mean and deviation.
    fewlabels: { ...facts, modelOptions: config.modelOptions },
  };
}
