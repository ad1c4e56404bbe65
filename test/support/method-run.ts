/** One method on a tiny model and made-up pictures, without files or the training loop. */
import type { Batch, Views } from "../../src/batch.js";
import { createLoader } from "../../src/batches/loader.js";
import type { Rows } from "../../src/batches/sampler.js";
import { holdRows, type ImageStore, plainImages, storeImages } from "../../src/batches/store.js";
import { findMethod, type Method, type Metrics, type Progress, type Setup } from "../../src/methods/index.js";
import { findModel } from "../../src/models/index.js";
import { createModel, type Model, type State } from "../../src/nn/index.js";
import { createOptimizer, type Optimizer, optimizerOptions } from "../../src/optim/index.js";
import { parseOptions } from "../../src/options.js";
import { Rng } from "../../src/rng.js";
import { noGrad, scope, Tensor } from "../../src/torch/index.js";
import { tinyTable } from "./tiny-table.js";

export const CLASSES = 4;
const SIDE = 8;
const EXAMPLES = 40;

type Given = Readonly<Record<string, unknown>>;

export interface TinyRunOptions {
  readonly method?: Given;
  /** Default convnet-tiny at a quarter of its width. */
  readonly model?: string;
  readonly modelOptions?: Given;
  readonly optimizer?: Given;
  readonly seed?: number;
  readonly labeled?: number;
  readonly unlabeled?: number;
  readonly totalSteps?: number;
  readonly translate?: number;
  readonly flip?: boolean;
  /** Called instead of each optimizer's step: to look at gradients without moving. */
  readonly onStep?: (role: string) => void;
}

export interface TinyRun {
  readonly name: string;
  readonly method: Method<Views, Views>;
  readonly student: Model;
  readonly setup: Setup;
  /** The batch of a step; call it inside a scope. */
  batch(step: number): Batch<Views, Views>;
  /** Steps `from` .. `from + count - 1`, each in a scope; the metrics of each as numbers. */
  steps(count: number, from?: number): Record<string, number>[];
  release(): void;
}

/** Pictures with some structure: a bright square whose place depends on the class. */
function pictures(): ImageStore {
  const rng = Rng.fromSeed(77);
  const labels = Int32Array.from({ length: EXAMPLES }, (_, i) => i % CLASSES);
  const pixels = Float32Array.from({ length: EXAMPLES * 3 * SIDE * SIDE }, (_, at) => {
    const [x, y, image] = [at % SIDE, Math.floor(at / SIDE) % SIDE, Math.floor(at / (3 * SIDE * SIDE))];
    const k = labels[image]!;
    const inside = x >= 4 * (k % 2) && x < 4 * (k % 2) + 4 && y >= 4 * (k >> 1) && y < 4 * (k >> 1) + 4;
    return (inside ? 1 : -0.3) + 0.5 * rng.normal();
  });
  const images = { pixels, count: EXAMPLES, channels: 3, height: SIDE, width: SIDE, labels };
  const scaling = { scale: Float32Array.of(1, 1, 1), offset: new Float32Array(3), per: "channel" as const };
  return storeImages({ images, scaling });
}

