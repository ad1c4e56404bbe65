/**
 * Meta Pseudo Labels (Pham et al., arXiv:2003.10580): a teacher labels the unlabeled images, a student learns from those
 * labels alone, and what that step did to the student's labeled loss goes back to the teacher.
 *
 *   yhat ~ T(us);   thS <- optimizer(thS, grad CE(yhat, S(us)));   h = L_l(thS) - L_l(thS'), less its moving average
 *   thT <- optimizer(thT, grad [ CE(yl, T(xl)) + lambda(t) L_uda + h CE(yhat, T(us)) ])
 *   L_uda = (1/Bu) sum [max q >= threshold] KL(q || T(us)),  q = softmax(T(uw) / temperature)
 *
 * uw and us are the weak and the strong view of an unlabeled image. The student that is kept is the moving average of the
 * weights, fine-tuned on the labels at the end (finetune.ts). Deviations, all from public code: h is old minus new and
 * paired (feedback.ts); the teacher is reinforced on the very labels the student learned from; `soft` targets have
 * another temperature than the prediction, or that term's gradient would be exactly 0; a student that waits is not
 * trained at all, nor averaged, and gives no feedback; UDA's mask is on the sharpened probability, as in Google's code.
 *
 * @see the paper, Section 2; Appendix A for h; docs/methods/meta-pseudo-labels.md; test/methods/meta-pseudo-labels.test.ts, which computes the same slowly
 */
import { UsageError } from "../errors.js";
import { crossEntropy } from "../losses/index.js";
import { forwardJoint, type PassRequest } from "../nn/index.js";
import { minimize } from "../optim/index.js";
import { choice, integer, number } from "../options.js";
import type { Rng } from "../rng.js";
import { linearUp } from "../schedules/index.js";
import { hardLabels, sampleLabels } from "../targets/index.js";
import type { Tensor } from "../torch/index.js";
import { defineMethod } from "./method.js";
import { createStudent, studentOptions } from "./parts/feedback-student.js";
import { finetunePhases } from "./parts/finetune.js";
import { udaLoss } from "./uda.js";

export const LABEL_MODES = ["sample", "argmaxWeak", "argmaxStrong", "soft"] as const;

