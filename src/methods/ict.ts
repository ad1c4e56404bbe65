/**
 * Interpolation consistency training (Verma et al., arXiv:1903.03825): at a point between two unlabeled images the student
 * should predict what lies between the teacher's predictions for the two.
 *
 *   beta ~ Beta(b, b), beta = max(beta, 1 - beta), one for each row (`mixPer`);  rev: the rows in reverse order
 *   L   = CE(x, y) + w(t) mean_u msq(S(beta u + (1 - beta) rev u), beta T(u) + (1 - beta) rev T(u))
 *   th' <- a th' + (1 - a) th
 *
 * S and T are softmax outputs, msq the mean over classes. T is forwarded in train mode, once. Only the pass over the
 * labeled rows updates running statistics; the teacher takes the student's over, as in FixMatch's code, unless
 * `emaBuffers` is `own`. Deviation: the authors' code draws one beta a batch, FixMatch's one a row, as here by default.
 *
 * @see the paper, Section 2; docs/methods/ict.md; test/methods/ict.test.ts, which computes the same slowly
 */
import { softmaxMse } from "../losses/index.js";
import { minimize } from "../optim/index.js";
import { choice } from "../options.js";
import { drawMixUp, EMA_BUFFERS, mixRows } from "../targets/index.js";
import { noGrad, world } from "../torch/index.js";
import { defineMethod } from "./method.js";
import { averageOf } from "./parts/average.js";
import { classCost, forwardRows } from "./parts/rows.js";
import {
  labeledReductionOption,
  linearRampOptions,
  linearRampWeight,
  mixUpOptions,
  runningStatistics,
  steadyEmaOptions,
} from "./parts/shared-options.js";

/** Share of the run in which the weight ramps up (FixMatch's code). */
const RAMP = 0.4;

export const ict = defineMethod({
  name: "ict",
  paper: "arXiv:1903.03825",
  summary: "predictions between two unlabeled images lie between the teacher's predictions for the two",
  usesUnlabeled: true,
  options: {
    ...labeledReductionOption,
    ...linearRampOptions(
      50,
      "the squared error between student and mixed teacher predictions",
      RAMP,
      "FixMatch's code",
    ),
    ...mixUpOptions,
    ...steadyEmaOptions,
    emaBuffers: choice(EMA_BUFFERS, "recompute", {
      needs: runningStatistics,
      doc: "teacher's running statistics: average of the student's, at the end of the run measured anew on training images (recompute); average alone; copy of the student's (as published); or its own, of its passes over unlabeled images",
    }),
  },
  views: () => ({ labeled: { image: { augment: "weak" } }, unlabeled: { image: { augment: "weak" } } }),
  create(setup, options) {
    const { numClasses } = setup;
    const student = setup.buildModel("student");
    const average = averageOf(setup, student, "teacher", options, { totalSteps: setup.totalSteps, rampUpSteps: 0 });
    const { ema } = average;
    const teacher = ema.model;
    const optimizer = setup.buildOptimizer("student", student);
    const rampedWeight = linearRampWeight(options, setup.totalSteps, RAMP);
    const teacherPass = { mode: "train", updateStatistics: options.emaBuffers === "own" } as const;
    return {
      predictor: "teacher",
      models: { student, teacher },
      state: { student, teacher, ema, optimizer },
      step({ labeled, unlabeled }, now) {
        const weight = rampedWeight(now.step);
        const u = unlabeled.x.image;
        const zl = forwardRows(student, labeled.x.image, "train", numClasses);
        const mixture = drawMixUp(
          setup.rng.split(`mix-up:${now.step}`),
          unlabeled.index.size(0),
          { alpha: options.mixAlpha, per: options.mixPer, partner: "reversed" },
          u.device,
        );
        const probs = noGrad(() => forwardRows(teacher, u, teacherPass, numClasses).softmax(1));
        const target = mixRows(probs, mixture);
        const still = { mode: "train", updateStatistics: false } as const;
        const mixed = world().own(mixRows(world().gather(u), mixture)); // partners may be another process's rows
        const zu = forwardRows(student, mixed, still, numClasses);

        const classification = classCost(zl, labeled.y, { labeled, unlabeled }, options);
        const consistency = softmaxMse(zu, target);
        minimize(classification.add(consistency.mul(weight)), optimizer, now);
        average.follow(now);
        return { classification, consistency, weight };
      },
    };
  },
});
