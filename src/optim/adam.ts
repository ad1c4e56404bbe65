import type { NamedTensor } from "../nn/model.js";
import { choice, need, number } from "../options.js";
import type { Schedule } from "../schedules/index.js";
import type { State } from "../stateful.js";
import {
  foreachAdd_,
  foreachAddcdiv_,
  foreachAddcmul_,
  foreachAddScalar_,
  foreachMul_,
  foreachSqrt,
  noGrad,
  scope,
  type Tensor,
} from "../torch/index.js";
import { decayApart, decays, type GradientOptions, gatherGradients, prepareGradients } from "./gradients.js";
import type { Optimizer, StepInfo, StepProgress } from "./optimizer.js";
import { defineOptimizer, type OptimizerPlan } from "./optimizer-definition.js";
import { gradientOptions, rateOptions } from "./options.js";
import { forEachRate, type RateFactor, type RateOptions, rateFactors } from "./rates.js";
import { warmingUp } from "./schedules.js";
import { nameSlots, restoreNumber, restoreTensors, zeroSlots } from "./state.js";

export interface AdamOptions extends GradientOptions, RateOptions {
  readonly learningRate: Schedule;
  readonly beta1: Schedule;
  readonly beta2: Schedule;
  readonly eps: number;
  /**
   * Where eps is added: `torch` to sqrt(v) after its bias correction, `tf` before it (Mean Teacher's and Temporal
   * Ensembling's code), where it weighs up to 1 / sqrt(1 - beta2) times more in the first steps. Default `torch`.
   */
  readonly epsPlacement?: "torch" | "tf";
}

/**
 * Adam with betas that may change over time, g being the gradient with weight decay (L2):
 *
 *     m <- beta1 m + (1 - beta1) g;   v <- beta2 v + (1 - beta2) g^2
 *     w <- w - lr (m / c1) / (sqrt(v / c2) + eps)
 *
 * c1 and c2 are 1 minus the product of all betas used so far: the exact sum of the weights in m and v, which is
 * 1 - beta^t while beta is constant. (Temporal Ensembling's code uses the current beta's power instead.)
 *
 * @see Kingma & Ba, arXiv:1412.6980; docs/schedules-and-losses.md
 */
export class Adam implements Optimizer {
  readonly learningRate: Schedule;
  readonly rateFactor: RateFactor | undefined;
  readonly #parameters: readonly NamedTensor[];
  readonly #options: AdamOptions;
  readonly #decayed: readonly boolean[];
  readonly #factors: readonly number[];
  readonly #m: readonly Tensor[];
  readonly #v: readonly Tensor[];
  #beta1Product = 1;
  #beta2Product = 1;

  constructor(parameters: readonly NamedTensor[], options: AdamOptions) {
    this.learningRate = options.learningRate;
    this.rateFactor = options.rateFactor;
    this.#parameters = parameters;
    this.#options = options;
    this.#decayed = decays(parameters, options.decayScope);
    this.#factors = rateFactors(parameters, options);
    this.#m = zeroSlots(parameters);
    this.#v = zeroSlots(parameters);
  }

