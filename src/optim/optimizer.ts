/** What an optimizer is, and one training step with it. */

import { UsageError } from "../errors.js";
import type { Schedule } from "../schedules/index.js";
import type { Stateful } from "../stateful.js";
import type { Tensor } from "../torch/index.js";
import type { RateFactor } from "./rates.js";

/** The part of the loop's `Progress` that schedules read; `step` counts from 0. */
export interface StepProgress {
  readonly step: number;
  readonly totalSteps: number;
}

/** What a step found out. */
export interface StepInfo {
  /** Global norm of the gradients before clipping (scalar); only when the optimizer clips. */
  readonly gradNorm?: Tensor;
}

export interface Optimizer extends Stateful {
  /**
   * Changes the weights by their gradients; a weight without a gradient stays as it is. The gradients themselves are
   * changed too (weight decay, clipping): read them before.
   */
  step(now: StepProgress): StepInfo;
  /** Forgets all gradients. */
  zeroGrad(): void;
  /** Learning rate at a step. */
  readonly learningRate: Schedule;
  /** Factor on it for one parameter. Default 1 for every parameter. */
  readonly rateFactor?: RateFactor | undefined;
}

/** One descent on `loss` (a scalar): forget old gradients, backward, clip, step. */
export function minimize(loss: Tensor, optimizer: Optimizer, now: StepProgress): StepInfo {
  optimizer.zeroGrad();
  loss.backward();
  return optimizer.step(now);
}

/** Throws UsageError unless what a definition from outside made is an optimizer. */
export function checkOptimizer(optimizer: Partial<Optimizer> | undefined, file: string): void {
  const needed = ["step", "zeroGrad", "learningRate", "stateDict", "loadStateDict"] as const;
  const missing = needed.filter((key) => typeof optimizer?.[key] !== "function");
  if (missing.length === 0) return;
  throw new UsageError(`${file}: create() must return an optimizer; its functions ${missing.join(", ")} are missing`);
}
