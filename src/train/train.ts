/**
 * The training loop, an async generator: events come out, everything else (screen, worker, tests) consumes them. It keeps the
 * run folder itself, so a library call leaves the same record as the command line.
 */
import { readFileSync } from "node:fs";
import { DataError, TrainingError } from "../errors.js";
import type { Metrics } from "../methods/index.js";
import { RunFolder } from "../run/index.js";
import { engineInfo, scope, Tensor } from "../torch/index.js";
import { restoreCheckpoint, saveCheckpoint } from "./checkpoint.js";
import type { RunConfig } from "./config.js";
import { collapsedClass, evaluateAll, roleResults, type Split, splitImages } from "./evaluate.js";
import type { EvaluationEvent, RunResult, TrainEvent, WarningEvent } from "./events.js";
import { openSession, type Session } from "./session.js";
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
  const { config, method, sampler, loader, data } = session;
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
    });

  try {
    yield log(startEvent(config, session, startStep));
    let lastCheckpoint = startStep;
    for (let step = startStep; step < config.steps; step++) {
      clock.start();
      const metrics = scope(() => {
        const batch = loader.batch(sampler.next(), step);
        clock.mark("data");
        const progress = { step, epoch: sampler.epoch, totalSteps: config.steps };
        const scalars = readMetrics(method.step(batch, progress)); // waits for the device: a synchronization point
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
          epoch: sampler.epoch,
          metrics,
          learningRate: learningRate(session, step),
          ...clock.report(config.batch, config.steps - done),
        });
        const slow = clock.slowdown();
        if (slow !== undefined) {
          const message = `steps take ${slow.toFixed(1)} times as long as before: something else is using the machine`;
          yield log({ type: "warning", step: done, message });
        }
        await turn(); // lets finalizers and messages of this thread run
      }
      const due = (every: number) => every > 0 && done % every === 0;
      const stopping = !last && stop();
      if (due(config.evalEvery) && !last)
        yield* evaluation(session, config, done, [config.val > 0 ? "val" : "test"], log);
      if ((due(config.checkpointEvery) || last || stopping) && done > lastCheckpoint) {
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
    const final = yield* evaluation(session, config, config.steps, splits, log);
    const result = runResult(config, session, final, clock);
    folder.writeResult(result);
    yield log({ type: "done", result });
    return result;
  } finally {
    folder.close();
    data.release();
  }
}

/** A new folder, or the one of the run to continue with its state put back. */
function openFolder(config: RunConfig, session: Session) {
  const facts = { versions: versions(), dataFingerprint: session.data.fingerprint };
  if (config.resume === undefined)
    return {
      folder: RunFolder.create(config.out, session.config, facts),
      startStep: 0,
      spentSeconds: 0,
      medianBefore: Number.NaN,
    };
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
      unlabeled: unlabeled.length,
      val: validation.length,
      test: data.testLabels.length,
      classes: data.classes,
    },
    parameters: model?.parameters.reduce((sum, { tensor }) => sum + tensor.numel, 0) ?? 0,
    ...(config.resume !== undefined ? { resumedFrom: startStep } : {}),
  };
}

/** Evaluates every model on the splits; warns when nearly all images are taken for one class. */
async function* evaluation(
  session: Session,
  config: RunConfig,
  step: number,
  splits: readonly Split[],
  log: <E extends TrainEvent>(event: E) => E,
): AsyncGenerator<EvaluationEvent | WarningEvent, EvaluationEvent> {
  const { data, method, hardware } = session;
  const { classes } = data;
  const measured = splits.map((split) => {
    const images = splitImages(data, split, config, hardware.device);
    return [split, evaluateAll(method.models, images, classes.length)] as const;
  });
  const parts = Object.fromEntries(measured.map(([split, roles]) => [split, roleResults(roles)]));
  const event = log<EvaluationEvent>({ type: "evaluation", step, ...parts });
  yield event;
  const collapsed = collapsedClass(measured[0]![1][method.predictor]!);
  if (collapsed !== undefined) {
    const message = `the ${method.predictor} takes over 90 % of the images for class "${classes[collapsed]}": training may have collapsed`;
    yield log({ type: "warning", step, message });
  }
  await turn();
  return event;
}

function runResult(
  config: RunConfig,
  { data, method, hardware }: Session,
  final: EvaluationEvent,
  clock: StepClock,
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
    imagesPerSecond: config.batch / median,
    stepSecondsMedian: median,
    elapsedSeconds: clock.elapsed(),
    peakMemoryMB: process.resourceUsage().maxRSS / 1024,
  };
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
