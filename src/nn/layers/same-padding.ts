import { constantPad2d, type Tensor } from "../../torch/index.js";

/**
 * TensorFlow's "SAME" padding, after which a window of `kernel` at `stride` gives ceil(size / stride) outputs an axis:
 * max(0, (ceil(size / stride) - 1) stride + kernel - size) entries, half of them before and the odd one after. At even
 * sizes and stride 2 that is not PyTorch's (kernel - 1) / 2 on both sides (methods.md 3.5).
 */
export function samePadding(size: number, kernel: number, stride: number): readonly [before: number, after: number] {
  const total = Math.max(0, (Math.ceil(size / stride) - 1) * stride + kernel - size);
  const before = Math.floor(total / 2);
  return [before, total - before];
}

/** x `[N, C, H, W]` padded with `value` as "SAME" asks; `x` itself where nothing is to be added. */
export function padSame(x: Tensor, kernel: number, stride: number, value = 0): Tensor {
  const [top, bottom] = samePadding(x.size(2), kernel, stride);
  const [left, right] = samePadding(x.size(3), kernel, stride);
  return top + bottom + left + right === 0 ? x : constantPad2d(x, { left, right, top, bottom }, value);
}
