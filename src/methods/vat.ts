/**
 * Virtual adversarial training (Miyato et al., arXiv:1704.03976): predictions should not change in the direction in which
 * they change most. dHat is found by a power iteration on the second derivative of the divergence:
 *
 *   d ~ N(0, I);  repeat: g = gradient of KL(p(u) || p(u + xi d / |d|)) with respect to d;  d = g / |g|
 *   L = CE(x, y) + w(t) mean_u KL(sg p(u) || p(u + eps d)) + lambda_E mean_u H(p(u))
 *
 * |d| is the 2-norm of one image in the units of the normalized input. Decided here: all three passes over u make the
 * same draws of dropout and noise (public code: draws of their own), as the divergence then is 0 at d = 0, which the
 * power iteration rests on; xi is eps / 10, not 1e-6, which rounding spoils (measured in docs/methods/vat.md).
 * Only the pass over the labeled rows updates running statistics.
 *
 * @see the paper, Section 3; docs/methods/vat.md; test/methods/vat.test.ts, which computes the same slowly
 */
import { entropy, klDivergence } from "../losses/index.js";
import { withFrozenWeights } from "../nn/index.js";
import { choice, integer, needPositive, number } from "../options.js";
import type { Rng } from "../rng.js";
import { normal, type Tensor, world } from "../torch/index.js";
import { defineMethod } from "./method.js";
import { averagedStudent } from "./parts/averaged-student.js";
import { classCost, forwardRows } from "./parts/rows.js";
import {
  evaluationEmaOptions,
  labeledReductionOption,
  linearRampOptions,
  linearRampWeight,
} from "./parts/shared-options.js";

/** Share of the run in which the weight ramps up (FixMatch's code). */
const RAMP = 0.4;

const moved = needPositive("method.eps", 6);

export const vat = defineMethod({
  name: "vat",
  paper: "arXiv:1704.03976",
  summary: "consistency with the input moved in the direction that changes the prediction most",
  usesUnlabeled: true,
  options: {
    ...labeledReductionOption,
    ...linearRampOptions(
      1,
      "the divergence between clean and perturbed predictions, as in the paper (FixMatch's code: 0.3)",
      RAMP,
      "FixMatch's code",
    ),
    eps: number(6, { min: 0, doc: "2-norm of the perturbation of an image, in units of the normalized input" }),
    xi: number(undefined, {
      min: 1e-12,
      needs: [moved, needPositive("method.powerIterations")],
      doc: "2-norm of the trial step of the power iteration, in the same units; if not given, eps / 10",
    }),
    powerIterations: integer(1, { min: 0, needs: [moved], doc: "steps of the power iteration; 0: a random direction" }),
    divergence: choice(["clean", "perturbed"], "clean", {
      doc: "which prediction comes first: KL(clean || perturbed), as in the paper, or KL(perturbed || clean), as in FixMatch's code",
    }),
    entropyWeight: number(0.06, { min: 0, doc: "weight of the entropy of the clean predictions; 0 in plain VAT" }),
    ...evaluationEmaOptions,
  },
  views: () => ({ labeled: { image: { augment: "weak" } }, unlabeled: { image: { augment: "weak" } } }),
  create(setup, options) {
    const { student, rest, descend } = averagedStudent(setup, options, { rampShare: RAMP });
    const rampedWeight = linearRampWeight(options, setup.totalSteps, RAMP);
    return {
      ...rest,
      step({ labeled, unlabeled }, now) {
        const weight = rampedWeight(now.step);
        const u = unlabeled.x.image;
        const zl = forwardRows(student, labeled.x.image, "train", setup.numClasses);
        // A new generator from the same name each time: the same draws in every pass over u.
        const logitsOf = (x: Tensor) => {
          const rng = setup.rng.split(`vat:${now.step}`);
          return forwardRows(student, x, { mode: "train", updateStatistics: false, rng }, setup.numClasses);
        };
        const zu = logitsOf(u);
        const clean = zu.softmax(1).detach();
        const direction = withFrozenWeights(student, () =>
          adversarialDirection(u, (d) => klDivergence(logitsOf(u.add(d)), clean), {
            xi: options.xi ?? options.eps / 10,
            powerIterations: options.powerIterations,
            rng: setup.rng.split(`vat-direction:${now.step}`),
          }),
        );
        const perturbed = logitsOf(u.add(direction.mul(options.eps)));
        const consistency =
          options.divergence === "clean"
            ? klDivergence(perturbed, clean)
            : klDivergence(zu.detach(), perturbed.softmax(1), { gradToTarget: true });

        const classification = classCost(zl, labeled.y, { labeled, unlabeled }, options);
        const undecided = entropy(zu);
        const loss = classification.add(consistency.mul(weight)).add(undecided.mul(options.entropyWeight));
        descend(loss, now);
        return { classification, consistency, entropy: undecided, weight };
      },
    };
  },
});

/**
 * `[N, C, H, W]`, norm 1 a row: the direction in which `divergence(d)`, a scalar that is least at d = 0, grows fastest.
 * Leaves no gradient behind but that of its own leaves.
 */
export function adversarialDirection(
  x: Tensor,
  divergence: (d: Tensor) => Tensor,
  { xi, powerIterations, rng }: { readonly xi: number; readonly powerIterations: number; readonly rng: Rng },
): Tensor {
  let d = unit(normal(x.shape, 0, 1, rng, world(), x.device));
  for (let i = 0; i < powerIterations && x.size(0) > 0; i++) {
    const trial = d.mul(xi).requiresGrad_();
    divergence(trial).backward();
    d = unit(trial.grad!);
  }
  return d;
}

/** Each row over its 2-norm; rows of zeros stay. Over its largest entry first, as squares of small gradients underflow. */
function unit(t: Tensor): Tensor {
  if (t.size(0) === 0) return t;
  const axes = t.shape.map((_, axis) => axis).slice(1);
  const scaled = t.div(t.abs().amax(axes, true).clampMin(1e-30));
  return scaled.div(scaled.mul(scaled).sum(axes, true).sqrt().clampMin(1e-30));
}
