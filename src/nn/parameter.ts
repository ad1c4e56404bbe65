import { type DType, type Tensor, zeros } from "../torch/index.js";

/** A trainable tensor: kept beyond every scope, gradients on. 4-D ones in channels_last layout, as convolutions like it. */
export function parameter(shape: readonly number[]): Tensor {
  const t = zeros(shape);
  return (shape.length === 4 ? t.contiguous("channelsLast") : t).keep().requiresGrad_();
}

/** A running statistic: kept, no gradient. */
export function buffer(shape: readonly number[], dtype: DType = "float32"): Tensor {
  return zeros(shape, { dtype }).keep();
}
