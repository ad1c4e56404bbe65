/**
 * The training loop, an async generator: events come out, everything else (screen, worker, tests) consumes them. It keeps the
 * run folder itself, so a library call leaves the same record as the command line.
 */
import type { Batch, Views } from "../batch.js";
import type { Catalog } from "../config/catalog.js";
import type { RunConfig } from "../config/resolve.js";
import { runOptions } from "../config/run-options.js";
import { DiskError } from "../errors.js";
import type { RunResult, TrainEvent } from "../run/events.js";
import { RunFolder } from "../run/index.js";
import { tensorBoard } from "../run/tensorboard.js";
import { saveCheckpoint } from "../session/checkpoint.js";
import { resolveDevice } from "../session/device.js";
import { openSeen } from "../session/look/seen.js";
import { openSession, type Session } from "../session/session.js";
import { EmaTeacher } from "../targets/index.js";
import {
  closeWorld,
  engineInfo,
  noGrad,
  openWorld,
  releaseMemory,
  replaySteps,
  type StepReplay,
  scope,
  type World,
} from "../torch/index.js";
import { collectRemarks } from "./all-remarks.js";
import { classResults, type Split } from "./evaluate.js";
import { evaluation } from "./evaluation.js";
import { EvaluationHistory } from "./evaluation-history.js";
import { withMemoryAdvice } from "./memory-advice.js";
import { MetricReader, packMetrics } from "./metric-reader.js";
import { openFolder, startEvent } from "./record.js";
import { bestResult, runResult } from "./result.js";
import { StepClock } from "./step-clock.js";
import { averageStatistics, guardWeights } from "./together/together.js";
import { turn } from "./turn.js";

export interface TrainControl {
  /** Asked after every step; true ends the run with a checkpoint. */
  readonly stop?: () => boolean;
  /** What the names in the configuration mean; default what comes with the package. */
  readonly catalog?: Catalog | undefined;
}

/**
 * Trains `given` (see `resolveConfig`), or continues the run in `given.resume`. Yields each event after it has been logged;
 * returns the result, or undefined if the run was stopped. Throws TrainingError if a loss is not finite.
 */
export async function* trainConfig(
  given: RunConfig,
  { stop = () => false, catalog }: TrainControl = {},
): AsyncGenerator<TrainEvent, RunResult | undefined> {
  const device = resolveDevice(given.device, { resume: given.resume });
  const world = openWorld({ seconds: given.worldTimeout ?? runOptions.worldTimeout.default, flag: stop, device });
  let failed = true;
  try {
    const result = yield* trainHere(given, world, catalog);
    failed = false;
    return result;
  } finally {
    closeWorld({ failed });
    releaseMemory();
  }
}

