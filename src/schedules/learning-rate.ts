/**
 * Whole learning-rate recipes: factories of functions from the 0-based optimizer step to a learning rate. Names and
 * formulas as in docs/schedules-and-losses.md. `base` is always the largest rate.
 */
import { badValue, UsageError } from "../errors.js";
import { cos7_16, cosHalf } from "./cosine.js";
import { sigmoidDown, teDown } from "./ramp-down.js";
import { linearUp, sigmoidUp } from "./ramp-up.js";

/** A quantity over time; `step` counts from 0. */
export type Schedule = (step: number) => number;

/**
 * `base` from the start, after an optional linear warm-up: base min(1, (step + 1) / warmupSteps). The `+ 1` keeps the
 * first step from being wasted at rate 0.
 */
export function constantRate({ base, warmupSteps = 0 }: { base: number; warmupSteps?: number }): Schedule {
  return (step) => base * linearUp(step + 1, warmupSteps);
}

export interface RampedRate {
  readonly base: number;
  readonly warmupSteps: number;
  readonly rampDownSteps: number;
  readonly totalSteps: number;
}

/**
 * Mean Teacher's ConvNet: base sigmoidUp(step, warmupSteps) sigmoidDown(step, rampDownSteps, totalSteps).
 * From 0.0067 base at step 0 to 3.7e-6 base at totalSteps.
 */
export function sigmoidRate({ base, warmupSteps, rampDownSteps, totalSteps }: RampedRate): Schedule {
  return (step) => base * sigmoidUp(step, warmupSteps) * sigmoidDown(step, rampDownSteps, totalSteps);
}

/**
 * Temporal Ensembling: base sigmoidUp(e, U) teDown(e, R, E) on whole epochs e = floor(step / epochSteps), with U, R
 * and E the step counts over epochSteps. Changes once an epoch.
 */
export function temporalEnsemblingRate(options: RampedRate & { readonly epochSteps: number }): Schedule {
  const { base, warmupSteps, rampDownSteps, totalSteps, epochSteps } = options;
  if (!(epochSteps > 0))
    throw new UsageError(badValue("temporalEnsemblingRate", "epochSteps", "more than 0", epochSteps));
  const [up, down, total] = [warmupSteps / epochSteps, rampDownSteps / epochSteps, totalSteps / epochSteps];
  return (step) => {
    const epoch = Math.floor(step / epochSteps);
    return base * sigmoidUp(epoch, up) * teDown(epoch, down, total);
  };
}

/**
 * Mean Teacher's residual networks: (linearUp(step, warmupSteps) (base - initial) + initial) cosHalf(step, cosineSteps).
 * From `initial` (from `base` without warm-up) to 0 at cosineSteps, which must be totalSteps or more: the published
 * runs stop at 300 of 350 or 180 of 210 epochs. Throws UsageError otherwise.
 */
export function linearCosineRate(options: {
  readonly base: number;
  readonly initial: number;
  readonly warmupSteps: number;
  readonly cosineSteps: number;
  readonly totalSteps: number;
}): Schedule {
  const { base, initial, warmupSteps, cosineSteps, totalSteps } = options;
  if (cosineSteps < totalSteps) {
    const expected = `at least the ${totalSteps} steps of the run`;
    throw new UsageError(
      badValue("linearCosineRate", "cosineSteps", expected, cosineSteps, "The rate would be 0 after it"),
    );
  }
  return (step) => (linearUp(step, warmupSteps) * (base - initial) + initial) * cosHalf(step, cosineSteps);
}

export interface WaitingRate {
  readonly base: number;
  /** Steps at rate 0: the student of Meta Pseudo Labels waits for its teacher. */
  readonly waitSteps: number;
  readonly warmupSteps: number;
  readonly totalSteps: number;
}

/**
 * kekmodel's Meta Pseudo Labels: 0 while step < wait; base step / (warmup + wait) while step < warmup + wait; then
 * base cosHalf(step - warmup - wait, total - warmup - wait). It therefore jumps from 0 to wait / (warmup + wait) base
 * at the end of the wait, and ends at 0 at totalSteps.
 */
export function kekRate({ base, waitSteps, warmupSteps, totalSteps }: WaitingRate): Schedule {
  const start = warmupSteps + waitSteps;
  return (step) => {
    if (step < waitSteps) return 0;
    return step < start ? (base * step) / start : base * cosHalf(step - start, totalSteps - start);
  };
}

/**
 * Google's Meta Pseudo Labels, with u = step - wait: 0 while u < 0; base (u + 1) / warmup while u < warmup; then
 * base cosHalf(u - warmup, total - warmup - wait), 0 at totalSteps. Their flag is a rate for batches of 256:
 * base = flag * (labeled batch) / 256, to be multiplied in by the caller.
 */
export function gmplRate({ base, waitSteps, warmupSteps, totalSteps }: WaitingRate): Schedule {
  return (step) => {
    const u = step - waitSteps;
    if (u < 0) return 0;
    if (u < warmupSteps) return (base * (u + 1)) / warmupSteps;
    return base * cosHalf(u - warmupSteps, totalSteps - warmupSteps - waitSteps);
  };
}

/**
 * Stairs: base factor^n after n of the steps in `drops`. A warm-up rises linearly to the base, as in UDA's and FixMatch's
 * ImageNet runs: base (step + 1) / warmupSteps.
 */
export function stairsRate(options: {
  readonly base: number;
  readonly warmupSteps?: number;
  readonly drops: readonly number[];
  readonly dropFactor: number;
}): Schedule {
  const { base, warmupSteps = 0, drops, dropFactor } = options;
  return (step) => base * linearUp(step + 1, warmupSteps) * dropFactor ** drops.filter((drop) => step >= drop).length;
}

/**
 * UDA, FixMatch: base cos7_16(step, totalSteps), 0.1951 base at the end. With a warm-up, base step / warmupSteps up to
 * there, then the same cosine over the steps that are left (both ends unchanged).
 */
export function cosine7_16Rate(options: {
  readonly base: number;
  readonly warmupSteps?: number;
  readonly totalSteps: number;
}): Schedule {
  const { base, warmupSteps = 0, totalSteps } = options;
  return (step) => {
    if (step < warmupSteps) return base * linearUp(step, warmupSteps);
    return base * cos7_16(step - warmupSteps, totalSteps - warmupSteps);
  };
}
