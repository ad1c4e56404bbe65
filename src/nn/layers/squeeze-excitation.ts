import { hardSigmoid, type Tensor } from "../../torch/index.js";
import type { Module, Pass } from "../module.js";
import { conv2d } from "./conv2d.js";

/**
 * Squeeze and excitation: x * sigmoid(fc2(silu(fc1(mean of x over H and W)))), channel by channel; `hard`: relu and the hard
 * sigmoid in their place, as in MobileNetV3. x `[N, C, H, W]`; fc1 `[squeezed, C, 1, 1]` and fc2 `[C, squeezed, 1, 1]`, both with
 * bias (torchvision's names).
 *
 * @see Hu et al., arXiv:1709.01507, section 3
 */
export function squeezeExcitation(channels: number, squeezed: number, { hard = false } = {}): Module {
  const fc1 = conv2d(channels, squeezed, { kernel: 1, bias: true, init: "fan-out" });
  const fc2 = conv2d(squeezed, channels, { kernel: 1, bias: true, init: "fan-out" });
  return {
    children: { fc1, fc2 },
    parameters: {},
    buffers: {},
    forward(x: Tensor, pass: Pass) {
      const squeezedMaps = fc1.forward(x.mean([2, 3], true), pass); // [N, squeezed, 1, 1]
      const gate = fc2.forward(hard ? squeezedMaps.relu() : squeezedMaps.silu(), pass);
      return x.mul(hard ? hardSigmoid(gate) : gate.sigmoid());
    },
  };
}
