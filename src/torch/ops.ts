/** Operators that are not methods of Tensor: factories, joins, convolution and pooling, losses. */
import { addon } from "./addon.js";
import { call, callTensor, type DType, type Tensor } from "./tensor.js";

export interface Like {
  readonly dtype?: DType;
  readonly device?: string;
}

/** Filled with one value; float32 on the CPU unless told otherwise. */
export function full(shape: readonly number[], value: number, like: Like = {}): Tensor {
  return callTensor("aten::full", "", shape, value, like.dtype ?? "float32", undefined, like.device ?? "cpu");
}
export function zeros(shape: readonly number[], like: Like = {}): Tensor {
  return full(shape, 0, like);
}
export function ones(shape: readonly number[], like: Like = {}): Tensor {
  return full(shape, 1, like);
}
export function zerosLike(t: Tensor): Tensor {
  return callTensor("aten::zeros_like", "", t);
}
/** `[n]` int64: 0, 1, ... n-1. */
export function arange(n: number, like: Like = {}): Tensor {
  return callTensor("aten::arange", "", n, like.dtype ?? "int64", undefined, like.device ?? "cpu");
}
/** `[N, K]` float32 from `[N]` int64. */
export function oneHot(index: Tensor, numClasses: number): Tensor {
  return callTensor("aten::one_hot", "", index, numClasses).float();
}

/**
 * How often 0, 1, ... n - 1 occur in `index` `[N]` int64 (all below n), or the sum of their weights `[N]`: `[n]` float32. Does not wait
 * for the device.
 */
export function countsOf(index: Tensor, n: number, weights?: Tensor): Tensor {
  if (index.device === "cpu") return callTensor("aten::bincount", "", index, weights, n).float();
  return scatteredCounts(index, n, weights);
}

/** The same on a GPU, where bincount waits for it. Counts, and sums of whole numbers, are exact in any order. */
export function scatteredCounts(index: Tensor, n: number, weights?: Tensor): Tensor {
  const { device } = index;
  const each = weights?.float() ?? ones(index.shape, { device });
  return callTensor("aten::scatter_add", "", zeros([n], { device }), 0, index, each);
}

export function cat(tensors: readonly Tensor[], axis = 0): Tensor {
  return callTensor("aten::cat", "", tensors, axis);
}
/** A view that repeats axes of size 1 up to `shape`. */
export function expand(t: Tensor, shape: readonly number[]): Tensor {
  return callTensor("aten::expand", "", t, shape, false);
}
export function stack(tensors: readonly Tensor[], axis = 0): Tensor {
  return callTensor("aten::stack", "", tensors, axis);
}
/** Elementwise choice: `condition` bool, `a` where true, `b` where false. */
export function where(condition: Tensor, a: Tensor, b: Tensor): Tensor {
  return callTensor("aten::where", "self", condition, a, b);
}
/** a + weight (b - a) with broadcasting. */
export function lerp(a: Tensor, b: Tensor, weight: Tensor): Tensor {
  return callTensor("aten::lerp", "Tensor", a, b, weight);
}
/** The same written over `out`, without recording: `out` must have the result's shape and dtype. */
export function lerpInto(out: Tensor, a: Tensor, b: Tensor, weight: Tensor): void {
  call("aten::lerp", "Tensor_out", a, b, weight, out);
}
export function maximum(a: Tensor, b: Tensor): Tensor {
  return callTensor("aten::maximum", "", a, b);
}

export interface ConvOptions {
  readonly bias?: Tensor | undefined;
  readonly stride?: number;
  readonly padding?: number;
  readonly groups?: number;
}

