/** Error and loss of a model over a set of images, never a training step. */
import { type EvaluationSet, evaluationSet } from "../data/loader.js";
import { crossEntropy } from "../losses/index.js";
import type { Model } from "../nn/index.js";
import { noGrad, scope, tensor } from "../torch/index.js";
import type { RunConfig } from "./config.js";
import type { RoleResult, RoleResults } from "./events.js";
import type { PreparedData } from "./prepare.js";

export interface Evaluation extends RoleResult {
  /** `[true class][predicted class]`, counts. */
  readonly confusion: readonly (readonly number[])[];
}

/** Mode `eval`: running statistics, no dropout, no noise. Images without a label are not counted. */
export function evaluateModel(model: Model, images: EvaluationSet, numClasses: number): Evaluation {
  const confusion = Array.from({ length: numClasses }, () => new Array<number>(numClasses).fill(0));
  let lossSum = 0;
  for (let k = 0; k < images.batches; k++) {
    const { predicted, y, loss } = noGrad(() => scope(() => judge(model, images.batch(k))));
    predicted.forEach((guess, i) => {
      confusion[y[i]!]![guess]! += 1;
    });
    lossSum += loss;
  }
  const n = confusion.flat().reduce((sum, count) => sum + count, 0);
  const right = confusion.reduce((sum, row, k) => sum + row[k]!, 0);
  return { error: n === 0 ? Number.NaN : (100 * (n - right)) / n, loss: lossSum / n, n, confusion };
}

/** Predicted classes, and the sum (not mean) of cross-entropies. */
function judge(model: Model, { x, y }: ReturnType<EvaluationSet["batch"]>) {
  const logits = model.forward(x, "eval");
  const target = tensor(y, [y.length], "int64").toDevice(logits.device);
  return { predicted: logits.argmax(1).toNumbers(), y, loss: crossEntropy(logits, target, { divideBy: 1 }).item() };
}

export type Split = "test" | "val";

/** The images of a split that have a label. */
export function splitImages(
  data: PreparedData,
  split: Split,
  config: Pick<RunConfig, "testBatch">,
  device: string,
): EvaluationSet {
  const known = (labels: Int32Array, rows: Int32Array) => rows.filter((i) => labels[i]! >= 0);
  if (split === "val") {
    return evaluationSet(data.train, data.trainLabels, {
      rows: data.split.validation,
      batch: config.testBatch,
      device,
    });
  }
  const all = Int32Array.from({ length: data.testLabels.length }, (_, i) => i);
  return evaluationSet(data.test, data.testLabels, {
    rows: known(data.testLabels, all),
    batch: config.testBatch,
    device,
  });
}

/** Every model of a method on one split. */
export function evaluateAll(
  models: Readonly<Record<string, Model>>,
  images: EvaluationSet,
  numClasses: number,
): Record<string, Evaluation> {
  return Object.fromEntries(
    Object.entries(models).map(([role, model]) => [role, evaluateModel(model, images, numClasses)]),
  );
}

/** The part of evaluations that events and results hold. */
export function roleResults(evaluations: Readonly<Record<string, Evaluation>>): RoleResults {
  return Object.fromEntries(
    Object.entries(evaluations).map(([role, { error, loss, n }]) => [role, { error, loss, n }]),
  );
}

/** The class that nearly all images are taken for, if there is one: a sign of collapse. */
export function collapsedClass({ confusion, n }: Evaluation, share = 0.9): number | undefined {
  const guesses = confusion.map((_, k) => confusion.reduce((sum, row) => sum + row[k]!, 0));
  const largest = guesses.indexOf(Math.max(...guesses));
  return guesses.length > 1 && guesses[largest]! > share * n ? largest : undefined;
}
