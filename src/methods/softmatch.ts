/**
 * SoftMatch (Chen et al., arXiv:2301.10921): FixMatch with a weight in place of the mask, a Gaussian of how far a row's
 * confidence falls below the usual.
 *
 *   q~_u = norm(q_u (1/K + 1e-6) / (EMA[q] + 1e-6))              EMA[q] starts at the first batch's mean
 *   mu   <- m mu + (1 - m) mean_u max q~_u                        (start 1/K)
 *   s2   <- m s2 + (1 - m) sum_u (max q~_u - mean)^2 / (Bu - 1)   (start 1)
 *   w_u  = exp(-min(0, max q~_u - mu)^2 / (2 s2 / n^2))
 *   L    = (1/Bl) sum_l H(y_l, p_l) + lambda (1/Bu) sum_u w_u H(argmax q_u, softmax(f(A(u))))
 *
 * Alignment serves the weight alone: labels are those of q. All averages take the batch in before it is weighted. A batch
 * of one row has no variance: it changes neither mu nor s2. Deviation: the decay of the evaluated average is held back
 * early on (`emaWarmup`).
 *
 * @see the paper, Section 3; docs/methods/softmatch.md; test/methods/weak-strong-slow.ts, which computes the same slowly
 */
import { crossEntropy } from "../losses/index.js";
import { boolean, number } from "../options.js";
import { alignDistribution, hardLabels, RunningMean } from "../targets/index.js";
import { full, type Tensor } from "../torch/index.js";
import { defineMethod } from "./method.js";
import { averagedStudent } from "./parts/averaged-student.js";
import { guessing } from "./parts/pseudo-labels/guess.js";
import { meanOrZero } from "./parts/rows.js";
import { forwardViews, weakStrongOptions, weakStrongViews } from "./parts/weak-strong.js";

/** w of `largest` `[N]`: 1 from `mean` on, e^(-n^2 / 2) one standard deviation below; `mean`, `variance` scalars. */
export function gaussianWeight(largest: Tensor, mean: Tensor, variance: Tensor, sigmas: number): Tensor {
  const below = largest.sub(mean).clampMax(0);
  return below
    .pow(2)
    .div(variance.mul(2 / sigmas ** 2).clampMin(1e-12))
    .neg()
    .exp();
}

export const softmatch = defineMethod({
  name: "softmatch",
  paper: "arXiv:2301.10921",
  summary: "FixMatch with soft weights by confidence instead of a threshold",
  usesUnlabeled: true,
  options: {
    sigmas: number(2, {
      min: 0.01,
      doc: "n: the weight's Gaussian is n times narrower than the spread of confidences",
    }),
    averageDecay: number(0.999, {
      min: 0,
      max: 1,
      doc: "m, share of the old value in the running averages; 0.99 or less in runs of hundreds of steps",
    }),
    alignDistribution: boolean(true, { doc: "weigh rows by probabilities whose class frequencies are made uniform" }),
    ...weakStrongOptions,
  },
  views: () => weakStrongViews,
  create(setup, options) {
    const { student, rest, descend, device } = averagedStudent(setup, options);
    const k = setup.numClasses;
    const guess = guessing(setup, options, device);
    const running = { decay: options.averageDecay, device };
    const meanProbs = new RunningMean({ ...running, shape: [k] });
    const mean = new RunningMean({ ...running, shape: [], start: 1 / k });
    const variance = new RunningMean({ ...running, shape: [], start: 1 });
    const uniform = full([k], 1 / k, { device }).keep();
    return {
      ...rest,
      state: { ...rest.state, meanProbs, mean, variance, ...guess.state },
      step(batch, now) {
        const { zl, zw, zs } = forwardViews(student, batch);
        const q = guess.target(zw, batch.unlabeled, now).softmax(1);
        const rows = q.size(0);
        if (rows > 0) meanProbs.update(q.mean([0]));
        const aligned = options.alignDistribution ? alignDistribution(q, uniform, meanProbs.value, 1e-6) : q;
        const largest = aligned.amax([1]);
        if (rows > 1) {
          mean.update(largest.mean());
          const squares = largest.sub(largest.mean()).pow(2).sum();
          variance.update(squares.div(rows - 1));
        }
        const weights = gaussianWeight(largest, mean.value, variance.value, options.sigmas);

        const classification = crossEntropy(zl, batch.labeled.y);
        const consistency = crossEntropy(guess.learned(zs), hardLabels(q), { rowMask: weights });
        descend(classification.add(consistency.mul(options.consistencyWeight)), now);
        return { classification, consistency, kept: meanOrZero(weights), ...guess.metrics(now) };
      },
    };
  },
});
