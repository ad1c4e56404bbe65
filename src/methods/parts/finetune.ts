/**
 * The last stretch of a Meta Pseudo Labels run: the student that is kept, which has never seen a label, learns from the
 * labeled images alone. SGD at a small constant rate, network dropout off (methods.md 2.8, fine-tuning phase).
 */
import { UsageError } from "../../errors.js";
import { crossEntropy } from "../../losses/index.js";
import type { Model, Stateful } from "../../nn/index.js";
import { minimize, type Optimizer } from "../../optim/index.js";
import { integer, needNotZero, number } from "../../options.js";
import type { Tensor } from "../../torch/index.js";
import type { Metrics, Phase, Progress, Setup } from "../method.js";

const finetuned = [needNotZero("method.finetuneSteps")];

export const finetuneOptions = {
  finetuneSteps: integer(undefined, {
    min: 0,
    doc: "last steps of the run, in which the kept student learns from labeled images alone; if not given, 1/60 of the steps (5,000 of 300,000)",
  }),
  finetuneLr: number(3e-5, {
    min: 0,
    needs: finetuned,
    doc: "constant learning rate of that phase (SGD, Nesterov 0.9; the paper: 1e-5)",
  }),
  finetuneBatch: integer(undefined, {
    min: 1,
    needs: finetuned,
    doc: "labeled rows of a batch in that phase, repeated where there are fewer; if not given, the run's labeled rows (papers: 512)",
  }),
};

export interface FinetuneOptions {
  readonly finetuneSteps: number | undefined;
  readonly finetuneLr: number;
  readonly finetuneBatch: number | undefined;
}

/** Steps before the phase. Throws UsageError where none is left. */
export function stepsBeforeFinetune({ finetuneSteps }: FinetuneOptions, totalSteps: number): number {
  const before = totalSteps - (finetuneSteps ?? Math.round(totalSteps / 60));
  if (before > 0) return before;
  throw new UsageError(
    `finetuneSteps: expected less than the ${totalSteps} steps of the run, got ${finetuneSteps}. Raise --steps`,
  );
}

export function finetunePhases(options: FinetuneOptions, totalSteps: number): readonly Phase[] {
  const before = stepsBeforeFinetune(options, totalSteps);
  const main: Phase = { name: "pseudo-labels", steps: before, rows: "both" };
  if (before === totalSteps) return [main];
  const batch = options.finetuneBatch === undefined ? {} : { batch: options.finetuneBatch };
  return [main, { name: "finetune", steps: totalSteps - before, rows: "labeled", ...batch }];
}

export interface Finetune {
  /** Undefined without the phase. */
  readonly optimizer?: Optimizer;
  readonly state: Readonly<Record<string, Stateful>>;
  step(x: Tensor, y: Tensor, now: Progress): Metrics;
}

/**
 * `model` is trained in place: what is evaluated after the phase is what was fine-tuned. Smoothing stays as before. An average asks
 * for no gradient until then: afterwards for those that the `student` behind it asks for, which are not all of a frozen one.
 */
export function createFinetune(
  setup: Pick<Setup, "totalSteps" | "buildOptimizer">,
  model: Model,
  student: Model,
  options: FinetuneOptions & { readonly labelSmoothing: number },
): Finetune {
  const start = stepsBeforeFinetune(options, setup.totalSteps);
  if (start === setup.totalSteps) {
    return { state: {}, step: () => ({}) };
  }
  const optimizer = setup.buildOptimizer("finetune", model, {
    startStep: start,
    totalSteps: setup.totalSteps - start,
    options: {
      name: "sgd",
      lr: options.finetuneLr,
      schedule: "constant",
      warmupSteps: 0,
      momentum: 0.9,
      nesterov: true,
      weightDecay: 0,
    },
  });
  const trained = model.parameters.flatMap(({ tensor }, i) =>
    student.parameters[i]!.tensor.requiresGrad ? [tensor] : [],
  );
  return {
    optimizer,
    state: { finetuneOptimizer: optimizer },
    step(x, y, now) {
      for (const tensor of trained) tensor.requiresGrad_();
      const finetune = crossEntropy(model.forward(x, { mode: "train", dropout: 0 }), y, {
        smoothing: options.labelSmoothing,
      });
      minimize(finetune, optimizer, now);
      return { finetune };
    },
  };
}
