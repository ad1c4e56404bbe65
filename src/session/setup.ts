/** What a method is given: models and optimizers as the configuration describes them. */
import { createLoader } from "../batches/loader.js";
import { holdRows, inputShape, plainImages } from "../batches/store.js";
import type { Chosen } from "../config/catalog.js";
import { checkNetwork } from "../config/plugin-check.js";
import type { RunConfig } from "../config/resolve.js";
import { UsageError } from "../errors.js";
import type { LinearHead } from "../features/logistic.js";
import type { Setup } from "../methods/index.js";
import type { sharedModelOptions } from "../models/index.js";
import { createModel, type Model, type Network } from "../nn/index.js";
import { createOptimizer, type GivenOptimizer, type Optimizer } from "../optim/index.js";
import type { OptionsOf } from "../options.js";
import type { Rng } from "../rng.js";
import { noGrad, scope, world } from "../torch/index.js";
import { firstOfClasses, headOfMeans, startHeads } from "./class-means.js";
import type { PreparedData } from "./data.js";
import type { Hardware } from "./device.js";
import { INIT_ROWS, initialDraws, initializationRows, shownRows, statisticsRows, trainedRows } from "./shown.js";
import { slowStatistics } from "./statistics.js";
import { layerOf, loadWeights } from "./weights.js";

export interface BuiltSetup {
  readonly setup: Setup;
  /** Optimizers built so far, by role: the loop reports their learning rates. */
  readonly optimizers: ReadonlyMap<string, Optimizer>;
  /** Models built before the first step. */
  readonly built: readonly Model[];
  /** What the user should know of the models built so far. */
  readonly remarks: ReadonlySet<string>;
  /** To be said once the method is made: models built from now on are built in mid-run. Throws UsageError on a role that nobody has. */
  opened(): void;
}

export function createSetup(
  config: RunConfig,
  { method, model: definition, optimizers: known }: Chosen,
  data: PreparedData,
  { device, precision }: Hardware,
  rng: Rng,
): BuiltSetup {
  const { usesSecondHead = false } = method;
  const { count } = data.train;
  const shown = shownRows(config, method, data);
  const [channels, height, width] = inputShape(data.train);
  const input = { channels, height, width, numClasses: data.classes.length };
  const optimizers = new Map<string, Optimizer>();
  const remarks = new Set<string>();
  const { weights, weightsRole, freeze, headStart, headTemperature } = config.modelOptions as OptionsOf<
    typeof sharedModelOptions
  >;
  if (weightsRole !== undefined && weights === undefined) {
    throw new UsageError("--model.weightsRole: says who gets the weights of --model.weights, which is not given");
  }
  const roles = new Set<string>();
  const built: Model[] = [];
  let opening = true;
  let means: LinearHead | undefined;
  const meansOf = (model: Model): LinearHead => {
    const rows = meanRows(data.split, data.train);
    const y = rows.map((row) => data.split.y[row]!);
    // All roles have the same features here.
    const images = (from: number, to: number) => plainImages(data.train, rows.slice(from, to), device);
    means ??= headOfMeans(model, y, input.numClasses, images, headTemperature);
    return means;
  };
  const load = (model: Model, file: string): string[] =>
    loadWeights(model, file, (layers) => {
      if (model.initializesFromData) {
        const init = () => initializeFromData(model, data, initializationRows(shown, rng), device, rng, true);
        keepingHeads(model, layers, init);
      }
      if (method.onFeatures) return () => `fresh: ${config.method} sets it`;
      if (headStart !== "means") return () => "with fresh weights";
      const filled = startHeads(model, layers, meansOf(model));
      return (layer) =>
        filled.has(layer)
          ? "from the mean features of the classes"
          : "with fresh weights, as class means need a head of one linear layer";
    });
  const buildModel = (role: string): Model => {
    const network = definition.create(input, config.modelOptions);
    if (definition.module) checkNetwork(network, definition.module);
    const { accumulate, recompute, syncBatchNorm } = config;
    const draws = rng.split(`model:${role}`);
    const model = createModel(network, { rng: draws, precision, device, freeze, accumulate, recompute, syncBatchNorm });
    if (model.initializesFromData) initializeFromData(model, data, initializationRows(shown, rng), device, rng);
    const name = role.replace(/:.*/, ""); // "student:1", the student of a stage
    roles.add(name);
    // What a run that continues builds at its start has its weights in the checkpoint, and the file may be gone by then. What is
    // built later must be as in a run that was never stopped.
    const fromCheckpoint = opening && config.resume !== undefined;
    if (weights === undefined) for (const remark of slowStatistics(network, config.steps)) remarks.add(remark);
    if (weights === undefined && method.onFeatures && !fromCheckpoint)
      remarks.add(
        `${config.method} leaves the network as it is, and without --model.weights that is a random one, whose features say little (\`fewlabels weights list\`)`,
      );
    const wanted = weights !== undefined && !fromCheckpoint && (weightsRole ?? name) === name;
    const loaded = wanted ? load(model, weights) : [];
    for (const remark of loaded) remarks.add(remark);
    if (!usesSecondHead) for (const remark of idleHead(config, network, model)) remarks.add(remark);
    if (opening) built.push(model);
    else handOut(model);
    return model;
  };
  const setup: Setup = {
    numClasses: input.numClasses,
    numExamples: count + (data.pool?.count ?? 0),
    numLabeled: data.split.labeled.length,
    numTraining: trainedRows(shown).length + (data.pool?.count ?? 0),
    labeled: { rows: data.split.labeled, y: data.split.labeled.map((row) => data.split.y[row]!) },
    totalSteps: config.steps,
    rng: rng.split("method"),
    dataFingerprint: data.fingerprint,
    get unlabeledRows() {
      const { pool } = data;
      return pool ? Int32Array.from({ length: pool.count }, (_, i) => count + i) : shown.unlabeled;
    },
    statisticsRows: statisticsRows(shown, rng),
    holdImages: (rows) => holdRows(data.train, rows, `method ${config.method}`),
    trainingImages: (rows) => plainImages(data.train, checkInMemory(rows, count), device),
    buildModel,
    buildOptimizer(role, model, { options, totalSteps = config.steps, startStep } = {}) {
      const chosen = { ...(config.optimizerOptions as GivenOptimizer), ...options };
      const trained = model.parameters.filter(({ part }) => freeze !== "backbone" || part !== "backbone");
      const optimizer = createOptimizer(trained, chosen, totalSteps, startStep, known);
      optimizers.set(role, optimizer);
      return optimizer;
    },
  };
  return {
    setup,
    optimizers,
    built,
    remarks,
    opened() {
      opening = false;
      if (weightsRole === undefined || roles.has(weightsRole)) return;
      throw new UsageError(
        `--model.weightsRole: method ${config.method} has no network ${weightsRole}. It has ${[...roles].join(", ")}`,
      );
    },
  };
}

