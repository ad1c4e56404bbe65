/** A network that is no run's: from outside the package, or with weights of one's own. */
import { FewlabelsError } from "../errors.js";
import type { Network } from "../nn/index.js";
import { packageVersion } from "../package.js";
import { Rng } from "../rng.js";
import { noGrad, scope, tensor } from "../torch/index.js";
import { relativeDifference, tolerance } from "./check.js";
import { buildOnnx } from "./onnx/build.js";
import { decodeOnnx, encodeOnnx } from "./onnx/file.js";
import { loadGraph } from "./onnx/run-graph.js";
import { type Dtype, shrink } from "./onnx/shrink.js";

export interface NetworkToOnnxOptions {
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  readonly numClasses: number;
  /** By channel: what the network takes is pixel * scale + offset. Default 1 / 255 and 0. */
  readonly scale?: readonly number[];
  readonly offset?: readonly number[];
  readonly dtype?: Dtype;
  readonly metadata?: Readonly<Record<string, string>>;
}

/**
 * The bytes of an ONNX file (opset 17) of a float32 network on the CPU: `pixel_values` `[batch, C, H, W]` 0..255 -> `logits`
 * `[batch, numClasses]`. The file is read back and gives the network's logits, or this throws. Throws UsageError where an operator has
 * no translation, or the pass depends on the size of the batch.
 */
export function networkToOnnx(network: Network, options: NetworkToOnnxOptions): Uint8Array {
  const { channels, height, width, dtype = "fp32", metadata = {} } = options;
  const scale = options.scale ?? new Array<number>(channels).fill(1 / 255);
  const offset = options.offset ?? new Array<number>(channels).fill(0);
  const model = buildOnnx(network, { ...options, normalize: "channel", scale, offset, metadata });
  const encoded = (kind: Dtype) => Buffer.concat(encodeOnnx(shrink(model, kind), packageVersion()));
  const shape = [3, channels, height, width];
  const rng = Rng.fromSeed(0);
  const pixels = Float32Array.from({ length: 3 * channels * height * width }, () => rng.integer(256));
  const ours = noGrad(() =>
    scope(() => {
      const perChannel = (values: readonly number[]) => tensor(Float32Array.from(values), [1, channels, 1, 1]);
      const x = tensor(pixels, shape).mul(perChannel(scale)).add(perChannel(offset));
      return network.forward(x, { mode: "eval", rng }).toArray() as Float32Array;
    }),
  );
  const checked = (kind: Dtype): Uint8Array => {
    const bytes = encoded(kind);
    const graph = loadGraph(decodeOnnx(bytes, "networkToOnnx"), "networkToOnnx");
    try {
      const difference = relativeDifference(graph.logits(pixels, shape), ours);
      if (kind === "fp32" ? difference <= tolerance : Number.isFinite(difference)) return bytes;
      throw new FewlabelsError(
        `networkToOnnx: the file gives other logits than the network (relative difference ${difference.toExponential(1)})`,
      );
    } finally {
      graph.release();
    }
  };
  // What is wrong in the graph would pass for rounding in a smaller type.
  const exact = checked("fp32");
  return dtype === "fp32" ? exact : checked(dtype);
}
