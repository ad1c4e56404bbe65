/** The batches of a run as its configuration and method describe them. */

import { CtWeights } from "../augment/ct-augment.js";
import { aheadBatches, batchesAhead } from "../batches/ahead-batches.js";
import { memoryBatches } from "../batches/batches.js";
import { createLoader } from "../batches/loader.js";
import { phased } from "../batches/phased-sampler.js";
import { probing } from "../batches/probing.js";
import { createSampler, type Sampler } from "../batches/sampler.js";
import type { BatchSource } from "../batches/source.js";
import { streamedBatches } from "../batches/streamed.js";
import type { Chosen } from "../config/catalog.js";
import type { RunConfig } from "../config/resolve.js";
import { namesShards } from "../data/extra-unlabeled.js";
import { UsageError } from "../errors.js";
import { isWhitening } from "../images/image-set.js";
import { isStream } from "../labels/label-options.js";
import type { MethodDefinition, Phase, Views } from "../methods/index.js";
import type { Rng } from "../rng.js";
import { world } from "../torch/index.js";
import type { PreparedData, WorkingRows } from "./data.js";
import { INIT_ROWS, STATISTICS_ROWS, showsUnlabeled } from "./shown.js";

type BatchViews = ReturnType<MethodDefinition["views"]>;

/** `rng` is the run's; nothing is drawn from it. Throws UsageError where a part of the batch cannot be filled. */
export function createBatches(
  config: RunConfig,
  definition: MethodDefinition,
  data: PreparedData,
  views: BatchViews,
  rng: Rng,
  device: string,
): BatchSource<Views, Views> {
  const { translate, flip, pad, train, pool, split } = data;
  const weights = new CtWeights();
  const strong = { ...data.strong, weights };
  const options = { views, translate, flip, pad, strong, rng: rng.split("views"), device, spread: world() };
  const learns = strong.name === "ctaugment" && [views.labeled, views.unlabeled].some(hasStrong);
  const probed = (source: BatchSource<Views, Views>) =>
    learns ? probing(source, train, split.y, strong, options) : source;
  const phases = phasesOf(config, definition);
  const sampler = runSampler(config, phases, data, rng.split("sampler"));
  if (!pool) {
    const loader = createLoader(train, split.y, options);
    return probed(
      train.cache
        ? aheadBatches(sampler, loader, train.cache, { spread: world(), steps: config.steps })
        : memoryBatches(sampler, loader),
    );
  }
  const rowsOf = ({ rows }: Phase) => (rows === "both" ? config.batch - config.labeledBatch : 0);
  const streamed = streamedBatches({
    ...options,
    train,
    y: split.y,
    pool,
    sampler,
    unlabeledRows: (step) => rowsOf(phaseAt(phases, step)),
    mostUnlabeledRows: Math.max(1, ...phases.map(rowsOf)),
  });
  return probed(streamed);
}

function hasStrong(views: Views): boolean {
  return Object.values(views).some(({ augment }) => augment === "strong");
}

/** The stretches of a run, in order. */
export function phasesOf(config: RunConfig, definition: MethodDefinition): readonly Phase[] {
  const { steps, methodOptions } = config;
  return (
    definition.phases?.(methodOptions, steps) ?? [
      {
        name: "all",
        steps,
        rows: showsUnlabeled(config, definition) ? "both" : "labeled",
      } as const,
    ]
  );
}

/** Rows that are needed at the same time, at the most: batches in hand, and two of evaluation. */
export function workingRows(config: RunConfig, definition: MethodDefinition): WorkingRows {
  const { batch, labeledBatch, testBatch, val, seen } = config;
  const sizes = phasesOf(config, definition).map(({ rows, batch: own }) =>
    rows === "labeled" ? (own ?? labeledBatch) : batch,
  );
  const judged = 2 * testBatch;
  const largest = Math.max(...sizes);
  const starting = config.modelOptions.headStart === "means" ? 2 : 1;
  const ahead = (batchesAhead + 1) * largest + Math.min(Math.max(val, seen), judged);
  return {
    train: Math.max(starting * INIT_ROWS, ahead, largest + STATISTICS_ROWS), // the first: before it starts; the last: in the last step
    test: judged,
  };
}

/** The stretch that `step` (from 0) is of. */
export function phaseAt(phases: readonly Phase[], step: number): Phase {
  let end = 0;
  for (const phase of phases) {
    end += phase.steps;
    if (step < end) return phase;
  }
  return phases.at(-1)!;
}

/** One sampler for each phase of the method. Where the unlabeled rows are streamed, it gives the labeled ones alone. */
function runSampler(config: RunConfig, phases: readonly Phase[], { split, pool }: PreparedData, rng: Rng): Sampler {
  const { batch, labeledBatch, classBalanced } = config;
  const both = config.sampler === "mixed" ? "mixed" : "two-stream";
  if (phases.length === 1) return phaseSampler(phases[0]!, rng);
  return phased(phases.map((phase) => [phase.steps, phaseSampler(phase, rng.split(phase.name))]));

  function phaseSampler(phase: Phase, rng: Rng): Sampler {
    const size = phase.rows === "labeled" ? (phase.batch ?? labeledBatch) : batch;
    if (phase.rows === "both" && pool) {
      return createSampler(split, { kind: "labeled", batch: labeledBatch, labeledBatch, classBalanced }, rng);
    }
    const kind = phase.rows === "labeled" ? "labeled" : both;
    return createSampler(split, { kind, batch: size, labeledBatch, classBalanced }, rng);
  }
}

/** Refuses, before any data are read, what cannot work with unlabeled images that are streamed. Throws UsageError. */
export function checkStreamed(config: RunConfig, { dataSet, method: definition }: Chosen): void {
  if (isStream(config.unlabeled)) return;
  if (!dataSet.streamsUnlabeled && (dataSet.takesFolders || !namesShards(config.unlabeled))) return;
  const refuse = (what: string, advice: string): never => {
    throw new UsageError(`${what}, and unlabeled images in shards are read in order, once a pass. ${advice}`);
  };
  if (definition.needsWholePool) {
    refuse(
      `method ${definition.name} looks at any unlabeled image between its batches`,
      "Use another method, or unpack the shards into a folder (--dataset folder)",
    );
  }
  if (config.sampler === "mixed") {
    refuse("--sampler mixed draws labeled and unlabeled images in one order", "Use --sampler two-stream");
  }
  if (isWhitening(config.normalize)) {
    refuse(
      `--normalize ${config.normalize} whitens all training images before the first step`,
      "Use channel, image or none",
    );
  }
}
