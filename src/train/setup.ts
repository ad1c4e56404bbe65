/** What a method is given: models and optimizers as the configuration describes them. */
import { createLoader, plainImages } from "../data/loader.js";
import type { MethodDefinition, Setup } from "../methods/index.js";
import { findModel } from "../models/index.js";
import { createModel, type Model } from "../nn/index.js";
import { createOptimizer, type Optimizer, type OptimizerOptions } from "../optim/index.js";
import type { Rng } from "../rng.js";
import { noGrad, type Precision, scope } from "../torch/index.js";
import type { RunConfig } from "./config.js";
import type { PreparedData } from "./prepare.js";

/** Rows of the batch for data-dependent initialization (methods.md 1.4). */
const INIT_ROWS = 100;

export interface BuiltSetup {
  readonly setup: Setup;
  /** Optimizers built so far, by role: the loop reports their learning rates. */
  readonly optimizers: ReadonlyMap<string, Optimizer>;
}

export interface Hardware {
  readonly device: string;
  readonly precision: Precision;
}

export function createSetup(
  config: RunConfig,
  data: PreparedData,
  { device, precision }: Hardware,
  rng: Rng,
): BuiltSetup {
  const { definition } = findModel(config.model);
  const { images } = data.train;
  const input = {
    channels: images.size(1),
    height: images.size(2),
    width: images.size(3),
    numClasses: data.classes.length,
  };
  const optimizers = new Map<string, Optimizer>();
  const buildModel = (role: string): Model => {
    const network = definition.create(input, config.modelOptions);
    const model = createModel(network, { rng: rng.split(`model:${role}`), precision, device });
    if (model.parameters.some(({ name }) => name.endsWith("weight_g"))) initializeFromData(model, data, device, rng);
    return model;
  };
  const setup: Setup = {
    numClasses: input.numClasses,
    numExamples: images.size(0),
    numLabeled: data.split.labeled.length,
    totalSteps: config.steps,
    rng: rng.split("method"),
    dataFingerprint: data.fingerprint,
    unlabeledRows: data.split.unlabeled,
    trainingImages: (rows) => plainImages(data.train, rows, device),
    buildModel,
    buildOptimizer(role, model, { options, totalSteps = config.steps } = {}) {
      const chosen = { ...(config.optimizerOptions as OptimizerOptions), ...options };
      const optimizer = createOptimizer(model.parameters, chosen, totalSteps);
      optimizers.set(role, optimizer);
      return optimizer;
    },
  };
  return { setup, optimizers };
}

/** One pass in mode `init` over an augmented minibatch, the same for every role: weight norm sets its gains from it. */
function initializeFromData(model: Model, data: PreparedData, device: string, rng: Rng): void {
  const draws = rng.split("initialization");
  const rows = draws.shuffle(data.split.unlabeled.slice()).slice(0, INIT_ROWS);
  const views = { labeled: {}, unlabeled: { init: { augment: "weak" } } } as const;
  const loader = createLoader(data.train, data.split.y, {
    views,
    translate: data.translate,
    flip: data.flip,
    rng: draws,
    device,
  });
  noGrad(() =>
    scope(() => {
      const { unlabeled } = loader.batch({ labeled: new Int32Array(0), unlabeled: rows }, 0);
      model.forward(unlabeled.x.init, "init");
    }),
  );
}

/** The views a method declared for these options, and the method itself. */
export function createMethod(definition: MethodDefinition, setup: Setup, options: RunConfig["methodOptions"]) {
  return { views: definition.views(options), method: definition.create(setup, options) };
}
