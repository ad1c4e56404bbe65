import type { NamedTensor } from "../nn/model.js";
import { boolean, needPositive, number } from "../options.js";
import type { Schedule } from "../schedules/index.js";
import type { State } from "../stateful.js";
import { foreachAdd_, foreachMul_, noGrad, scope, type Tensor } from "../torch/index.js";
import { decayApart, decays, type GradientOptions, gatherGradients, prepareGradients } from "./gradients.js";
import type { Optimizer, StepInfo, StepProgress } from "./optimizer.js";
import { defineOptimizer } from "./optimizer-definition.js";
import { gradientOptions, rateOptions } from "./options.js";
import { forEachRate, type RateFactor, type RateOptions, rateFactors } from "./rates.js";
import { nameSlots, restoreTensors, zeroSlots } from "./state.js";

export interface SgdOptions extends GradientOptions, RateOptions {
  readonly learningRate: Schedule;
  /** mu in 0..1; 0 needs no state. */
  readonly momentum: number;
  readonly nesterov: boolean;
}

/**
 * Stochastic gradient descent as in PyTorch (no dampening), g being the gradient with weight decay:
 *
 *     v <- mu v + g;   w <- w - lr (g + mu v)   with Nesterov, else   w <- w - lr v
 *
 * The rate multiplies when the step is applied, not inside v. v starts at 0.
 *
 * @see docs/schedules-and-losses.md
 */
export class Sgd implements Optimizer {
  readonly learningRate: Schedule;
  readonly rateFactor: RateFactor | undefined;
  readonly #parameters: readonly NamedTensor[];
  readonly #options: SgdOptions;
  readonly #decayed: readonly boolean[];
  readonly #factors: readonly number[];
  readonly #velocity: readonly Tensor[];

  constructor(parameters: readonly NamedTensor[], options: SgdOptions) {
    this.learningRate = options.learningRate;
    this.rateFactor = options.rateFactor;
    this.#parameters = parameters;
    this.#options = options;
    this.#decayed = decays(parameters, options.decayScope);
    this.#factors = rateFactors(parameters, options);
    this.#velocity = options.momentum === 0 ? [] : zeroSlots(parameters);
  }

  step({ step }: StepProgress): StepInfo {
    const { momentum, nesterov } = this.#options;
    const rate = this.learningRate(step);
    return scope(() =>
      noGrad(() => {
        const gathered = gatherGradients(this.#parameters);
        const { indices, params, grads } = gathered;
        if (params.length === 0) return {};
        const gradNorm = prepareGradients(gathered, this.#decayed, this.#options);
        const velocity = momentum === 0 ? [] : indices.map((i) => this.#velocity[i]!);
        if (momentum !== 0) {
          foreachMul_(velocity, momentum);
          foreachAdd_(velocity, grads);
        }
        forEachRate(this.#factors, indices, (factor, pick) => {
          const own = rate * factor;
          const [w, g] = [pick(params), pick(grads)];
          decayApart(w, pick(indices), this.#decayed, own, this.#options);
          if (momentum === 0 || nesterov) foreachAdd_(w, g, -own);
          if (momentum !== 0) foreachAdd_(w, pick(velocity), nesterov ? -own * momentum : -own);
        });
        return { gradNorm };
      }),
    );
  }

  zeroGrad(): void {
    for (const { tensor } of this.#parameters) tensor.clearGrad();
  }

  stateDict(): State {
    return { tensors: this.#named(), values: {} };
  }

  loadStateDict(state: State): void {
    restoreTensors("sgd", this.#named(), state.tensors);
  }

  #named(): Record<string, Tensor> {
    return this.#velocity.length === 0 ? {} : nameSlots(this.#parameters, { momentum: this.#velocity });
  }
}

/** SGD as `--optimizer.name sgd`. */
export const sgd = defineOptimizer({
  name: "sgd",
  paper: "Sutskever et al., ICML 2013 (Nesterov's momentum)",
  summary: "stochastic gradient descent with momentum",
  options: {
    ...rateOptions,
    momentum: number(0.9, { min: 0, max: 1, doc: "sgd: share of the old velocity" }),
    nesterov: boolean(true, {
      needs: [needPositive("optimizer.momentum", 0.9)],
      doc: "sgd: look ahead by the momentum",
    }),
    ...gradientOptions,
  },
  create: (parameters, options, { learningRate, rateFactor }) =>
    new Sgd(parameters, { ...options, learningRate, rateFactor }),
});
