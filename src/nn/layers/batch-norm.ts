import { UsageError } from "../../errors.js";
import { batchNorm, batchNormLeakyRelu, type Tensor, whole } from "../../torch/index.js";
import type { Module, Pass } from "../module.js";
import { buffer, parameter } from "../parameter.js";

export interface BatchNormSpec {
  /** Share of the old running statistics kept at each update (PyTorch's momentum is 1 minus this). Default 0.9. */
  readonly keep?: number;
  readonly eps?: number;
  /** A leaky ReLU of this slope follows, fused into one kernel; 0 is ReLU. */
  readonly leakySlope?: number;
  /** The layer before made the input for this one alone: where no gradient is recorded, it is written over. Default false. */
  readonly ownsInput?: boolean;
  /** Fresh value of the gain, default 1. */
  readonly gain?: number;
}

/**
 * Batch normalization over N, H, W (or N), with gain and offset; running variance is the unbiased one, as in PyTorch. Throws UsageError where batch
 * statistics would be of one value a channel.
 */
export function batchNorm2d(
  channels: number,
  { keep = 0.9, eps = 1e-5, leakySlope, ownsInput = false, gain = 1 }: BatchNormSpec = {},
): Module {
  const weight = parameter([channels]);
  const bias = parameter([channels]);
  const runningMean = buffer([channels]);
  const runningVar = buffer([channels]);
  const act = leakySlope === undefined ? "" : leakySlope === 0 ? " + relu" : ` + leaky relu ${leakySlope}`;
  return {
    type: `batch norm${act}`,
    children: {},
    parameters: { weight, bias },
    buffers: { running_mean: runningMean, running_var: runningVar },
    keepsStatistics: keep,
    reset() {
      weight.fill_(gain);
      bias.zero_();
      runningMean.zero_();
      runningVar.fill_(1);
    },
    forward(x: Tensor, pass: Pass) {
      const {
        mode,
        updateStatistics = mode === "train",
        keepStatistics = keep,
        syncStatistics = false,
        spread = whole,
      } = pass;
      const training = mode !== "eval";
      if (training && x.numel * (syncStatistics ? spread.size : 1) <= channels) throw new UsageError(tooFew(x));
      const running =
        !training || updateStatistics ? { runningMean, runningVar } : { runningMean: undefined, runningVar: undefined };
      const settings = { weight, bias, ...running, training, momentum: 1 - keepStatistics, eps, overwrite: ownsInput };
      if (training && syncStatistics) return batchNormLeakyRelu(x, { ...settings, everywhere: true }, leakySlope ?? 1);
      return leakySlope === undefined ? batchNorm(x, settings) : batchNormLeakyRelu(x, settings, leakySlope);
    },
  };
}

/** One value has no variance: its unbiased one would be NaN for good in the running statistics. */
function tooFew(x: Tensor): string {
  return (
    `batch norm: expected more than one value a channel to take statistics of, got [${x.shape.join(", ")}]. ` +
    "Take a larger --batch, a smaller --accumulate or larger pictures"
  );
}
