/** A run put together: data, method, batches; the same for training and for evaluating a finished run. */

import { checkShared } from "../batches/shared-batch.js";
import type { BatchSource } from "../batches/source.js";
import { holdAll, holdRows, inputShape } from "../batches/store.js";
import { catalog as builtIn, type Catalog, choose } from "../config/catalog.js";
import { checkDataEffects } from "../config/effects.js";
import { withModules } from "../config/plugin.js";
import { checkMethod } from "../config/plugin-check.js";
import type { RunConfig } from "../config/resolve.js";
import { withNewOptions } from "../config/resume.js";
import type { Hold } from "../images/picture-cache.js";
import type { Method, Views } from "../methods/index.js";
import { evaluationMetrics } from "../metrics/index.js";
import type { Model } from "../nn/index.js";
import type { Optimizer } from "../optim/index.js";
import { Rng } from "../rng.js";
import { setThreads } from "../torch/index.js";
import { checkStreamed, createBatches, phaseAt, phasesOf, workingRows } from "./batches.js";
import type { Owners } from "./checkpoint.js";
import { checkHeadTemperature } from "./class-means.js";
import { type PreparedData, prepareData } from "./data.js";
import { deviceToSave, type Hardware, openHardware } from "./device.js";
import { fitBatch } from "./fit-batch.js";
import { noNoise } from "./noise.js";
import { photoDefaults } from "./photos/photo-defaults.js";
import { createSetup, meanRows } from "./setup.js";
import { initializationRows, shownRows } from "./shown.js";
import { viewsOf } from "./views.js";

export interface Session {
  /** The run's configuration with what only data and hardware could decide filled in. */
  readonly config: RunConfig;
  readonly data: PreparedData;
  readonly hardware: Hardware;
  readonly method: Method<Views, Views>;
  readonly optimizers: ReadonlyMap<string, Optimizer>;
  readonly batches: BatchSource<Views, Views>;
  /** What the method reads of labeled and unlabeled images. */
  readonly views: { readonly labeled: Views; readonly unlabeled: Views };
  /** Name of the method's phase that `step` (from 0) is of. */
  phaseOf(step: number): string;
  /** Has the images ready of `Setup.statisticsRows`: methods ask for them in the last step. */
  holdStatisticsRows(): Promise<Hold>;
  /** What the user should know before the run starts. */
  readonly remarks: readonly string[];
  /** Models as they are before the first step. */
  readonly built: readonly Model[];
  /** Everything a checkpoint holds. */
  readonly owners: Owners;
}

/** `catalog`: what the names in `asked` mean, beside what its `modules` define. Throws UsageError or DataError. */
export async function openSession(saved: RunConfig, catalog: Catalog = builtIn): Promise<Session> {
  setThreads(saved.threads);
  const hardware = openHardware(saved);
  const { device } = hardware;
  const chosen = choose(saved, await withModules(catalog, saved.modules));
  const given = withNewOptions(saved, chosen);
  const definition = chosen.method;
  const { config: asked, remarks: photo } = await photoDefaults(given, chosen.dataSet, definition, device);
  checkHeadTemperature(asked);
  checkStreamed(asked, chosen);
  const views = viewsOf(definition, asked);
  const data = await prepareData(asked, chosen.dataSet, Object.values(views), workingRows(asked, definition), device);
  const { config, fitted } = (() => {
    try {
      evaluationMetrics({ numClasses: data.classes.length, topK: asked.topK }); // a k that does not fit is told before training
      const facts = { "views.flip": data.flip, "views.translate": data.weak === "translate" };
      if (asked.resume === undefined) checkDataEffects(asked, definition, facts);
      const fit = fitBatch(asked, definition, data);
      const { usesUnlabeled, subBatches } = definition;
      const groups = subBatches?.(fit.config.methodOptions) ?? 1;
      checkShared(fit.config, { phases: phasesOf(fit.config, definition), usesUnlabeled, groups });
      return fit;
    } catch (error) {
      data.release();
      throw error;
    }
  })();
  const rng = Rng.fromSeed(config.seed);
  // Never released: such methods ask for images at any time.
  if (definition.needsWholePool) await holdAll(data.train, `method ${definition.name}`);
  const first = data.train.cache
    ? await holdRows(
        data.train,
        initializationRows(shownRows(config, definition, data), rng),
        "the initialization of the network",
      )
    : undefined;
  const means =
    data.train.cache && config.modelOptions.headStart === "means" ? meanRows(data.split, data.train) : undefined;
  const second = means ? await holdRows(data.train, means, "the means of the classes") : undefined;
  const { setup, optimizers, built, remarks, opened } = createSetup(config, chosen, data, hardware, rng);
  const method = definition.create(setup, config.methodOptions);
  opened();
  const quiet = noNoise(definition, method, views, data, inputShape(data.train), config);
  first?.release();
  second?.release();
  if (definition.module) checkMethod(method, definition.module);
  const batches = createBatches(config, definition, data, views, rng, device);
  const phases = phasesOf(config, definition);
  const { weak, crop, translate, flip, strong, normalize } = data;
  const decided = { weak, crop, translate, flip, strong: strong.name, normalize };
  const place = { ...hardware, device: deviceToSave(config.device, device) };
  const resolved = { ...config, ...place, ...decided } as RunConfig;
  return {
    config: resolved,
    data,
    hardware,
    method,
    optimizers,
    batches,
    views,
    phaseOf: (step) => phaseAt(phases, step).name,
    holdStatisticsRows: () => holdRows(data.train, setup.statisticsRows, "the running statistics of the average"),
    remarks: [...photo, ...data.remarks, ...fitted, ...remarks, ...quiet],
    built,
    owners: { ...method.state, sampler: batches },
  };
}
