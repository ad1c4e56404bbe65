/** A network with all that stands before it as one ONNX model. */
import type { Module } from "../../nn/index.js";
import { Builder } from "./builder.js";
import { foldBatchNorm } from "./fold.js";
import type { OnnxModel } from "./model.js";
import { addGray, addPreprocessing, type Normalizing } from "./preprocess.js";
import { addNetwork } from "./record.js";

export interface BuildOptions extends Normalizing {
  /** Of the pictures, before `box`. */
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  readonly numClasses: number;
  readonly metadata: Readonly<Record<string, string>>;
  /** The input is color although the network is gray: the graph begins with the conversion. Default false. */
  readonly fromColor?: boolean;
}

/** The names that transformers.js expects. */
export const INPUT = "pixel_values";
export const OUTPUT = "logits";

/**
 * `pixel_values` `[batch, C, H, W]` float32, 0..255 -> `logits` `[batch, K]`, no softmax. `network` in float32 on the CPU. Throws
 * UsageError as `addNetwork` does.
 */
export function buildOnnx(network: Module, options: BuildOptions): OnnxModel {
  const { channels, height, width, numClasses, metadata, box } = options;
  const [x0, y0, x1, y1] = box ?? [0, 0, width, height];
  const inner = { channels, height: y1 - y0, width: x1 - x0 };
  const b = new Builder(INPUT);
  const colors = options.fromColor && channels === 1 ? 3 : channels;
  const own = colors === channels ? INPUT : addGray(b, INPUT);
  const x = addPreprocessing(b, own, [channels, height, width], options);
  const logits = addNetwork(b, network, inner, x);
  b.nodes.push({ op: "Identity", inputs: [logits], outputs: [OUTPUT], attributes: {}, name: OUTPUT });
  return foldBatchNorm({
    nodes: b.nodes,
    initializers: b.initializers,
    input: { name: INPUT, type: "float32", shape: ["batch", colors, height, width] },
    output: { name: OUTPUT, type: "float32", shape: ["batch", numClasses] },
    metadata,
  });
}
