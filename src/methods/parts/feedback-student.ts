/**
 * The student of Meta Pseudo Labels, full and reduced: it learns from pseudo-labels alone, says how much each step helped,
 * is averaged, and at the end of the run its average is fine-tuned on the labels.
 */
import { crossEntropy } from "../../losses/index.js";
import { forwardJoint, type Model, type PassRequest, type Stateful } from "../../nn/index.js";
import { minimize } from "../../optim/index.js";
import { integer, number, type OptionsOf } from "../../options.js";
import { EmaTeacher } from "../../targets/index.js";
import type { Tensor } from "../../torch/index.js";
import type { Metrics, Progress, Setup } from "../method.js";
import { createBaseline, feedbackOptions, learnWithFeedback } from "./feedback.js";
import { createFinetune, finetuneOptions, stepsBeforeFinetune } from "./finetune.js";
import { emaFrom, evaluationEmaOptions } from "./shared-options.js";

const { emaDecayRampUp: _, ...averageOptions } = evaluationEmaOptions; // nothing ramps here

export const studentOptions = {
  ...feedbackOptions,
  labelSmoothing: number(0.15, { min: 0, max: 1, doc: "share of hard targets spread evenly over all classes" }),
  studentWaitSteps: integer(undefined, {
    min: 0,
    doc: "first steps, in which the student stands still; if not given, while its learning rate is 0",
  }),
  studentDropout: number(undefined, {
    min: 0,
    max: 1,
    doc: "dropout probability of the student's pass; if not given, the network's own",
  }),
  ...averageOptions,
  emaDecay: number(0.995, { min: 0, max: 1, doc: "share of the old average at each update of the kept student" }),
  ...finetuneOptions,
};

export interface StudentBatch {
  /** The unlabeled images the student sees `[Bu, C, H, W]`, and their labels: `[Bu]` int64 or `[Bu, K]` probabilities. */
  readonly images: Tensor;
  readonly label: Tensor;
  /** Labeled images `[Bl, C, H, W]`, and their labels `[Bl]` int64. */
  readonly xl: Tensor;
  readonly yl: Tensor;
}

export interface Lesson {
  /** What the teacher's cross-entropy on `label` is multiplied with: h less its average. Undefined without labeled rows. */
  readonly h: Tensor | undefined;
  readonly metrics: Metrics;
}

export interface FeedbackStudent {
  readonly student: Model;
  /** The student that is kept. */
  readonly average: Model;
  readonly state: Readonly<Record<string, Stateful>>;
  /** Steps before the fine-tuning phase. */
  readonly steps: number;
  /** Whether the student does not move yet: it then neither learns nor gives feedback. */
  waits(now: Progress): boolean;
  learn(batch: StudentBatch, now: Progress): Lesson;
  finetune(x: Tensor, y: Tensor, now: Progress): Metrics;
}

export function createStudent(setup: Setup, options: OptionsOf<typeof studentOptions>): FeedbackStudent {
  const { studentWaitSteps: wait, studentDropout: dropout, labelSmoothing: smoothing } = options;
  const steps = stepsBeforeFinetune(options, setup.totalSteps);
  const student = setup.buildModel("student");
  const ema = new EmaTeacher(
    student,
    setup.buildModel("studentAverage"),
    emaFrom({ ...options, emaDecayRampUp: undefined }, 0),
  );
  const average = ema.model;
  const optimizer = setup.buildOptimizer("student", student, {
    totalSteps: steps,
    options: wait === undefined ? {} : { waitSteps: wait },
  });
  const baseline = createBaseline(options, student);
  const finetune = createFinetune(setup, average, options);
  const pass = { mode: "train", ...(dropout !== undefined && { dropout }) } as const;
  return {
    student,
    average,
    state: { student, studentAverage: average, ema, optimizer, ...baseline.state, ...finetune.state },
    steps,
    waits: ({ step }) => step < (wait ?? 0) || optimizer.learningRate(step) === 0,
    learn({ images, label, xl, yl }, now) {
      const [su, sl] = forwardJoint(student, [images, xl], pass) as [Tensor, Tensor];
      const loss = crossEntropy(su, label, { smoothing }); // over all Bu rows: no confidence mask
      if (yl.size(0) === 0) {
        minimize(loss, optimizer, now);
        ema.update();
        return { h: undefined, metrics: { pseudo: loss } as Metrics };
      }
      const labeledLoss = (pass: PassRequest) => crossEntropy(student.forward(xl, pass), yl);
      const learning = { loss, labeledLoss, jointLoss: () => crossEntropy(sl, yl) };
      const feedback = learnWithFeedback(student, optimizer, learning, options, now);
      ema.update();
      const h = baseline.center(feedback);
      return { h, metrics: { pseudo: loss, feedback, centeredFeedback: h } as Metrics };
    },
    finetune: (x, y, now) => finetune.step(x, y, now),
  };
}
