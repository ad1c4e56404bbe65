/**
 * Weight normalization with mean-only batch norm (Salimans & Kingma; methods.md 1.4), for convolutions and dense layers:
 * W = g V / ||V||, u = layer(x; W), y = u - mean(u) + b, and the leaky ReLU of y. Data-dependent initialization in mode `init`.
 */
import type { Rng } from "../../rng.js";
import {
  batchNormLeakyRelu,
  conv2d as convolve,
  leakyRelu,
  linear as multiply,
  noGrad,
  normal,
  ones,
  type Tensor,
  zeros,
} from "../../torch/index.js";
import type { Module, Pass } from "../module.js";
import { buffer, parameter } from "../parameter.js";
import type { ConvSpec } from "./conv2d.js";

/** Standard deviation of the fresh direction tensors. */
const DIRECTION_STD = 0.05;

interface WeightNormSpec extends RunningMeanSpec {
  readonly leakySlope?: number | undefined;
  /** Added to the variance under the root at data-dependent initialization. */
  readonly initEps: number;
}

/**
 * How the running mean m of batch means u gets away from its start at 0. `corrected`: m is the mean of all u so far, weighted
 * keep^age, as Adam corrects its moments: m <- m + (1 - keep) / (1 - keep^t) (u - m) at update t. `zero`: m <- keep m +
 * (1 - keep) u, as published: 1 - keep^t of that, 22 % after 250 updates of keep 0.999.
 */
export const NORM_STARTS = ["corrected", "zero"] as const;
export type NormStart = (typeof NORM_STARTS)[number];

export interface RunningMeanSpec {
  /** Share of the old running mean kept at each update. Default 0.999. */
  readonly keep?: number;
  /** Default `corrected`. */
  readonly start?: NormStart;
}

/** Convolution, and the leaky ReLU of `leakySlope` in one pass with the mean's; V `[out, in, k, k]`, g and b `[out]`, running mean `[out]`. */
export function weightNormConv2d(
  inChannels: number,
  outChannels: number,
  spec: ConvSpec & { readonly padding?: number; readonly leakySlope?: number },
  running: RunningMeanSpec = {},
): Module {
  const { kernel, stride = 1, padding = (kernel - 1) / 2, leakySlope } = spec;
  const shape = [outChannels, inChannels, kernel, kernel];
  return weightNorm(shape, { ...running, leakySlope, initEps: 1e-8 }, (x, weight) =>
    convolve(x, weight, { stride, padding }),
  );
}

/** Dense layer; V `[out, in]`. */
export function weightNormLinear(inFeatures: number, outFeatures: number, running: RunningMeanSpec = {}): Module {
  return weightNorm([outFeatures, inFeatures], { ...running, initEps: 1e-10 }, (x, weight) => multiply(x, weight));
}

function weightNorm(
  shape: readonly number[],
  { keep = 0.999, start = "corrected", leakySlope = 1, initEps }: WeightNormSpec,
  layer: (x: Tensor, weight: Tensor) => Tensor,
): Module {
  const channels = shape[0]!;
  const direction = parameter(shape);
  const gain = parameter([channels]);
  const bias = parameter([channels]);
  const runningMean = buffer([channels]);
  /** 1 - keep^t: the share of batch means in a running mean that is not corrected. */
  const share = start === "corrected" ? buffer([1]) : undefined;
  const update = (mean: Tensor, kept: number) => {
    if (kept === 1) return; // nothing is added, and there may be nothing to divide by
    if (!share) runningMean.mul_(kept).add_(mean, 1 - kept);
    else {
      share.mul_(kept).add_(1 - kept);
      runningMean.add_(mean.sub(runningMean).mul(share.pow(-1).mul(1 - kept)));
    }
  };
  const dense = shape.length === 2;
  const activate = (y: Tensor) => (leakySlope === 1 ? y : leakyRelu(y, leakySlope));
  const weightAxes = shape.map((_, axis) => axis).slice(1);
  const gainShape = [channels, ...weightAxes.map(() => 1)];

  /** u without gain and offset turned into W x; statistics over every axis of u but the channels. */
  const project = (x: Tensor) => {
    const norm = direction.mul(direction).sum(weightAxes, true).clampMin(1.2e-38).sqrt(); // V = 0 gives W = 0, and no gradient of NaN
    return layer(x, direction.mul(gain.reshape(gainShape).div(norm)));
  };
  const statisticsAxes = (u: Tensor) => u.shape.map((_, axis) => axis).filter((axis) => axis !== 1);
  const perChannel = (t: Tensor, u: Tensor) => t.reshape(u.shape.map((n, axis) => (axis === 1 ? n : 1)));

  const kernel = dense ? "linear" : `conv ${shape[2]}x${shape[3]}`;
  const act = leakySlope === 1 ? "" : ` + leaky relu ${leakySlope}`;
  return {
    type: `${kernel}, weight norm${act}`,
    initializesFromData: true,
    children: {},
    parameters: { weight_v: direction, weight_g: gain, bias },
    buffers: { running_mean: runningMean, ...(share && { running_share: share }) },
    reset(rng: Rng) {
      direction.copy_(normal(shape, 0, DIRECTION_STD, rng));
      gain.fill_(1);
      bias.zero_();
      runningMean.zero_();
      share?.zero_();
    },
    forward(x: Tensor, pass: Pass) {
      const { mode, updateStatistics = mode === "train", keepStatistics: kept = keep, syncStatistics = false } = pass;
      if (mode === "init") {
        noGrad(() => {
          gain.fill_(1);
          const u = project(x).float();
          const centered = u.sub(u.mean(statisticsAxes(u), true));
          const variance = centered.mul(centered).mean(statisticsAxes(u)); // divided by the count
          gain.copy_(variance.add(initEps).rsqrt());
          bias.zero_();
        });
      }
      const u = project(x);
      if (mode === "eval") return activate(u.float().add(perChannel(bias.sub(runningMean), u)));
      const mean = zeros([channels], { device: u.device });
      const y = batchNormLeakyRelu(
        dense ? u.float() : u, // logits in full precision
        {
          weight: ones([channels], { device: u.device }),
          bias,
          runningMean: mean,
          runningVar: undefined,
          training: true,
          momentum: 1, // the operator's "running" mean is this batch's
          eps: 0,
          everywhere: syncStatistics,
          meanOnly: true,
          overwrite: true,
        },
        leakySlope,
      );
      if (updateStatistics) noGrad(() => update(mean, kept));
      return y;
    },
  };
}