/** The same in one of the processes that train together, or in one alone. */
async function* trainHere(
  given: RunConfig,
  world: World,
  catalog: Catalog | undefined,
): AsyncGenerator<TrainEvent, RunResult | undefined> {
  if (given.resume === undefined && !given.nameIsFree && world.rank === 0) RunFolder.assertFree(given.out);
  const session = await openSession(given, catalog);
  const { method, batches, data } = session;
  const close = async () => {
    await batches.close();
    data.release();
  };
  const { folder, config, startStep, spentSeconds, medianBefore, evaluations } = await openFolder(session).catch(
    async (error) => {
      await close();
      throw error;
    },
  );
  const clock = new StepClock(spentSeconds, medianBefore);
  let saved = startStep;
  const metrics = new MetricReader(
    (step) => learningRate(session, step),
    () => saved,
  );
  const replay = replayOf(session, world);
  const history = new EvaluationHistory(method.predictor, config.val > 0 ? "val" : "test");
  history.recall(evaluations, startStep);
  /** After the last step a full disk keeps no result from its reader: what could not be written is told at the end. */
  let [trained, lost]: [boolean, DiskError | undefined] = [false, undefined];
  const unlessFull = (write: () => void) => {
    try {
      write();
    } catch (error) {
      if (!trained || !(error instanceof DiskError)) throw error;
      lost ??= error;
    }
  };
  const board = folder && config.tensorboard ? tensorBoard(folder.path, startStep) : undefined;
  const log = <E extends TrainEvent>(event: E): E => {
    unlessFull(() => {
      folder?.append(event);
      board?.add(event);
    });
    return event;
  };
  const warning = (message: string, step?: number) =>
    log({ type: "warning", ...(step === undefined ? {} : { step }), message });
  /** The latest step's numbers: the one place that waits for the device. Throws where the run has lost its way. */
  const read = () => clock.waitFor(() => metrics.read());
  const remarksOfAll = collectRemarks();
  async function* evaluated(step: number, splits: readonly Split[]) {
    const found = yield* evaluation(session, step, splits, log);
    for (const message of remarksOfAll(data.test.cache?.remarks() ?? [])) yield warning(message, step);
    return found;
  }
  const checkpoint = (step: number) => {
    read();
    metrics.checkWeights(step, method.models);
    const path =
      folder &&
      saveCheckpoint(folder, step, session.owners, {
        extra: { elapsedSeconds: clock.elapsed(), stepSecondsMedian: clock.median() },
        keep: config.keepCheckpoints,
        spare: config.saveBest === "val" ? history.best()?.step : undefined,
      });
    saved = step;
    return path;
  };

  let done = startStep;
  try {
    yield log(startEvent(config, session, startStep));
    if (config.resume === undefined) for (const message of remarksOfAll(session.remarks)) yield warning(message);
    const seen = folder && (await openSeen(session, folder.path, startStep));
    if (startStep < config.steps) await method.prepare?.();
    for (let step = startStep; step < config.steps; step++) {
      done = step + 1;
      clock.start(session.phaseOf(step));
      const waiting = batches.prepare(step);
      if (waiting) await waiting;
      const hold = done === config.steps ? await session.holdStatisticsRows() : undefined;
      const progress = { step, epoch: batches.epoch, totalSteps: config.steps }; // the pass that the next batch belongs to
      scope(() => {
        const batch = batches.batch(step);
        clock.mark("data");
        const train = () => packMetrics(method.step(batch, progress));
        metrics.keep(done, replay ? replay.run(train, shapeOf(batch)) : train(), batch);
        averageStatistics(session);
        judgeProbe(session, world);
        clock.mark("step");
      });
      clock.stop();
      hold?.release();
      if (metrics.isFull) read();
      const failure = replay?.failure();
      if (failure) yield warning(`the GPU cannot take a step at once, so it is told call by call: ${failure}`, done);

      const last = done === config.steps;
      const due = (every: number) => every > 0 && done % every === 0;
      if (due(config.logEvery) || last) {
        yield log({
          type: "step",
          step: done,
          totalSteps: config.steps,
          epoch: batches.epoch,
          metrics: read(),
          learningRate: learningRate(session, step),
          ...emaDecay(session),
          ...clock.report(config.batch, config.steps - done),
        });
        for (const message of remarksOfAll(batches.remarks())) yield warning(message, done);
        const slow = clock.slowdown()?.toFixed(1);
        if (slow)
          yield warning(`steps take ${slow} times as long as before: something else is using the machine`, done);
        await turn(); // lets finalizers and messages of this thread run
      }
      guardWeights(session, done);
      const stopping = !last && world.agreed();
      if (due(config.evalEvery) && !last) {
        read();
        const { event, split, roles } = yield* evaluated(done, [history.split]);
        history.add(event);
        await seen?.record(done, split, roles);
      }
      const best = config.saveBest === "val" && history.best()?.step === done;
      trained = last;
      if ((due(config.checkpointEvery) || last || stopping || best) && done > saved) {
        let path: string | undefined;
        unlessFull(() => {
          path = checkpoint(done);
        });
        if (path !== undefined) yield log({ type: stopping ? "interrupted" : "checkpoint", step: done, path });
        if (stopping) {
          folder?.close();
          // Who starts them may end all at the first that ends: none does before the checkpoint is there.
          if (folder) tryTo(() => world.barrier());
          else world.barrier();
          return undefined;
        }
      }
    }
    const splits: Split[] = config.val > 0 ? ["val", "test"] : ["test"];
    const { event: final, test, split, roles } = yield* evaluated(config.steps, splits);
    history.add(final);
    await seen?.record(config.steps, split, roles);
    const predicted = test![method.predictor]!;
    const wantsBest = config.saveBest === "val";
    const bestVal = wantsBest ? await bestResult(session, folder, history, predicted.figures.error) : undefined;
    if (wantsBest && !bestVal)
      yield warning(
        `the checkpoint of step ${history.best()?.step}, the best on validation, has been removed: the result has no bestVal`,
      );
    const result = runResult(session, {
      steps: config.steps,
      test: final.test!,
      ...(final.val ? { val: final.val } : {}),
      perClass: classResults(predicted, data.classes),
      bestVal,
      medianLast20: history.medianLast20(),
      stepSecondsMedian: clock.median(),
      elapsedSeconds: clock.elapsed(),
      peakMemoryMB: process.resourceUsage().maxRSS / 1024,
    });
    const event = { type: "done", result } as const;
    // A result without its weights would look finished: a resume takes the last steps again.
    if (saved === config.steps) {
      unlessFull(() => folder?.writeResult(result));
      log(event);
    }
    yield event;
    // None ends well before process 0 has kept the result: who starts them would not start all of them again.
    if (world.any(lost !== undefined)) throw lost ?? new DiskError(notKept(world));
    return result;
  } catch (error) {
    // A log that cannot be written any more is no reason to lose the steps since the last checkpoint.
    if (error instanceof DiskError && !trained && done > saved) tryTo(() => checkpoint(done));
    throw withMemoryAdvice(error);
  } finally {
    replay?.close();
    metrics.close();
    board?.close();
    folder?.close();
    await close();
  }
}

