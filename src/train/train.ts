/**
 * The training loop, an async generator: events come out, everything else (screen, worker, tests) consumes them. It keeps the
 * run folder itself, so a library call leaves the same record as the command line.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { RunConfig } from "../config/resolve.js";
import { DataError, TrainingError } from "../errors.js";
import { writeWhole } from "../files/write-whole.js";
import type { Metrics } from "../methods/index.js";
import type { EvaluationEvent, RunResult, TrainEvent, WarningEvent } from "../run/events.js";
import { RunFolder } from "../run/index.js";
import { restoreCheckpoint, saveCheckpoint } from "../session/checkpoint.js";
import { inferenceRecord, writeInferenceRecord } from "../session/inference-record.js";
import { openSession, type Session } from "../session/session.js";
import { engineInfo, noGrad, scope, Tensor } from "../torch/index.js";
import {
  classResults,
  collapsedClass,
  type Evaluation,
  evaluateAll,
  evaluateModel,
  roleResults,
  type Split,
  splitImages,
} from "./evaluate.js";
import { EvaluationHistory } from "./evaluation-history.js";
import { StepClock } from "./step-clock.js";

export interface TrainSignals {
  /** Asked after every step; true ends the run with a checkpoint. */
  stop(): boolean;
}

/**
 * Trains `given` (see `resolveConfig`), or continues the run in `given.resume`. Yields each event after it has been logged;
 * returns the result, or undefined if the run was stopped. Throws TrainingError if a loss is not finite.
 */
export async function* train(
  given: RunConfig,
  { stop }: TrainSignals = { stop: () => false },
): AsyncGenerator<TrainEvent, RunResult | undefined> {
  if (given.resume === undefined) RunFolder.assertFree(given.out);
  const session = await openSession(given);
  const { config, method, batches, data } = session;
  const { folder, startStep, spentSeconds, medianBefore } = openFolder(config, session);
  const clock = new StepClock(spentSeconds, medianBefore);
  const log = <E extends TrainEvent>(event: E): E => {
    folder.append(event);
    return event;
  };
  const checkpoint = (step: number) =>
    saveCheckpoint(folder, step, session.owners, {
      extra: { elapsedSeconds: clock.elapsed(), stepSecondsMedian: clock.median() },
      keep: config.keepCheckpoints,
      spare: config.saveBest === "val" ? history.best()?.step : undefined,
    });
  const history = new EvaluationHistory(method.predictor, config.val > 0 ? "val" : "test");
  history.recall(folder.events(), startStep);

  try {
    yield log(startEvent(config, session, startStep));
    if (config.resume === undefined) {
      for (const message of [...session.remarks, ...idleHead(session)]) yield log({ type: "warning", message });
    }
    let lastCheckpoint = startStep;
    for (let step = startStep; step < config.steps; step++) {
      clock.start();
      const waiting = batches.prepare(step);
      if (waiting) await waiting;
      const metrics = scope(() => {
        const progress = { step, epoch: batches.epoch, totalSteps: config.steps }; // the pass this batch belongs to
        const batch = batches.batch(step);
        clock.mark("data");
        const scalars = readMetrics(method.step(batch, progress)); // waits for the device: a synchronization point
        judgeProbe(session);
        clock.mark("step");
        return scalars;
      });
      clock.stop();
      checkFinite(metrics, step, session);

      const done = step + 1;
      const last = done === config.steps;
      if (done % config.logEvery === 0 || last) {
        yield log({
          type: "step",
          step: done,
          totalSteps: config.steps,
          epoch: batches.epoch,
          metrics,
          learningRate: learningRate(session, step),
          ...clock.report(config.batch, config.steps - done),
        });
        for (const message of batches.remarks()) yield log({ type: "warning", step: done, message });
        const slow = clock.slowdown();
        if (slow !== undefined) {
          const message = `steps take ${slow.toFixed(1)} times as long as before: something else is using the machine`;
          yield log({ type: "warning", step: done, message });
        }
        await turn(); // lets finalizers and messages of this thread run
      }
      const due = (every: number) => every > 0 && done % every === 0;
      const stopping = !last && stop();
      if (due(config.evalEvery) && !last) {
        const { event } = yield* evaluation(session, config, done, [history.split], log);
        history.add(event);
      }
      const best = config.saveBest === "val" && history.best()?.step === done;
      if ((due(config.checkpointEvery) || last || stopping || best) && done > lastCheckpoint) {
        const path = checkpoint(done);
        lastCheckpoint = done;
        if (!stopping) yield log({ type: "checkpoint", step: done, path });
        else {
          yield log({ type: "interrupted", step: done, path });
          return undefined;
        }
      }
    }
    const splits: Split[] = config.val > 0 ? ["val", "test"] : ["test"];
    const { event: final, test } = yield* evaluation(session, config, config.steps, splits, log);
    history.add(final);
    const result = runResult(config, session, final, clock, {
      perClass: classResults(test![method.predictor]!, data.classes),
      ...(config.saveBest === "val" ? { bestVal: await bestResult(config, session, folder, history, final) } : {}),
      medianLast20: history.medianLast20(),
    });
    folder.writeResult(result);
    yield log({ type: "done", result });
    return result;
  } finally {
    folder.close();
    await batches.close();
    data.release();
  }
}

