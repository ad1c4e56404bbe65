/** One optimizer after another, for methods that train in stages. */
import { DataError } from "../errors.js";
import type { NamedTensor } from "../nn/model.js";
import type { State } from "../stateful.js";
import type { Optimizer, StepInfo, StepProgress } from "./optimizer.js";

/**
 * Holds the optimizer of one stage (0 at first); `enter` replaces it by a fresh one, with empty running means and a
 * schedule of its own, and frees the old one's tensors. Its state says which stage it is, so that loading builds the right one.
 */
export class StagedOptimizer implements Optimizer {
  readonly #build: (stage: number) => Optimizer;
  #current: Optimizer;
  #stage = 0;

  constructor(build: (stage: number) => Optimizer) {
    this.#build = build;
    this.#current = build(0);
  }

  get stage(): number {
    return this.#stage;
  }

  enter(stage: number): void {
    for (const slot of Object.values(this.#current.stateDict().tensors)) slot.release();
    this.#current = this.#build(stage);
    this.#stage = stage;
  }

  readonly learningRate = (step: number): number => this.#current.learningRate(step);

  readonly rateFactor = (parameter: NamedTensor): number => this.#current.rateFactor?.(parameter) ?? 1;

  step(now: StepProgress): StepInfo {
    return this.#current.step(now);
  }

  zeroGrad(): void {
    this.#current.zeroGrad();
  }

  stateDict(): State {
    const { tensors, values } = this.#current.stateDict();
    return { tensors, values: { stage: this.#stage, current: values } };
  }

  loadStateDict({ tensors, values: { stage, current } }: State): void {
    if (typeof stage !== "number" || typeof current !== "object" || current === null) {
      throw new DataError(`staged optimizer: expected a stage and its state in the saved state, got stage ${stage}`);
    }
    if (stage !== this.#stage) this.enter(stage);
    this.#current.loadStateDict({ tensors, values: current as State["values"] });
  }
}