export function tinyRun(name: string, options: TinyRunOptions = {}): TinyRun {
  const { seed = 1, labeled = 4, unlabeled = 6, totalSteps = 20, translate = 1, flip = true } = options;
  const definition = findMethod(name);
  const rng = Rng.fromSeed(seed);
  const model = options.model ?? "convnet-tiny";
  const { definition: architecture } = findModel(model);
  const chosen = model === "convnet-tiny" ? { width: 0.25, ...options.modelOptions } : (options.modelOptions ?? {});
  const modelOptions = parseOptions(architecture.options, chosen, model);
  const store = pictures();
  const owned: Model[] = [];
  const optimizers: Optimizer[] = [];
  const setup: Setup = {
    numClasses: CLASSES,
    numExamples: EXAMPLES,
    numLabeled: 8,
    numTraining: EXAMPLES,
    labeled: {
      rows: Int32Array.from({ length: 8 }, (_, i) => i),
      y: Int32Array.from({ length: 8 }, (_, i) => i % CLASSES),
    },
    totalSteps,
    rng: rng.split("method"),
    dataFingerprint: "tiny",
    unlabeledRows: Int32Array.from({ length: EXAMPLES }, (_, i) => i),
    statisticsRows: Int32Array.from({ length: EXAMPLES }, (_, i) => i),
    holdImages: (rows) => holdRows(store, rows, name),
    trainingImages: (rows) => plainImages(store, rows),
    buildModel(role) {
      const net = architecture.create({ channels: 3, height: SIDE, width: SIDE, numClasses: CLASSES }, modelOptions);
      const built = createModel(net, { rng: rng.split(`model:${role}`), precision: "fp32", device: "cpu" });
      owned.push(built);
      return built;
    },
    buildOptimizer(role, target, changes = {}) {
      const given = { schedule: "constant", lr: 0.01, ...options.optimizer, ...changes.options };
      const optimizer = createOptimizer(
        target.parameters,
        parseOptions(optimizerOptions, given, "optimizer"),
        changes.totalSteps ?? totalSteps,
        changes.startStep,
      );
      optimizers.push(optimizer);
      if (!options.onStep) return optimizer;
      return {
        learningRate: optimizer.learningRate,
        zeroGrad: () => optimizer.zeroGrad(),
        stateDict: () => optimizer.stateDict(),
        loadStateDict: (state) => optimizer.loadStateDict(state),
        step() {
          options.onStep!(role);
          return {};
        },
      };
    },
  };
  const table = "table" in definition.options ? { table: tinyTable(EXAMPLES, CLASSES) } : {};
  // By default the average of so short a run would be the student itself.
  const average = "emaDecay" in definition.options ? { emaDecay: 0.999 } : {};
  const parsed = parseOptions(definition.options, { ...table, ...average, ...options.method }, name);
  const method = definition.create(setup, parsed);
  const y = Int32Array.from({ length: EXAMPLES }, (_, i) => i % CLASSES);
  const loader = createLoader(store, y, { views: definition.views(parsed), translate, flip, rng: rng.split("views") });

  const rowsOf = (step: number): Rows => {
    const order = rng.split(`rows:${step}`).permutation(EXAMPLES);
    return { labeled: order.slice(0, labeled), unlabeled: order.slice(labeled, labeled + unlabeled) };
  };
  const batch = (step: number) => loader.batch(rowsOf(step), step);
  return {
    name,
    method,
    student: method.models.student!,
    setup,
    batch,
    steps: (count, from = 0) =>
      Array.from({ length: count }, (_, i) => {
        const step = from + i;
        const now: Progress = { step, epoch: step / 5, totalSteps };
        return scope(() => numbers(method.step(batch(step), now)));
      }),
    release() {
      store.release();
      for (const { parameters, buffers } of owned)
        for (const { tensor } of [...parameters, ...buffers]) tensor.release();
      for (const optimizer of optimizers) for (const t of Object.values(optimizer.stateDict().tensors)) t.release();
    },
  };
}

export function numbers(metrics: Metrics): Record<string, number> {
  return Object.fromEntries(
    Object.entries(metrics).map(([name, value]) => [name, value instanceof Tensor ? value.item() : value]),
  );
}

/** All values of a model, parameters then buffers, as bytes-exact arrays by name. */
export function snapshot(model: Model): Record<string, unknown> {
  return Object.fromEntries(
    [...model.parameters, ...model.buffers].map(({ name, tensor }) => [name, tensor.toArray()]),
  );
}

/** Every state of a method, copied out of the engine. */
export function saveState(method: Method<Views, Views>): Record<string, SavedState> {
  return Object.fromEntries(
    Object.entries(method.state).map(([owner, stateful]) => {
      const { tensors, values } = stateful.stateDict();
      const arrays = Object.entries(tensors).map(([name, t]) => [name, t.clone().keep()] as const);
      return [owner, { tensors: Object.fromEntries(arrays), values: JSON.parse(JSON.stringify(values)) }];
    }),
  );
}

export type SavedState = State;

/** Runs `body`, and gives every gradient that `model` then has, by name. */
export function gradients(model: Model): Record<string, number[] | undefined> {
  return scope(() =>
    noGrad(() => Object.fromEntries(model.parameters.map(({ name, tensor }) => [name, tensor.grad?.toNumbers()]))),
  );
}

/** 2-norm over all gradients of a model, 0 where there are none. */
export function gradientNorm(model: Model): number {
  return Math.hypot(...Object.values(gradients(model)).flatMap((values) => values ?? []));
}