/** A new folder, or the one of the run to continue with its state put back. */
function openFolder(config: RunConfig, session: Session) {
  const facts = { versions: versions(), dataFingerprint: session.data.fingerprint };
  if (config.resume === undefined) {
    const folder = RunFolder.create(config.out, session.config, facts);
    writeInferenceRecord(config.out, inferenceRecord(session.data, session.method));
    const { damaged } = session.data;
    if (damaged.length > 0) writeWhole(join(config.out, "damaged.json"), `${JSON.stringify(damaged, null, 2)}\n`);
    return {
      folder,
      startStep: 0,
      spentSeconds: 0,
      medianBefore: Number.NaN,
    };
  }
  const folder = RunFolder.open(config.out);
  const before = folder.config().dataFingerprint;
  if (before !== session.data.fingerprint) {
    throw new DataError(
      `${config.out}: the data are not those the run was started with (fingerprint ${session.data.fingerprint}, then ${before})`,
    );
  }
  const checkpoint = folder.latestCheckpoint();
  if (checkpoint) restoreCheckpoint(checkpoint, session.owners);
  const startStep = checkpoint?.step ?? 0;
  folder.truncateAfter(startStep);
  const { elapsedSeconds = 0, stepSecondsMedian } = checkpoint?.extra ?? {};
  return { folder, startStep, spentSeconds: Number(elapsedSeconds), medianBefore: Number(stepSecondsMedian) };
}

function startEvent(config: RunConfig, { data, method, hardware }: Session, startStep: number): TrainEvent {
  const { labeled, unlabeled, validation } = data.split;
  const [model] = Object.values(method.models);
  return {
    type: "start",
    config,
    ...hardware,
    threads: config.threads,
    data: {
      labeled: labeled.length,
      unlabeled: data.pool?.count ?? unlabeled.length,
      val: validation.length,
      test: data.testLabels.length,
      classes: data.classes,
      ...(data.labelNoise ? { labelNoise: data.labelNoise } : {}),
    },
    parameters: model?.parameters.reduce((sum, { tensor }) => sum + tensor.numel, 0) ?? 0,
    ...(config.resume !== undefined ? { resumedFrom: startStep } : {}),
  };
}

interface Measured {
  readonly event: EvaluationEvent;
  /** By role, where the test split was measured. */
  readonly test: Readonly<Record<string, Evaluation>> | undefined;
}