const notKept = ({ rank, size }: World) =>
  `process ${rank} of ${size}: the run is over, and process 0 could not write what is left of it; it says why`;

function tryTo(work: () => unknown): void {
  try {
    work();
  } catch {
    // The error that led here is the one to tell.
  }
}

/** Where steps are taken at once: on a GPU that one process has for itself. Equal bits are asked of single calls alone. */
function replayOf({ config, hardware }: Session, world: World): StepReplay | undefined {
  const wanted = config.cudaGraphs && !config.deterministic && world.size === 1;
  return wanted && hardware.device !== "cpu" && engineInfo().cudaKernels ? replaySteps(hardware.device) : undefined;
}

/** Rows with and without a label: how many differs from batch to batch where labels are drawn with the rest. */
function shapeOf({ labeled, unlabeled }: Batch<Views, Views>): string {
  return `${labeled.index.shape}/${unlabeled.index.shape}`;
}

/** Teaches strong views that learn what the result's model makes of their probe. */
function judgeProbe({ batches, method }: Session, world: World): void {
  const probe = batches.probe?.();
  if (!probe) return;
  const model = method.models[method.predictor]!;
  probe.observe(noGrad(() => world.gather(model.forward(probe.x, "eval").softmax(1))).toNumbers());
}

/** Of the first average among what the method owns. */
function emaDecay({ method }: Session): { readonly emaDecay?: number } {
  const ema = Object.values(method.state).find((owner) => owner instanceof EmaTeacher);
  return ema?.decay === undefined ? {} : { emaDecay: ema.decay };
}

function learningRate({ method, optimizers }: Session, step: number): number {
  const [first] = optimizers.values();
  return (method.optimizerAt?.(step) ?? first)?.learningRate(step) ?? Number.NaN;
}
