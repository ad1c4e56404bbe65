/**
 * Meta Pseudo Labels (Pham et al., arXiv:2003.10580): a teacher labels the unlabeled images, a student learns from those
 * labels alone, and what that step did to the student's labeled loss goes back to the teacher.
 *
 *   yhat ~ T(us);   thS' = optimizer(thS, grad CE(yhat, S(us)));   h = eta <grad L_l(thS'), grad CE(yhat, S(us))>
 *   thT <- optimizer(thT, grad [ CE(yl, T(xl)) + lambda(t) L_uda + (h - b) sum_u H(yhat_u, T(us)) ]),   b: moving average of h
 *   L_uda = (1/Bu) sum_u [max q >= threshold] KL(q || T(us)),  q = softmax(T(uw) / temperature);   L_l = CE(yl, S(xl))
 *
 * S, T are softmax outputs with weights thS, thT, eta the student's learning rate, xl, yl labeled images and labels, uw and us
 * the weak and the strong view of an unlabeled image, CE the mean over rows of H, lambda(t) = udaWeight min(1, (t + 1) /
 * udaRampSteps). The student that is evaluated is the moving average of the weights, fine-tuned on the labels at the end
 * (parts/finetune.ts). Deviations, all from public code: the sign of h, its scale and how it is measured (parts/feedback.ts);
 * the teacher is reinforced on the very labels the student learned from; `soft` labels get their own gradient; a student that
 * waits is not trained at all, nor averaged, and gives no feedback; UDA's mask is on the sharpened probability, as in
 * Google's code.
 *
 * @see the paper, Section 2; Appendix A for h; docs/methods/meta-pseudo-labels.md; test/methods/meta-pseudo-labels.test.ts, which computes the same slowly
 */
import { crossEntropy } from "../losses/index.js";
import { forwardJoint, type PassRequest } from "../nn/index.js";
import { minimize } from "../optim/index.js";
import { integer, needPositive, number } from "../options.js";
import { linearUp } from "../schedules/index.js";
import { defineMethod, type Progress } from "./method.js";
import { createStudent, studentOptions } from "./parts/feedback-student.js";
import { finetunePhases } from "./parts/finetune.js";
import { dropoutLayers } from "./parts/shared-options.js";
import { labelOf, labelOptions } from "./parts/teacher-label.js";
import { udaLoss } from "./uda.js";

export const metaPseudoLabels = defineMethod({
  name: "meta-pseudo-labels",
  paper: "arXiv:2003.10580",
  summary: "a teacher that learns from how much its pseudo-labels help its student",
  usesUnlabeled: true,
  options: {
    ...labelOptions,
    ...studentOptions,
    supervisedWeight: number(1, { min: 0, doc: "weight of the teacher's cross-entropy on labeled images" }),
    udaWeight: number(8, { min: 0, doc: "largest weight of the teacher's UDA loss (CIFAR-10: 8, ImageNet: 20)" }),
    udaRampSteps: integer(undefined, {
      min: 0,
      needs: [needPositive("method.udaWeight")],
      doc: "steps of the linear ramp-up of that weight; if not given, 1/60 of the steps (5,000 of 300,000)",
    }),
    udaTemperature: number(0.7, { min: 0.01, doc: "sharpening of the weak view's prediction in the UDA loss" }),
    udaThreshold: number(0.6, { min: 0, max: 1, doc: "smallest sharpened probability that the UDA loss believes" }),
    teacherLr: number(undefined, { min: 0, doc: "teacher's learning rate; if not given, the run's, as the student's" }),
    teacherDropout: number(undefined, {
      needs: dropoutLayers,
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
    const soft = options.labelMode === "soft";
    /** With soft labels the same pass is made three times, with the same draws. */
    const studentPass = ({ step }: Progress) =>
      soft ? { ...pupil.pass, rng: setup.rng.split(`student:${step}`) } : pupil.pass;
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
      optimizerAt: pupil.optimizerAt,
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
        const [su, sl] = forwardJoint(student, [us, xl], studentPass(now));
        const pseudo = crossEntropy(su, yhat, { smoothing: options.labelSmoothing });
        // thS <- optimizer(thS, grad pseudo), and h = eta <grad L_l(thS'), grad pseudo>: did yhat help with the true labels?
        const feedback = pupil.descend(
          {
            pseudo,
            labeledLoss: (pass: PassRequest) => crossEntropy(student.forward(xl, pass), yl),
            jointLoss: () => crossEntropy(sl, yl),
            ...(soft && {
              softLogits: () => forwardJoint(student, [us, xl], { ...studentPass(now), updateStatistics: false })[0],
            }),
          },
          yl.size(0),
          now,
        );

        // thT <- optimizer(thT, grad [own + h sum_u H(yhat_u, T(us))]): REINFORCE, on the very label the student learned from.
        minimize(feedback ? own.add(feedback.reward(ts, yhat)) : own, teacherOptimizer, now);
        return { ...said, pseudo, ...feedback?.metrics };
      },
    };
  },
});