/** Evaluates every model on the splits; warns when nearly all images are taken for one class. */
async function* evaluation(
  session: Session,
  config: RunConfig,
  step: number,
  splits: readonly Split[],
  log: <E extends TrainEvent>(event: E) => E,
): AsyncGenerator<EvaluationEvent | WarningEvent, Measured> {
  const { data, method, hardware } = session;
  const { classes } = data;
  const measured: [Split, Record<string, Evaluation>][] = [];
  for (const split of splits) {
    const images = splitImages(data, split, config, hardware.device);
    measured.push([split, await evaluateAll(method.models, images, classes.length)]);
  }
  const parts = Object.fromEntries(measured.map(([split, roles]) => [split, roleResults(roles)]));
  const event = log<EvaluationEvent>({ type: "evaluation", step, ...parts });
  yield event;
  const collapsed = collapsedClass(measured[0]![1][method.predictor]!);
  if (collapsed !== undefined) {
    const message = `the ${method.predictor} takes over 90 % of the images for class "${classes[collapsed]}": training may have collapsed`;
    yield log({ type: "warning", step, message });
  }
  await turn();
  return { event, test: measured.find(([split]) => split === "test")?.[1] };
}

function runResult(
  config: RunConfig,
  { data, method, hardware }: Session,
  final: EvaluationEvent,
  clock: StepClock,
  history: Pick<RunResult, "perClass" | "bestVal" | "medianLast20">,
): RunResult {
  const { method: name, model, dataset, steps, seed } = config;
  const median = clock.median();
  return {
    method: name,
    model,
    dataset,
    labels: data.split.labeled.length,
    steps,
    seed,
    ...hardware,
    predictor: method.predictor,
    error: final.test![method.predictor]!.error,
    test: final.test!,
    ...(final.val ? { val: final.val } : {}),
    final: { step: steps, error: final.test![method.predictor]!.error },
    ...history,
    imagesPerSecond: config.batch / median,
    stepSecondsMedian: median,
    elapsedSeconds: clock.elapsed(),
    peakMemoryMB: process.resourceUsage().maxRSS / 1024,
  };
}

/** A remark where the network has a second head that nothing trains. */
function idleHead({ config, method: { models, predictor }, usesSecondHead }: Session): string[] {
  const idle = models[predictor]!.parameters.filter(({ name }) => name.startsWith("fc2."));
  if (usesSecondHead || idle.length === 0) return [];
  const names = idle.map(({ name }) => name).join(", ");
  return [`${config.method} never trains the second head of ${config.model} (${names}); --model.heads 1 leaves it out`];
}

/** The best step on validation, and the test error of its weights, which are loaded for it: the run is over. */
async function bestResult(
  config: RunConfig,
  session: Session,
  folder: RunFolder,
  history: EvaluationHistory,
  final: EvaluationEvent,
): Promise<RunResult["bestVal"]> {
  const { predictor, models } = session.method;
  const best = history.best()!;
  if (best.step === config.steps) return { ...best, error: final.test![predictor]!.error };
  restoreCheckpoint(folder.checkpoint(best.step), session.owners);
  const images = splitImages(session.data, "test", config, session.hardware.device);
  const { error } = await evaluateModel(models[predictor]!, images, session.data.classes.length);
  return { ...best, error };
}

/** Teaches strong views that learn what the result's model makes of their probe. */
function judgeProbe({ batches, method }: Session): void {
  const probe = batches.probe?.();
  if (!probe) return;
  const model = method.models[method.predictor]!;
  probe.observe(noGrad(() => model.forward(probe.x, "eval").softmax(1)).toNumbers());
}

function readMetrics(metrics: Metrics): Record<string, number> {
  return Object.fromEntries(
    Object.entries(metrics).map(([name, value]) => [name, value instanceof Tensor ? value.item() : value]),
  );
}

function checkFinite(metrics: Readonly<Record<string, number>>, step: number, session: Session): void {
  if (Object.values(metrics).every(Number.isFinite)) return;
  const terms = Object.entries(metrics)
    .map(([name, value]) => `${name} ${value}`)
    .join(", ");
  throw new TrainingError(
    `step ${step + 1}: the loss is not finite (${terms}; learning rate ${learningRate(session, step)}). ` +
      "The last checkpoint is from before. Try a lower --optimizer.lr, a longer warm-up or --precision fp32",
  );
}

function learningRate({ optimizers }: Session, step: number): number {
  const [optimizer] = optimizers.values();
  return optimizer?.learningRate(step) ?? Number.NaN;
}

function versions(): Record<string, string> {
  const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
    version: string;
  };
  return { fewlabels: version, node: process.versions.node, libtorch: engineInfo().libtorch };
}

function turn(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}