/** x `[N, C, H, W]`, weight `[O, C / groups, kH, kW]` -> `[N, O, H', W']`. */
export function conv2d(
  x: Tensor,
  weight: Tensor,
  { bias, stride = 1, padding = 0, groups = 1 }: ConvOptions = {},
): Tensor {
  // The backward pass of oneDNN 2.7 (libtorch 1.13, AVX2) writes behind its buffer where pixels are skipped and channels fill no
  // vector, and takes the process down: the pixels are picked before (test/torch/conv.test.ts).
  if (weight.size(2) === 1 && weight.size(3) === 1 && stride > 1 && padding === 0 && weight.size(1) % 8 > 0) {
    return conv2d(x.everyNth(2, 0, stride).everyNth(3, 0, stride), weight, { bias, groups });
  }
  if (stride === 1 && groups === 1 && !bias) {
    return callTensor("fewlabels::conv2d", "", x, weight, padding);
  }
  return callTensor("aten::conv2d", "", x, weight, bias, [stride, stride], [padding, padding], [1, 1], groups);
}
/** x `[..., D]`, weight `[O, D]`, bias `[O]` -> `[..., O]`. */
export function linear(x: Tensor, weight: Tensor, bias?: Tensor): Tensor {
  return callTensor("aten::linear", "", x, weight, bias);
}
export function maxPool2d(x: Tensor, kernel: number, stride = kernel, padding = 0): Tensor {
  if (kernel === 2 && stride === 2 && padding === 0) return callTensor("fewlabels::max_pool2x2", "", x);
  return callTensor("aten::max_pool2d", "", x, [kernel, kernel], [stride, stride], [padding, padding]);
}
export interface Margins {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}
/** `[..., H, W]` with `value` around it. */
export function constantPad2d(x: Tensor, { left, right, top, bottom }: Margins, value: number): Tensor {
  return callTensor("aten::constant_pad_nd", "", x, [left, right, top, bottom], value);
}
/** Mean over height and width: `[N, C, H, W]` -> `[N, C]`. */
export function globalAvgPool(x: Tensor): Tensor {
  return x.mean([2, 3]);
}

/** x Phi(x), exact (by the error function). */
export function gelu(x: Tensor): Tensor {
  return callTensor("aten::gelu", "", x, "none");
}
/** min(max(x + 3, 0), 6) / 6. */
export function hardSigmoid(x: Tensor): Tensor {
  return callTensor("aten::hardsigmoid", "", x);
}
/** x min(max(x + 3, 0), 6) / 6. */
export function hardSwish(x: Tensor): Tensor {
  return callTensor("aten::hardswish", "", x);
}
/** min(max(x, low), high). */
export function hardTanh(x: Tensor, low: number, high: number): Tensor {
  // Older libtorch has no gradient of hardtanh in bfloat16.
  return callTensor(x.dtype === "bfloat16" ? "aten::clamp" : "aten::hardtanh", "", x, low, high);
}
/** Over the last axis: x `[..., D]`, weight and bias `[D]`. */
export function layerNorm(x: Tensor, weight: Tensor, bias: Tensor, eps: number): Tensor {
  // Its statistics need float32, and older libtorch takes no other type beside float32 weights.
  const normalized = callTensor("aten::layer_norm", "", x.to(weight.dtype), [weight.size(0)], weight, bias, eps, true);
  return normalized.to(x.dtype);
}
/** softmax(q k' / sqrt(D)) v of `[N, heads, T, D]` each, by the fused operator of the libtorch at hand. */
export function attention(q: Tensor, k: Tensor, v: Tensor): Tensor {
  // Until 2.0 the operator was called otherwise and gave the weights too.
  if (!addon().info().libtorch.startsWith("1.")) return callTensor("aten::scaled_dot_product_attention", "", q, k, v);
  const results = call("aten::_scaled_dot_product_attention", "", q, k, v, undefined, 0, false, false);
  const [out, weights] = results as [Tensor, Tensor | undefined];
  weights?.release();
  return out;
}
/** Of height and width. */
type Grid = readonly [number, number];

/** `[N, C, H, W]` -> `[N, C, height, width]`; `scales` of the axes where they are not the ratios of the sizes. */
export function resizeBicubic(x: Tensor, [height, width]: Grid, scales?: Grid): Tensor {
  return callTensor("aten::upsample_bicubic2d", "", x, [height, width], false, scales?.[0], scales?.[1]);
}

