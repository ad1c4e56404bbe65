import { type DType, scope, type Tensor, zeros } from "../torch/index.js";

/** Where `parameter` and `buffer` put their tensors. */
let place = "cpu";

/** A trainable tensor: kept beyond every scope, gradients on. 4-D ones in channels_last layout, as convolutions like it. */
export function parameter(shape: readonly number[]): Tensor {
  return scope(() => {
    const t = zeros(shape, { device: place });
    return (shape.length === 4 ? t.contiguous("channelsLast") : t).keep().requiresGrad_();
  });
}

/** A running statistic: kept, no gradient. */
export function buffer(shape: readonly number[], dtype: DType = "float32"): Tensor {
  return zeros(shape, { dtype, device: place }).keep();
}

/** Makes modules whose tensors have shapes but no memory, to count and name them; they cannot be run or initialized. */
export function withoutValues<T>(makeModules: () => T): T {
  const before = place;
  place = "meta";
  try {
    return makeModules();
  } finally {
    place = before;
  }
}
