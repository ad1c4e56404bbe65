/**
 * Mean Teacher (Tarvainen & Valpola, arXiv:1703.01780): a teacher whose weights are the moving average of the student's
 * gives the targets on another view of the same images.
 *
 *   L   = CE(c_s, y) + w(t) mean_i m_i d(softmax(r_s), softmax(c_t)) + lambda_d D(c_s, r_s)
 *   th  <- optimizer(th, grad L);   th' <- a th' + (1 - a) th
 *
 * With one head r_s = c_s and D is absent; with two (`model.heads` 2) the teacher's class head c_t is the target of the
 * student's consistency head r_s. Deviations: the teacher starts as a copy of the student, as the paper says and its
 * PyTorch code does not; the update comes after the optimizer step (in TensorFlow, one step late).
 */
import { CONSISTENCY_COSTS, consistencyCost, crossEntropy, logitDistance } from "../losses/index.js";
import { minimize } from "../optim/index.js";
import { boolean, choice, integer, number } from "../options.js";
import type { Rng } from "../rng.js";
import { EmaTeacher } from "../targets/index.js";
import { cat, noGrad } from "../torch/index.js";
import { defineMethod } from "./method.js";
import { consistencyRows } from "./parts/rows.js";
import { consistencyOptions, consistencyWeight, emaFrom, emaOptions, rampUpLength } from "./parts/shared-options.js";

const unset = (what: string) => `${what}; if not given, the network's own`;

export const meanTeacher = defineMethod({
  name: "mean-teacher",
  paper: "arXiv:1703.01780",
  summary: "consistency with a teacher that is the moving average of the student",
  usesUnlabeled: true,
  usesSecondHead: true,
  options: {
    ...consistencyOptions,
    ...emaOptions,
    cost: choice(CONSISTENCY_COSTS, "mse", {
      doc: "consistency cost: squared error, KL(teacher || student), or the family between (tau)",
    }),
    tau: number(1, { min: 0, max: 1, doc: "for cost tau: 0 squared error .. 1 scaled KL" }),
    legacyScale: boolean(false, { doc: "for cost tau: scale of the authors' code, 1 - 1/K times the paper's" }),
    target: choice(["teacher", "student"], "teacher", {
      doc: "where targets come from; student: the Pi-model in the same graph, gradient into both branches",
    }),
    logBothCosts: boolean(false, { doc: "also report the cost against the other target; takes one more pass" }),
    logitDistanceWeight: number(0.01, { min: 0, doc: "two heads: weight of the squared distance of their logits" }),
    logitDistanceClasses: choice(["mean", "sum"], "mean", {
      doc: "two heads: mean or sum of that distance over classes",
    }),
    studentDropout: number(undefined, { min: 0, max: 1, doc: unset("dropout probability of the student's pass") }),
    teacherDropout: number(undefined, { min: 0, max: 1, doc: unset("dropout probability of the teacher's pass") }),
    studentNoise: number(undefined, { min: 0, doc: unset("input noise of the student's pass") }),
    teacherNoise: number(undefined, { min: 0, doc: unset("input noise of the teacher's pass") }),
    studentTranslate: integer(undefined, {
      min: 0,
      doc: "random translation of the student's view in pixels, 0 for none; if not given, the run's",
    }),
    teacherTranslate: integer(undefined, {
      min: 0,
      doc: "random translation of the teacher's view in pixels, 0 for none; if not given, the run's",
    }),
    studentFlip: boolean(true, { doc: "random flip of the student's view, where the data set allows flips" }),
    teacherFlip: boolean(true, { doc: "random flip of the teacher's view, where the data set allows flips" }),
  },
  views(options) {
    const views = {
      student: { augment: "weak", translate: options.studentTranslate, flip: options.studentFlip },
      teacher: { augment: "weak", translate: options.teacherTranslate, flip: options.teacherFlip },
    } as const;
    return { labeled: views, unlabeled: views };
  },
  create(setup, options) {
    const student = setup.buildModel("student");
    const rampUpSteps = rampUpLength(options.rampUpSteps, setup.totalSteps);
    // The teacher is itself forwarded in mode train, so it has running statistics of its own.
    const ema = new EmaTeacher(
      student,
      setup.buildModel("teacher"),
      emaFrom({ ...options, emaBuffers: "own" }, rampUpSteps),
    );
    const teacher = ema.model;
    const optimizer = setup.buildOptimizer("student", student);
    const rampedWeight = consistencyWeight(setup, options);
    const studentPass = { mode: "train", dropout: options.studentDropout, inputNoise: options.studentNoise } as const;
    const teacherPass = { mode: "train", dropout: options.teacherDropout, inputNoise: options.teacherNoise } as const;
    const other = options.target === "teacher" ? "consistencyWithStudent" : "consistencyWithTeacher";
    return {
      predictor: "teacher",
      models: { student, teacher },
      state: { student, teacher, ema, optimizer },
      step({ labeled, unlabeled }, now) {
        const counts = [labeled.index.size(0), unlabeled.index.size(0)] as const;
        const weight = rampedWeight(now.step);
        const { logits, consistency: r } = student.forwardHeads(
          cat([labeled.x.student, unlabeled.x.student]),
          studentPass,
        );
        const second = cat([labeled.x.teacher, unlabeled.x.teacher]);
        // Always forwarded, so that its running statistics follow its weights.
        const byTeacher = noGrad(() => teacher.forward(second, teacherPass).softmax(1));
        const byStudent = (rng?: Rng) =>
          student.forward(second, { ...studentPass, updateStatistics: false, ...(rng && { rng }) }).softmax(1);

        const { select, divideBy } = consistencyRows(options, counts);
        const costOf = (probs: typeof r, gradToTarget = false) =>
          consistencyCost(select(r), select(probs), {
            cost: options.cost,
            tau: options.tau,
            legacyScale: options.legacyScale,
            divideBy,
            gradToTarget,
          });
        const classification = crossEntropy(logits.narrow(0, 0, counts[0]), labeled.y, {
          divideBy: options.classReduction === "batch" ? divideBy : undefined,
        });
        const consistency = options.target === "teacher" ? costOf(byTeacher) : costOf(byStudent(), true);
        let loss = classification.add(consistency.mul(weight));
        const metrics: Record<string, typeof loss | number> = { classification, consistency, weight };
        if (r !== logits) {
          metrics.logitDistance = logitDistance(logits, r, { classes: options.logitDistanceClasses });
          loss = loss.add(metrics.logitDistance.mul(options.logitDistanceWeight));
        }
        if (options.logBothCosts)
          // The extra pass has draws of its own, so that looking does not change what is trained.
          metrics[other] = noGrad(() =>
            costOf(options.target === "teacher" ? byStudent(setup.rng.split(`log:${now.step}`)) : byTeacher),
          );
        minimize(loss, optimizer, now);
        ema.update();
        return metrics;
      },
    };
  },
});