export interface BatchNormArguments {
  readonly weight: Tensor;
  readonly bias: Tensor;
  readonly runningMean: Tensor | undefined;
  readonly runningVar: Tensor | undefined;
  /** true: statistics of this batch, and the running ones (if given) are updated. */
  readonly training: boolean;
  /** PyTorch's momentum: share of the new statistics. */
  readonly momentum: number;
  readonly eps: number;
  /** Statistics of the rows of all processes (`batchNormLeakyRelu` alone; 1 is the slope of no ReLU). Default false. */
  readonly everywhere?: boolean;
  /** The mean is taken off, nothing divided by the deviation; no running variance (`batchNormLeakyRelu` alone). Default false. */
  readonly meanOnly?: boolean;
  /** Nobody else needs x: where no gradient is recorded the result may take its place (`batchNormLeakyRelu` alone). Default false. */
  readonly overwrite?: boolean;
}

export function batchNorm(x: Tensor, a: BatchNormArguments): Tensor {
  const { weight, bias, runningMean, runningVar, training, momentum, eps } = a;
  return callTensor("aten::batch_norm", "", x, weight, bias, runningMean, runningVar, training, momentum, eps, false);
}
/** max(x, slope x). */
export function leakyRelu(x: Tensor, slope: number): Tensor {
  return callTensor("aten::leaky_relu", "", x, slope);
}
/** The same in place: `x` must not be needed by anybody else's gradient. Returns `x` itself. */
export function leakyRelu_(x: Tensor, slope: number): Tensor {
  call("aten::leaky_relu_", "", x, slope);
  return x;
}

/**
 * Batch norm followed by a leaky ReLU: one kernel where the channels lie side by side (`[N, C]`, or `[N, C, H, W]` in
 * channels_last) on the CPU in float32 or bfloat16, else the two operators. Throws in training with one value a channel.
 */
export function batchNormLeakyRelu(x: Tensor, a: BatchNormArguments, slope: number): Tensor {
  const { weight, bias, runningMean, runningVar, training, momentum, eps } = a;
  const { everywhere = false, meanOnly = false, overwrite = false } = a;
  const settings = [training, momentum, eps, slope, everywhere, meanOnly, overwrite] as const;
  const input = everywhere && x.shape.length === 4 ? x.contiguous("channelsLast") : x;
  return callTensor("fewlabels::batch_norm_leaky_relu", "", input, weight, bias, runningMean, runningVar, ...settings);
}

/** Multi-tensor: every `a[i] *= factor`. */
export function foreachMul_(tensors: readonly Tensor[], factor: number): void {
  call("fewlabels::multi_scale_", "Scalar", tensors, factor);
}
/** Multi-tensor: every `a[i] += alpha b[i]`. */
export function foreachAdd_(tensors: readonly Tensor[], others: readonly Tensor[], alpha = 1): void {
  call("fewlabels::multi_add_", "Scalar", tensors, others, alpha);
}
/** Multi-tensor: every `a[i] += value b[i] c[i]`. */
export function foreachAddcmul_(a: readonly Tensor[], b: readonly Tensor[], c: readonly Tensor[], value: number): void {
  call("fewlabels::multi_addcmul_", "Scalar", a, b, c, value);
}
/** Multi-tensor: every `a[i] += value b[i] / c[i]`. */
export function foreachAddcdiv_(a: readonly Tensor[], b: readonly Tensor[], c: readonly Tensor[], value: number): void {
  call("fewlabels::multi_addcdiv_", "Scalar", a, b, c, value);
}
export function foreachSqrt(tensors: readonly Tensor[]): Tensor[] {
  return call("fewlabels::multi_sqrt", "", tensors) as Tensor[];
}
export function foreachAddScalar_(tensors: readonly Tensor[], value: number): void {
  call("fewlabels::multi_shift_", "Scalar", tensors, value);
}
/** Multi-tensor: every `a[i] *= factors[i]`; a factor may be a scalar tensor, so nothing waits for the device. */
export function foreachMulEach_(tensors: readonly Tensor[], factors: readonly Tensor[]): void {
  call("aten::_foreach_mul_", "List", tensors, factors);
}
/** The 2-norm of each tensor, as scalars. */
export function foreachNorm(tensors: readonly Tensor[]): Tensor[] {
  return call("aten::_foreach_norm", "Scalar", tensors, 2) as Tensor[];
}