/** All processes get process 0's weights and statistics: what each takes from images itself is rounded by its number of threads. */
export function handOut({ parameters, buffers }: Model): void {
  world().broadcast([...parameters, ...buffers].map(({ tensor }) => tensor));
}

/** A remark where the network has a second head, which the method does not train. */
function idleHead({ method, model: name }: RunConfig, { heads: [, second] }: Network, model: Model): string[] {
  const idle = model.parameters.filter((parameter) => second !== undefined && parameter.name.startsWith(`${second}.`));
  if (idle.length === 0) return [];
  const names = idle.map((parameter) => parameter.name).join(", ");
  return [`${method} never trains the second head of ${name} (${names}); --model.heads 1 leaves it out`];
}

/** Throws UsageError where a row is none of the images in memory. */
function checkInMemory(rows: Int32Array, count: number): Int32Array {
  if (rows.every((row) => row < count)) return rows;
  throw new UsageError(
    "Setup.trainingImages: unlabeled images that are streamed cannot be asked for; declare needsWholePool",
  );
}

/** Labeled images that a head's start is taken from; of pictures that are decoded on demand no more than are held. */
export function meanRows({ labeled, y }: PreparedData["split"], { cache }: PreparedData["train"]): Int32Array {
  return firstOfClasses(labeled, y, cache ? INIT_ROWS : labeled.length);
}

/** Runs `body`, which may change heads, and puts those back that are not among `layers`. */
function keepingHeads({ parameters }: Model, layers: ReadonlySet<string>, body: () => void): void {
  const kept = parameters.filter(({ name, part }) => part === "head" && !layers.has(layerOf(name)));
  noGrad(() =>
    scope(() => {
      const copies = kept.map(({ tensor }) => tensor.clone());
      body();
      for (const [i, { tensor }] of kept.entries()) tensor.copy_(copies[i]!);
    }),
  );
}

/** One pass in mode `init` over an augmented minibatch, the same for every role: weight norm sets its gains from it, or its heads do alone. */
function initializeFromData(
  model: Model,
  data: PreparedData,
  rows: Int32Array,
  device: string,
  rng: Rng,
  headsAlone = false,
): void {
  const views = { labeled: {}, unlabeled: { init: { augment: "weak" } } } as const;
  const loader = createLoader(data.train, data.split.y, {
    views,
    translate: data.translate,
    flip: data.flip,
    pad: data.pad,
    rng: initialDraws(rng),
    device,
  });
  noGrad(() =>
    scope(() => {
      const { unlabeled } = loader.batch({ labeled: new Int32Array(0), unlabeled: rows }, 0);
      model.forward(unlabeled.x.init, { mode: "init", everywhere: true, headsAlone });
    }),
  );
}
