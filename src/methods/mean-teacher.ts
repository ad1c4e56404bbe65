/**
 * Mean Teacher (Tarvainen & Valpola, arXiv:1703.01780): a teacher whose weights are the moving average of the student's
 * gives the targets on another view of the same images.
 *
 *   L   = CE(c_s, y) + w(t) mean_i m_i d(softmax(r_s), softmax(c_t)) + lambda_d D(c_s, r_s)
 *   th  <- optimizer(th, grad L);   th' <- a th' + (1 - a) th                       (section 2, eq. 1 and 2)
 *
 * CE is the sum over labeled rows over B, all rows. th, th' are the weights of student and teacher, a is `emaDecay`. d is
 * `cost`, m_i = 1 (`consistencyOnLabeled` false: [i has no label]), w(t) = consistencyWeight exp(-5 (1 - t / rampUpSteps)^2),
 * lambda_d = `logitDistanceWeight`, D the squared distance of logits. With one head r_s = c_s and D is absent; with two
 * (`model.heads` 2) the teacher's class head c_t is the target of the student's consistency head r_s. Deviations: the
 * teacher starts as a copy of the student, as the paper says and its PyTorch code does not; the update comes after the
 * optimizer step (in TensorFlow, one step late).
 *
 * @see the paper, Section 2; docs/methods/mean-teacher.md; test/methods/formulas.ts, which computes the same slowly
 */
import { minimize } from "../optim/index.js";
import { boolean, choice, integer, needFact, number } from "../options.js";
import { EmaTeacher } from "../targets/index.js";
import { noGrad } from "../torch/index.js";
import { defineMethod } from "./method.js";
import { agreement, headOptions, targetOptions, tieHeads } from "./parts/mean-teacher-target.js";
import { both, classCost, labeledOf } from "./parts/rows.js";
import {
  consistencyOptions,
  consistencyWeight,
  dropoutLayers,
  emaFrom,
  emaOptions,
  inputNoise,
  rampUpLength,
  randomFlips,
} from "./parts/shared-options.js";

const translated = [
  needFact("views.translate", "translated views: --weak translate, as others are crops", { weak: "translate" }),
];
const unset = (what: string) => `${what}; if not given, the network's own`;

export const meanTeacher = defineMethod({
  name: "mean-teacher",
  paper: "arXiv:1703.01780",
  summary: "consistency with a teacher that is the moving average of the student",
  usesUnlabeled: true,
  agreesOnLabeled: ({ consistencyOnLabeled }) => consistencyOnLabeled,
  wantsNoise: true,
  usesSecondHead: true,
  options: {
    ...consistencyOptions,
    ...emaOptions,
    ...targetOptions,
    ...headOptions,
    studentDropout: number(undefined, {
      min: 0,
      max: 1,
      needs: dropoutLayers,
      doc: unset("dropout probability of the student's pass"),
    }),
    teacherDropout: number(undefined, {
      min: 0,
      max: 1,
      needs: dropoutLayers,
      doc: unset("dropout probability of the teacher's pass"),
    }),
    studentNoise: number(undefined, { min: 0, needs: inputNoise, doc: unset("input noise of the student's pass") }),
    teacherNoise: number(undefined, { min: 0, needs: inputNoise, doc: unset("input noise of the teacher's pass") }),
    studentView: choice(["weak", "strong"], "weak", {
      doc: "augmentation of the student's view; strong (see --strong): the most useful noise there is, where the data allow it",
    }),
    teacherView: choice(["weak", "strong"], "weak", { doc: "augmentation of the teacher's view" }),
    studentTranslate: integer(undefined, {
      min: 0,
      needs: translated,
      doc: "random translation of the student's view in pixels, 0 for none (among crops: the crop of evaluation); if not given, the run's",
    }),
    teacherTranslate: integer(undefined, {
      min: 0,
      needs: translated,
      doc: "random translation of the teacher's view in pixels, 0 for none (among crops: the crop of evaluation); if not given, the run's",
    }),
    studentFlip: boolean(true, {
      needs: randomFlips,
      doc: "random flip of the student's view, where the data set allows flips",
    }),
    teacherFlip: boolean(true, {
      needs: randomFlips,
      doc: "random flip of the teacher's view, where the data set allows flips",
    }),
  },
  views(options) {
    const views = {
      student: { augment: options.studentView, translate: options.studentTranslate, flip: options.studentFlip },
      teacher: { augment: options.teacherView, translate: options.teacherTranslate, flip: options.teacherFlip },
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
      emaFrom({ ...options, emaBuffers: "own" }, { totalSteps: setup.totalSteps, rampUpSteps }),
    );
    const teacher = ema.model;
    const optimizer = setup.buildOptimizer("student", student);
    const rampedWeight = consistencyWeight(setup, options);
    const studentPass = { mode: "train", dropout: options.studentDropout, inputNoise: options.studentNoise } as const;
    const teacherPass = { mode: "train", dropout: options.teacherDropout, inputNoise: options.teacherNoise } as const;
    const consistencyOf = agreement(setup, student, options, teacherPass);
    return {
      predictor: "teacher",
      models: { student, teacher },
      state: { student, teacher, ema, optimizer },
      step(batch, now) {
        const w = rampedWeight(now);
        const heads = student.forwardHeads(both(batch, "student"), studentPass);
        const { logits: cs, consistency: rs } = heads;
        const ct = noGrad(() => teacher.forward(both(batch, "teacher"), teacherPass)); // another view, other draws
        const classification = classCost(labeledOf(cs, batch), batch.labeled.y, batch, options); // CE(c_s, y) / B
        const byTeacher = noGrad(() => classCost(labeledOf(ct, batch), batch.labeled.y, batch, options)); // Figure 3; trains nothing
        const { consistency, looked } = consistencyOf(batch, rs, ct, now); // mean_i m_i d(softmax(r_s), softmax(c_t))
        const { loss, tie } = tieHeads(classification.add(consistency.mul(w)), heads, options); // + lambda_d D(c_s, r_s)
        minimize(loss, optimizer, now);
        ema.update(); // th' <- a th' + (1 - a) th
        return { classification, teacherClassification: byTeacher, consistency, weight: w, ...tie, ...looked };
      },
    };
  },
});
