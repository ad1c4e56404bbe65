/**
 * MixMatch (Berthelot et al., arXiv:1905.02249): labels guessed from two views of each unlabeled image, sharpened, and
 * everything mixed with everything.
 *
 *   q = sharpen((p(u1) + p(u2)) / 2, T), q_k^(1/T) made to sum to 1, no gradient
 *   (x', p') = MixUp of the union [(x, y), (u1, q), (u2, q)] with a permutation of itself, share max(beta, 1 - beta)
 *   L = mean_x' H(p', p(x')) + w(t) mean_u' msq(p(u'), p')
 *
 * The rows x' and u' are those that were labeled and unlabeled before mixing. As in the papers' code they go through the
 * network in 1 + 2 interleaved sub-batches, of which the first alone updates running statistics, as do no guesses.
 * Deviation: every third row makes a sub-batch, so that all three are mixed alike and the labeled and unlabeled counts
 * may differ; the authors' interleaving leaves the later ones mostly unlabeled, and needs equal counts.
 *
 * @see the paper, Section 3, eq. 2 to 5; docs/methods/mixmatch.md; test/methods/mixmatch.test.ts, which computes the same slowly
 */
import { softmaxMse } from "../losses/index.js";
import { splitRows } from "../nn/index.js";
import { number } from "../options.js";
import { drawMixUp, mixRows, sharpen } from "../targets/index.js";
import { cat, noGrad, oneHot, world } from "../torch/index.js";
import { defineMethod } from "./method.js";
import { averagedStudent } from "./parts/averaged-student.js";
import { interleavedForward } from "./parts/interleaved.js";
import { debiasing, debiasTargetOptions } from "./parts/pseudo-labels/debias.js";
import { classCost, counts, forwardRows } from "./parts/rows.js";
import {
  evaluationEmaOptions,
  labeledReductionOption,
  linearRampOptions,
  linearRampWeight,
  mixUpOptions,
} from "./parts/shared-options.js";

/** Share of the run in which the weight ramps up: 2^20 of 2^26 images (FixMatch's code). */
const RAMP = 1 / 64;
/** The labeled rows and the views of the unlabeled ones. */
const SUB_BATCHES = 3;

export const mixmatch = defineMethod({
  name: "mixmatch",
  paper: "arXiv:1905.02249",
  summary: "sharpened guesses from two views, and MixUp of labeled and unlabeled images",
  usesUnlabeled: true,
  options: {
    ...labeledReductionOption,
    ...linearRampOptions(
      100,
      "the squared error to the guessed labels (paper: 75 on CIFAR-10, 250 on SVHN)",
      RAMP,
      "2^20 of 2^26 images",
    ),
    temperature: number(0.5, { min: 1e-3, max: 1, doc: "sharpening temperature T of the guesses; 1: not sharpened" }),
    ...mixUpOptions,
    ...debiasTargetOptions,
    ...evaluationEmaOptions,
  },
  views: () => ({
    labeled: { image: { augment: "weak" } },
    unlabeled: { first: { augment: "weak" }, second: { augment: "weak" } },
  }),
  subBatches: () => SUB_BATCHES,
  create(setup, options) {
    const { numClasses } = setup;
    const { student, rest, descend, device } = averagedStudent(setup, options, { rampShare: RAMP });
    const debias = debiasing(options, { numClasses, device });
    const rampedWeight = linearRampWeight(options, setup.totalSteps, RAMP);
    return {
      ...rest,
      state: { ...rest.state, ...debias.state },
      step({ labeled, unlabeled }, now) {
        const weight = rampedWeight(now.step);
        const { first, second } = unlabeled.x;
        const [bl, bu] = counts({ labeled, unlabeled });
        const pass = { mode: "train", updateStatistics: false } as const;
        const guess = noGrad(() => {
          const z = cat([first, second].map((u) => forwardRows(student, u, pass, numClasses)));
          const [one, other] = splitRows(debias.target(z).softmax(1), [bu, bu] as const);
          return sharpen(one.add(other).div(2), options.temperature);
        });

        const x = world().gather(cat([labeled.x.image, first, second]));
        const y = cat([oneHot(labeled.y, numClasses), guess, guess]);
        const mixture = drawMixUp(
          setup.rng.split(`mix-up:${now.step}`),
          x.size(0),
          { alpha: options.mixAlpha, per: options.mixPer, partner: "shuffled" },
          x.device,
        );
        const rows = [bl, 2 * bu] as const; // x' and u'
        const [zl, zu] = splitRows(interleavedForward(student, mixRows(x, mixture), SUB_BATCHES), rows);
        const [yl, yu] = splitRows(mixRows(y, mixture), rows);

        const classification = classCost(zl, yl, { labeled, unlabeled }, options);
        const consistency = softmaxMse(zu, yu);
        descend(classification.add(consistency.mul(weight)), now);
        return { classification, consistency, weight, ...debias.metrics() };
      },
    };
  },
});
