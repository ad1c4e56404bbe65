/** Weights by PyTorch's names with a `config.json` as timm has it. */
import { join } from "node:path";
import { writeSafetensors } from "../../files/safetensors.js";
import { writeWhole } from "../../files/write-whole.js";
import type { NamedTensor } from "../../nn/index.js";
import type { ExportFacts } from "../facts.js";
import type { Source } from "../source.js";

/** ResNeXts that timm and torchvision know, by depth, groups and width of a group. */
const resnexts = new Set(["50_32x4d", "101_32x4d", "101_32x8d", "101_64x4d"]);

/** timm's name of a network of these options, where its tensors have the same names there and mean the same. */
export function timmArchitecture(
  model: string,
  options: Readonly<Record<string, unknown>>,
  ownHead: boolean,
): string | undefined {
  const { depth, groups, groupWidth, width, heads, padding, normEps } = options;
  if (!ownHead || (width ?? 1) !== 1 || heads !== 1 || padding !== "torch" || normEps !== 1e-5) return undefined;
  if (model === "resnet") return `resnet${depth}`;
  const form = `${depth}_${groups}x${groupWidth}d`;
  return model === "resnext" && resnexts.has(form) ? `resnext${form}` : undefined;
}

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

type Affine = Pick<Source["normalizing"], "normalize" | "scale" | "offset" | "unit">;

/** Mean and deviation of pixels in [0, 1], from input = pixel scale + offset; none where each picture has its own. */
export function meanAndStd(
  { normalize, scale, offset, unit = 255 }: Affine,
  channels: number,
): { mean?: number[]; std?: number[] } {
  const all = (value: number) => Array.from({ length: channels }, () => value);
  if (normalize === "none") return { mean: all(0), std: all(1) };
  if (!scale || !offset) return {};
  return { mean: offset.map((o, c) => -o / (scale[c]! * unit) || 0), std: scale.map((s) => 1 / (s * unit)) };
}

function timmConfig(
  { record, config, modelOptions, ownHead, normalizing, picture }: Source,
  facts: ExportFacts,
): object {
  const { input, evaluation } = record;
  const side = Math.min(picture.height, picture.width);
  const [x0, , x1] = evaluation?.box ?? [0, 0, side];
  return {
    architecture: timmArchitecture(config.model, modelOptions, ownHead) ?? config.model,
    num_classes: record.classes.length,
    label_names: record.classes,
    pretrained_cfg: {
      input_size: [input.channels, input.height, input.width],
      fixed_input_size: false,
      interpolation: "lanczos",
      crop_pct: (x1 - x0) / side,
      crop_mode: "center",
      ...meanAndStd(normalizing, input.channels),
      num_classes: record.classes.length,
      label_names: record.classes,
    },
    // What timm does not know of: options of the network, and normalizations that are no mean and deviation.
    fewlabels: { ...facts, modelOptions },
  };
}
