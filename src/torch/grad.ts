/** Gradient and precision modes, as scopes that are restored on a throw. Functions given must be synchronous. */
import { addon } from "./addon.js";

/** Runs `body` without recording a graph. */
export function noGrad<T>(body: () => T): T {
  const before = addon().setGradMode(false);
  try {
    return body();
  } finally {
    addon().setGradMode(before);
  }
}

/** Runs `body` recording a graph, also inside `noGrad`. */
export function withGrad<T>(body: () => T): T {
  const before = addon().setGradMode(true);
  try {
    return body();
  } finally {
    addon().setGradMode(before);
  }
}

/** Whether operators record a graph here. */
export function gradEnabled(): boolean {
  const before = addon().setGradMode(false);
  addon().setGradMode(before);
  return before;
}

/** tf32: float32 whose products a GPU may round to TF32 (`useCuda`). */
export type Precision = "fp32" | "tf32" | "bf16";

/** Runs `body` with libtorch's autocast: convolutions and products in bfloat16, losses in float32. Other than "bf16" does nothing. */
export function autocast<T>(precision: Precision, device: string, body: () => T): T {
  if (precision !== "bf16") return body();
  addon().enterAutocast(device, "bfloat16");
  try {
    return body();
  } finally {
    addon().leaveAutocast(device);
  }
}
