/** What a model makes of a set of images, never a training step. What is measured: src/metrics. */
import { type EvaluationSet, evaluationSet } from "../batches/evaluation-set.js";
import type { RunConfig } from "../config/resolve.js";
import {
  type Confusion,
  countOf,
  emptyConfusion,
  errorByClass,
  evaluationMetrics,
  type MetricSettings,
  type RowMetric,
} from "../metrics/index.js";
import type { Model } from "../nn/index.js";
import type { ClassResult, RoleResult, RoleResults } from "../run/events.js";
import type { PreparedData } from "../session/data.js";
import type { Session } from "../session/session.js";
import { noGrad, scope, tensor, world } from "../torch/index.js";

/** The figures of one model, and the counts behind them. */
export interface Evaluation {
  readonly figures: RoleResult;
  readonly confusion: Confusion;
}

/**
 * Every model on the same images, batch by batch, in mode `eval`: running statistics, no dropout, no noise. Where several processes train
 * together each of the W takes every W-th batch, and all get the counts of all images.
 */
export async function evaluateAll(
  models: Readonly<Record<string, Model>>,
  images: EvaluationSet,
  settings: MetricSettings,
): Promise<Record<string, Evaluation>> {
  const metrics = evaluationMetrics(settings);
  const byRow = metrics.flatMap((metric) => ("sum" in metric ? [metric] : []));
  const counts = Object.entries(models).map(([role, model]) => {
    return { role, model, confusion: emptyConfusion(settings.numClasses), sums: byRow.map(() => 0) };
  });
  const { rank, size } = world();
  try {
    for (let k = rank; k < images.batches; k += size) {
      const waiting = images.prepare(k, k + size);
      if (waiting) await waiting;
      for (const count of counts) {
        const { predicted, y, sums } = noGrad(() => scope(() => judge(count.model, images.batch(k), byRow)));
        predicted.forEach((guess, i) => {
          count.confusion[y[i]!]![guess]! += 1;
        });
        sums.forEach((sum, i) => {
          count.sums[i]! += sum;
        });
      }
    }
  } finally {
    images.close();
  }
  if (size > 1) for (const count of counts) sumUp(count);
  return Object.fromEntries(
    counts.map(({ role, confusion, sums }) => {
      const n = countOf(confusion);
      const mean = (metric: RowMetric) => (metric.scale * sums[byRow.indexOf(metric)]!) / n;
      const named: Record<string, number> = Object.fromEntries(
        metrics.map((metric) => [metric.name, "sum" in metric ? mean(metric) : metric.of(confusion)]),
      );
      const { error = Number.NaN, loss = Number.NaN } = named;
      return [role, { figures: { ...named, error, loss, n }, confusion }];
    }),
  );
}

/** Counts and sums of all processes in place of this one's; counts stay whole numbers. */
function sumUp({ confusion, sums }: { readonly confusion: number[][]; readonly sums: number[] }): void {
  scope(() => {
    const own = Float64Array.from([...sums, ...confusion.flat()]);
    const t = tensor(own, [own.length]);
    world().sum([t]);
    const all = t.toNumbers();
    sums.forEach((_, i) => {
      sums[i] = all[i]!;
    });
    let at = sums.length;
    for (const row of confusion) for (let k = 0; k < row.length; k++) row[k] = all[at++]!;
  });
}

/** Predicted classes, and the sums of the metrics over the rows. */
function judge(model: Model, { x, y }: ReturnType<EvaluationSet["batch"]>, metrics: readonly RowMetric[]) {
  const logits = model.forward(x, "eval");
  const target = tensor(y, [y.length], "int64").toDevice(logits.device);
  const sums = metrics.map((metric) => metric.sum(logits, target).item());
  return { predicted: logits.argmax(1).toNumbers(), y, sums };
}

/** The models of a run (or some of them) on a split. Throws UsageError where its metrics do not fit its classes. */
export function evaluateSplit(
  { config, data, method, hardware }: Pick<Session, "config" | "data" | "method" | "hardware">,
  split: Split,
  models: Readonly<Record<string, Model>> = method.models,
): Promise<Record<string, Evaluation>> {
  const images = splitImages(data, split, config, hardware.device);
  return evaluateAll(models, images, { numClasses: data.classes.length, topK: config.topK });
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

/** The part of evaluations that events and results hold. */
export function roleResults(evaluations: Readonly<Record<string, Evaluation>>): RoleResults {
  return Object.fromEntries(Object.entries(evaluations).map(([role, { figures }]) => [role, figures]));
}

/** Error by true class. */
export function classResults({ confusion }: Pick<Evaluation, "confusion">, classes: readonly string[]): ClassResult[] {
  return errorByClass(confusion).map((one, k) => ({ class: classes[k]!, ...one }));
}
