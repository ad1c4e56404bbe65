/** An exponential moving average of a tensor: baselines, thresholds, class frequencies. */

import { DataError } from "../errors.js";
import type { State, Stateful } from "../stateful.js";
import { noGrad, scope, type Tensor, zeros } from "../torch/index.js";

export interface RunningMeanOptions {
  /** Share of the old value at each update. */
  readonly decay: number;
  readonly shape: readonly number[];
  /** Value before the first update, the same everywhere; if not given, the first update's value is taken whole. */
  readonly start?: number;
  readonly device?: string;
}

/** value <- decay value + (1 - decay) new, float32. No gradient flows in or out. */
export class RunningMean implements Stateful {
  readonly #decay: number;
  #started: boolean;
  /** The mean so far; changed in place by `update`. */
  readonly value: Tensor;

  constructor({ decay, shape, start, device = "cpu" }: RunningMeanOptions) {
    this.#decay = decay;
    this.#started = start !== undefined;
    this.value = noGrad(() =>
      zeros(shape)
        .fill_(start ?? 0)
        .toDevice(device)
        .keep(),
    );
  }

  /** Takes a new value of the same shape in; returns `value`. */
  update(next: Tensor): Tensor {
    noGrad(() =>
      scope(() => {
        if (!this.#started) this.value.copy_(next.detach());
        else this.value.mul_(this.#decay).add_(next.detach().float(), 1 - this.#decay);
      }),
    );
    this.#started = true;
    return this.value;
  }

  stateDict(): State {
    return { tensors: { value: this.value }, values: { started: this.#started } };
  }

  loadStateDict({ tensors, values }: State): void {
    const { value } = tensors;
    if (!value || value.shape.join() !== this.value.shape.join() || typeof values.started !== "boolean") {
      throw new DataError(`running mean: expected "value" [${this.value.shape}] and "started" in the saved state`);
    }
    noGrad(() => scope(() => void this.value.copy_(value)));
    this.#started = values.started;
  }
}