export const metaPseudoLabels = defineMethod({
  name: "meta-pseudo-labels",
  paper: "arXiv:2003.10580",
  summary: "a teacher that learns from how much its pseudo-labels help its student",
  usesUnlabeled: true,
  options: {
    labelMode: choice(LABEL_MODES, "sample", {
      doc: "the student's label: drawn from the teacher's prediction on the strong view, the most probable class of the weak or the strong view, or the whole distribution of the strong view",
    }),
    labelTemperature: number(1, { min: 0.01, doc: "labelMode soft: softmax(logits / this) is the label; not 1" }),
    ...studentOptions,
    supervisedWeight: number(1, { min: 0, doc: "weight of the teacher's cross-entropy on labeled images" }),
    udaWeight: number(8, { min: 0, doc: "largest weight of the teacher's UDA loss (CIFAR-10: 8, ImageNet: 20)" }),
    udaRampSteps: integer(undefined, {
      min: 0,
      doc: "steps of the linear ramp-up of that weight; if not given, 1/60 of the steps (5,000 of 300,000)",
    }),
    udaTemperature: number(0.7, { min: 0.01, doc: "sharpening of the weak view's prediction in the UDA loss" }),
    udaThreshold: number(0.6, { min: 0, max: 1, doc: "smallest sharpened probability that the UDA loss believes" }),
    teacherLr: number(undefined, { min: 0, doc: "teacher's learning rate; if not given, the run's, as the student's" }),
    teacherDropout: number(undefined, {
      min: 0,
      max: 1,
      doc: "dropout probability of the teacher's pass; if not given, the network's own",
    }),
  },
  views: () => ({
    labeled: { image: { augment: "weak" } },
    unlabeled: { weak: { augment: "weak" }, strong: { augment: "strong" } },
  }),
  phases: finetunePhases,
  create(setup, options) {
    checkSoft(options);
    const pupil = createStudent(setup, options);
    const { student, average, finetuneFrom } = pupil;
    const teacher = setup.buildModel("teacher");
    const { teacherLr: lr, teacherDropout: dropout } = options;
    const teacherOptimizer = setup.buildOptimizer("teacher", teacher, {
      totalSteps: finetuneFrom,
      options: { waitSteps: 0, ...(lr !== undefined && { lr }) },
    });
    const teacherPass = { mode: "train", ...(dropout !== undefined && { dropout }) } as const;
    const udaRamp = options.udaRampSteps ?? Math.round(setup.totalSteps / 60);
    const uda = {
      consistencyWeight: 1, // the terms are weighed here
      threshold: options.udaThreshold,
      temperature: options.udaTemperature,
      maskOn: "sharpened",
      strict: false,
      labelSmoothing: options.labelSmoothing,
    } as const;
    return {
      predictor: "studentAverage",
      models: { student, studentAverage: average, teacher },
      state: { ...pupil.state, teacher, teacherOptimizer },
      step({ labeled, unlabeled }, now) {
        const [{ image: xl }, yl, { weak: uw, strong: us }] = [labeled.x, labeled.y, unlabeled.x];
        if (now.step >= finetuneFrom) return pupil.finetune(xl, yl, now);

        // The teacher sees everything in one pass, and learns from the labels and by UDA.
        const [tl, tw, ts] = forwardJoint(teacher, [xl, uw, us], teacherPass);
        const { metrics } = udaLoss({ labeled: tl, weak: tw, strong: ts }, yl, uda, now);
        const { classification, consistency, kept: confident } = metrics;
        const lambda = options.udaWeight * linearUp(now.step + 1, udaRamp);
        const own = classification.mul(options.supervisedWeight).add(consistency.mul(lambda));
        const said = { classification, consistency, udaWeight: lambda, confident };
        if (pupil.waits(now)) {
          minimize(own, teacherOptimizer, now);
          return said;
        }

        // It labels the strong views, yhat ~ T(us), and the student learns from that alone: all Bu rows, no mask.
        const yhat = labelOf(tw, ts, options, setup.rng.split(`labels:${now.step}`));
        const [su, sl] = forwardJoint(student, [us, xl], pupil.pass);
        const pseudo = crossEntropy(su, yhat, { smoothing: options.labelSmoothing });
        // thS <- optimizer(thS, grad pseudo), and h = L_l(thS) - L_l(thS'): did yhat help with the true labels?
        const labeledLoss = (pass: PassRequest) => crossEntropy(student.forward(xl, pass), yl);
        const jointLoss = () => crossEntropy(sl, yl);
        const feedback = pupil.descend({ pseudo, labeledLoss, jointLoss }, yl.size(0), now);

        // thT <- optimizer(thT, grad [own + h CE(yhat, T(us))]): REINFORCE, on the very label the student learned from.
        const reward = feedback && crossEntropy(ts, yhat).mul(feedback.centered).mul(options.feedbackWeight);
        minimize(reward ? own.add(reward) : own, teacherOptimizer, now);
        return { ...said, pseudo, ...(feedback && { feedback: feedback.h, centeredFeedback: feedback.centered }) };
      },
    };
  },
});

/** What the student learns from and the teacher is reinforced on: `[Bu]` classes, or `[Bu, K]` probabilities. */
function labelOf(
  weak: Tensor,
  strong: Tensor,
  { labelMode, labelTemperature }: { labelMode: (typeof LABEL_MODES)[number]; labelTemperature: number },
  rng: Rng,
): Tensor {
  if (labelMode === "sample") return sampleLabels(strong.detach().softmax(1), rng);
  if (labelMode === "soft") return strong.detach().div(labelTemperature).softmax(1);
  return hardLabels(labelMode === "argmaxWeak" ? weak : strong);
}

/** H(sg(p), p) has gradient p - p = 0 in its logits: with the same softmax on both sides there would be no feedback. */
function checkSoft(options: { labelMode: string; labelTemperature: number; feedbackWeight: number }): void {
  if (options.labelMode !== "soft" || options.labelTemperature !== 1 || options.feedbackWeight === 0) return;
  throw new UsageError(
    "meta-pseudo-labels: labelMode soft with labelTemperature 1 gives the feedback term a gradient of exactly 0. " +
      "Set another labelTemperature (0.5, say), another labelMode, or feedbackWeight 0 to do without feedback",
  );
}
