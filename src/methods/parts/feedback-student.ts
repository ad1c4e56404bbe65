/**
 * The student of Meta Pseudo Labels, full and reduced: it learns from pseudo-labels alone, says how much each step helped,
 * is averaged, and at the end of the run its average is fine-tuned on the labels.
 */
import { UsageError } from "../../errors.js";
import type { Model, PassRequest, Stateful } from "../../nn/index.js";
import { minimize, type Optimizer } from "../../optim/index.js";
import { integer, number, type OptionsOf } from "../../options.js";
import type { Tensor } from "../../torch/index.js";
import type { Metrics, Progress, Setup } from "../method.js";
import { averageOf } from "./average.js";
import { createBaseline, feedbackOptions, learnWithFeedback, reinforcement } from "./feedback.js";
import { createFinetune, finetuneOptions, stepsBeforeFinetune } from "./finetune.js";
import { dropoutLayers, emaDecayOption, steadyEmaOptions } from "./shared-options.js";
import { softReinforcement, softSlopes } from "./soft-feedback.js";

/** The largest decay of the kept student by default. */
const MOST_DECAY = 0.995;

export const studentOptions = {
  ...feedbackOptions,
  labelSmoothing: number(0.15, { min: 0, max: 1, doc: "share of hard targets spread evenly over all classes" }),
  studentWaitSteps: integer(undefined, {
    min: 0,
    doc: "first steps, in which the student stands still; if not given, while its learning rate is 0",
  }),
  studentDropout: number(undefined, {
    needs: dropoutLayers,
    min: 0,
    max: 1,
    doc: "dropout probability of the student's pass; if not given, the network's own",
  }),
  ...steadyEmaOptions,
  ...emaDecayOption(MOST_DECAY),
  ...finetuneOptions,
};

/** One step of the student on pseudo-labels, as `descend` takes it. */
export interface StudentLoss {
  /** CE(yhat, S(us)) with its graph. */
  readonly pseudo: Tensor;
  /** L_l: the student's loss on the labeled rows alone, at the weights of the moment. Never smoothed. */
  labeledLoss(pass: PassRequest): Tensor;
  /** The same out of the pass that `pseudo` comes from; only `feedback: legacy` looks at it. */
  jointLoss(): Tensor;
  /** Soft labels: S(us) `[Bu, K]` at the weights of the moment, with the draws of the pass that `pseudo` comes from. */
  softLogits?(): Tensor;
}

/** What the step did to L_l. */
export interface Feedback {
  /** What is added to the labeler's loss: REINFORCE on the labels yhat that it gave with logits z `[Bu, K]`. */
  reward(z: Tensor, yhat: Tensor): Tensor;
  /** h, and h less its moving average. */
  readonly metrics: Metrics;
}

export interface FeedbackStudent {
  readonly student: Model;
  /** The pass in which it learns. */
  readonly pass: Exclude<PassRequest, string>;
  /** The student that is evaluated: the moving average of the weights. */
  readonly average: Model;
  readonly state: Readonly<Record<string, Stateful>>;
  /** First step of the fine-tuning phase. */
  readonly finetuneFrom: number;
  /** The student's, and in the fine-tuning phase its average's. */
  optimizerAt(step: number): Optimizer;
  /** Whether the student does not move yet: it then neither learns nor gives feedback. */
  waits(now: Progress): boolean;
  /** thS <- optimizer(thS, grad `pseudo`), the average follows; what that did to L_l, undefined without labeled rows. */
  descend(loss: StudentLoss, labeledRows: number, now: Progress): Feedback | undefined;
  finetune(x: Tensor, y: Tensor, now: Progress): Metrics;
}

export function createStudent(setup: Setup, options: OptionsOf<typeof studentOptions>): FeedbackStudent {
  const { studentWaitSteps: wait, studentDropout: dropout } = options;
  const finetuneFrom = stepsBeforeFinetune(options, setup.totalSteps);
  if (wait !== undefined && wait >= finetuneFrom) {
    const expected = `less than the ${finetuneFrom} steps in which the student learns from pseudo-labels`;
    throw new UsageError(`studentWaitSteps: expected ${expected}, got ${wait}: it would never move. Raise --steps`);
  }
  const student = setup.buildModel("student");
  const given = { ...options, emaDecayRampUp: undefined };
  const length = { totalSteps: finetuneFrom, rampUpSteps: 0, most: MOST_DECAY };
  const average = averageOf(setup, student, "studentAverage", given, length);
  const { ema } = average;
  const optimizer = setup.buildOptimizer("student", student, {
    totalSteps: finetuneFrom,
    options: wait === undefined ? {} : { waitSteps: wait },
  });
  const baseline = createBaseline(options, student);
  const finetune = createFinetune(setup, average.model, student, options);
  const learn = (
    { pseudo: loss, labeledLoss, jointLoss, softLogits: logits }: StudentLoss,
    now: Progress,
  ): Feedback => {
    if (logits) {
      const step = { loss, labeledLoss, logits, smoothing: options.labelSmoothing };
      const { slopes, h } = softSlopes(student, optimizer, step, options, now);
      return { reward: (_, yhat) => softReinforcement(yhat, slopes, options), metrics: { feedback: h } };
    }
    const h = learnWithFeedback(student, optimizer, { loss, labeledLoss, jointLoss }, options, now);
    const centered = baseline.center(h);
    return {
      reward: (z, yhat) => reinforcement(z, yhat, centered, options),
      metrics: { feedback: h, centeredFeedback: centered },
    };
  };
  return {
    student,
    pass: { mode: "train", ...(dropout !== undefined && { dropout }) },
    average: average.model,
    state: { student, studentAverage: average.model, ema, optimizer, ...baseline.state, ...finetune.state },
    finetuneFrom,
    optimizerAt: (step) => (step < finetuneFrom ? optimizer : (finetune.optimizer ?? optimizer)),
    waits: ({ step }) => step < (wait ?? 0) || optimizer.learningRate(step) === 0,
    descend(loss, labeledRows, now) {
      const feedback = labeledRows === 0 ? undefined : learn(loss, now);
      if (labeledRows === 0) minimize(loss.pseudo, optimizer, now);
      average.follow(now);
      return feedback;
    },
    finetune(x, y, now) {
      const metrics = finetune.step(x, y, now);
      average.end(now);
      return metrics;
    },
  };
}