  step({ step }: StepProgress): StepInfo {
    const { beta1, beta2, eps, epsPlacement = "torch" } = this.#options;
    const [b1, b2, rate] = [beta1(step), beta2(step), this.learningRate(step)];
    return scope(() =>
      noGrad(() => {
        const gathered = gatherGradients(this.#parameters);
        const { indices, params, grads } = gathered;
        if (params.length === 0) return {};
        const gradNorm = prepareGradients(gathered, this.#decayed, this.#options);

        this.#beta1Product *= b1;
        this.#beta2Product *= b2;
        const m = indices.map((i) => this.#m[i]!);
        const v = indices.map((i) => this.#v[i]!);
        foreachMul_(m, b1);
        foreachAdd_(m, grads, 1 - b1);
        foreachMul_(v, b2);
        foreachAddcmul_(v, grads, grads, 1 - b2);

        // sqrt(v / c2) + eps = (sqrt(v) + eps sqrt(c2)) / sqrt(c2): both placements are one addition to sqrt(v).
        const root = Math.sqrt(1 - this.#beta2Product);
        const denominator = foreachSqrt(v);
        foreachAddScalar_(denominator, epsPlacement === "torch" ? eps * root : eps);
        const whole = (-rate * root) / (1 - this.#beta1Product);
        forEachRate(this.#factors, indices, (factor, pick) => {
          decayApart(pick(params), pick(indices), this.#decayed, rate * factor, this.#options);
          foreachAddcdiv_(pick(params), pick(m), pick(denominator), whole * factor);
        });
        return { gradNorm };
      }),
    );
  }

  zeroGrad(): void {
    for (const { tensor } of this.#parameters) tensor.clearGrad();
  }

  stateDict(): State {
    const values = { beta1Product: this.#beta1Product, beta2Product: this.#beta2Product };
    return { tensors: this.#named(), values };
  }

  loadStateDict(state: State): void {
    const beta1Product = restoreNumber("adam", state.values, "beta1Product");
    const beta2Product = restoreNumber("adam", state.values, "beta2Product");
    restoreTensors("adam", this.#named(), state.tensors);
    this.#beta1Product = beta1Product;
    this.#beta2Product = beta2Product;
  }

  #named(): Record<string, Tensor> {
    return nameSlots(this.#parameters, { m: this.#m, v: this.#v });
  }
}

/** Adam as `--optimizer.name adam`. */
export const adam = defineOptimizer({
  name: "adam",
  paper: "Kingma & Ba, arXiv:1412.6980",
  summary: "steps scaled by running means of the gradient and of its square",
  options: {
    ...rateOptions,
    beta1: number(0.9, { min: 0, below: 1, doc: "adam: decay of the mean gradient" }),
    beta1End: number(0.5, {
      min: 0,
      below: 1,
      needs: [need("optimizer.schedule", "sigmoid", "te")],
      doc: "adam: what beta1 falls to in the ramp-down of sigmoid and te",
    }),
    beta2: number(0.999, { min: 0, below: 1, doc: "adam: decay of the mean squared gradient" }),
    beta2RampUp: number(undefined, {
      needs: [warmingUp],
      min: 0,
      below: 1,
      doc: "adam: beta2 during the warm-up (0.99 in Mean Teacher's SVHN runs); if not given, beta2",
    }),
    eps: number(1e-8, {
      min: 1e-16,
      doc: "adam: added to the root of the mean squared gradient, which is 0 where a weight has had no gradient yet",
    }),
    epsPlacement: choice(["torch", "tf"], "torch", {
      doc: "adam: add eps after the bias correction (torch) or before it (tf, as the papers' code does)",
    }),
    ...gradientOptions,
  },
  create: (parameters, options, plan) =>
    new Adam(parameters, {
      ...options,
      ...betasOf(options, plan),
      learningRate: plan.learningRate,
      rateFactor: plan.rateFactor,
    }),
});

/**
 * The betas over time: beta1(t) = d beta1 + (1 - d) beta1End with d the learning rate's ramp-down factor (1 for schedules
 * without one); beta2(t) = beta2RampUp during the warm-up, then beta2.
 */
export function betasOf(
  options: {
    readonly beta1: number;
    readonly beta1End: number;
    readonly beta2: number;
    readonly beta2RampUp: number | undefined;
  },
  { down, warmingUp }: Pick<OptimizerPlan, "down" | "warmingUp">,
): { beta1: Schedule; beta2: Schedule } {
  const { beta1, beta1End, beta2, beta2RampUp = beta2 } = options;
  return {
    beta1: (step) => {
      const d = down(step);
      return d * beta1 + (1 - d) * beta1End;
    },
    beta2: (step) => (warmingUp(step) ? beta2RampUp : beta2),
  };
}
