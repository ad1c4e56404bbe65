/** From a module tree with one or two heads to a model: names, state, precision, generator. */
import { DataError, EngineError } from "../errors.js";
import type { Rng } from "../rng.js";
import type { State } from "../stateful.js";
import {
  autocast,
  cat,
  gradEnabled,
  inScope,
  noGrad,
  type Precision,
  scope,
  type Tensor,
  whole,
  world,
} from "../torch/index.js";
import type { Heads, Model, NamedTensor, PassRequest } from "./model.js";
import type { Module, Pass } from "./module.js";
import { inChunks } from "./recomputed.js";
import { anyModule, initialize, namedBuffers, namedParameters } from "./walk.js";

/** What an architecture's `create` returns: a feature extractor and one or two heads on it. */
export interface Network extends Module {
  /** `featuresPass` is the pass of what lies before the heads, where it is another one. */
  forwardHeads(x: Tensor, pass: Pass, featuresPass?: Pass): Heads;
  /** What the heads are given, `[N, D]`. */
  features(x: Tensor, pass: Pass): Tensor;
  /** The children that are heads, by name; the second one gives the consistency logits. */
  readonly heads: readonly string[];
}

export interface NetworkParts {
  /** `[N, C, H, W]` -> `[N, D]` */
  readonly features: Module;
  /** Layers that published weights name with the head, before it: `[N, E]` -> `[N, D]`; `features` then ends with `[N, E]`. */
  readonly neck?: Module;
  /** `[N, D]` -> `[N, K]`; with a neck its children have names of their own. */
  readonly fc: Module;
  /** The consistency head, `[N, D]` -> `[N, K]`. */
  readonly fc2?: Module;
}

/** What the parts are called in the names of tensors, where published weights call them otherwise. */
export interface PartNames {
  /** "" leaves the name out: the children and tensors of `features` move to the top. */
  readonly features?: string;
  readonly fc?: string;
  readonly fc2?: string;
}

export function network({ features, neck, fc, fc2 }: NetworkParts, names: PartNames = {}): Network {
  const { features: prefix = "features", fc: first = "fc", fc2: second = "fc2" } = names;
  const featuresOf = (x: Tensor, pass: Pass): Tensor => {
    const h = features.forward(x, pass);
    return neck ? neck.forward(h, pass) : h;
  };
  const forwardHeads = (x: Tensor, pass: Pass, featuresPass = pass): Heads => {
    const h = featuresOf(x, featuresPass);
    const logits = fc.forward(h, pass).float();
    const consistency = fc2 ? fc2.forward(h, pass).float() : logits;
    return { logits, consistency, ...(pass.withFeatures ? { features: h } : {}) };
  };
  const body = prefix === "" ? features.children : { [prefix]: features };
  const head = neck ? { ...fc, children: { ...neck.children, ...fc.children } } : fc;
  const inner = Object.entries(fc.children).find(([, child]) => namedParameters(child).length > 0);
  const headName = neck && inner ? `${first}.${inner[0]}` : first;
  return {
    children: { ...body, [first]: head, ...(fc2 ? { [second]: fc2 } : {}) },
    ...(prefix === "" && features.reset ? { reset: features.reset } : {}),
    ...(prefix === "" && features.products ? { products: features.products } : {}),
    parameters: prefix === "" ? features.parameters : {},
    buffers: prefix === "" ? features.buffers : {},
    heads: fc2 ? [headName, second] : [headName],
    features: featuresOf,
    forwardHeads,
    forward: (x, pass) => forwardHeads(x, pass).logits,
  };
}

export interface ModelSettings {
  /** Weights, and dropout and noise of every pass, are drawn from here. */
  readonly rng: Rng;
  readonly precision: Precision;
  readonly device: string;
  /**
   * `backbone`: only the heads are trained. What lies before them gets no gradient and always runs in mode `eval`: no
   * dropout, no noise, running statistics untouched. Default `none`.
   */
  readonly freeze?: (typeof FREEZES)[number];
  /**
   * Passes that train go through the network in this many groups of rows, one group's activations in memory at a time;
   * each is computed twice. Equal to the whole batch except that batch norm sees a group. Default 1.
   */
  readonly accumulate?: number;
  /** Activation checkpointing: segments (residual blocks, mostly) keep their input alone and are computed twice. Default false. */
  readonly recompute?: boolean;
  /** Statistics of batch norm are those of the batch of all processes, not of this one's rows. Default false. */
  readonly syncBatchNorm?: boolean;
}

export const FREEZES = ["none", "backbone"] as const;

/** Initializes `net` and wraps it as a model. */
export function createModel(net: Network, settings: ModelSettings): Model {
  const {
    rng,
    precision,
    device,
    freeze = "none",
    accumulate = 1,
    recompute = false,
    syncBatchNorm = false,
  } = settings;
  initialize(net, rng);
  const isHead = (name: string) => net.heads.some((head) => name.startsWith(`${head}.`));
  const inPart = (own: NamedTensor): NamedTensor => ({ ...own, part: isHead(own.name) ? "head" : "backbone" });
  const parameters = namedParameters(net).map(inPart);
  const buffers = namedBuffers(net).map(inPart);
  noGrad(() =>
    scope(() => {
      for (const { tensor } of [...parameters, ...buffers]) tensor.toDevice_(device);
    }),
  );
  const passRng = rng.split("passes");
  const around = <T>(body: () => T): T => autocast(precision, device, body);
  const memory = { recompute, around };
  const complete = (request: PassRequest): Pass => {
    const wanted = typeof request === "string" ? { mode: request } : request;
    const spread = wanted.mode === "eval" || wanted.everywhere ? whole : world();
    const shared = spread.size > 1 ? { spread, syncStatistics: syncBatchNorm } : {};
    return { rng: passRng, ...memory, ...shared, ...wanted };
  };
  const frozen = freeze === "backbone";
  if (frozen) for (const { part, tensor } of parameters) tensor.requiresGrad_(part === "head");
  const asFrozen = (pass: Pass): Pass => ({ ...pass, mode: "eval", updateStatistics: false, recompute: false });
  const beforeHeads = (pass: Pass): Pass => {
    if (frozen) return asFrozen(pass);
    return pass.mode === "init" && pass.headsAlone ? { ...pass, mode: "train", updateStatistics: false } : pass;
  };
  const inGroups = ({ mode, keepStatistics }: Pass) =>
    accumulate > 1 && (mode === "train" || mode === "probe") && keepStatistics === undefined;
  const forwardHeads = (x: Tensor, request: PassRequest): Heads => {
    const pass = complete(request);
    const run = (rows: Tensor, now: Pass) => net.forwardHeads(rows, now, beforeHeads(now));
    const grouped = inGroups(pass);
    if (grouped || pass.recompute) checkWaits();
    return around(() => scope(() => ofAll(grouped ? inChunks(x, pass, accumulate, run) : run(x, pass), pass)));
  };
  return {
    parameters,
    buffers,
    initializesFromData: anyModule(net, (module) => module.initializesFromData === true),
    forwardHeads,
    forward: (x, request) => forwardHeads(x, request).logits,
    features: (x, request = "eval") => {
      const pass = complete(request);
      const run = (rows: Tensor, now: Pass) => net.features(rows, beforeHeads(now)).float();
      const alone = (rows: Tensor, now: Pass) => {
        const features = run(rows, now);
        return { logits: features, consistency: features };
      };
      const grouped = inGroups(pass);
      if (grouped || pass.recompute) checkWaits();
      return around(() => scope(() => (grouped ? inChunks(x, pass, accumulate, alone).logits : run(x, pass))));
    },
    stateDict: () => ({ tensors: byName([...parameters, ...buffers]), values: { generator: { ...passRng.state() } } }),
    loadStateDict(state) {
      loadTensors([...parameters, ...buffers], state);
      const generator = state.values.generator as unknown as ReturnType<Rng["state"]> | undefined;
      if (generator) passRng.restore(generator);
    },
  };
}

/** What is computed twice waits for its gradient until the outermost scope ends: a pass that is one itself would wait for nothing. */
function checkWaits(): void {
  if (inScope() || !gradEnabled()) return;
  throw new EngineError(
    "a model with recompute or accumulate: its pass and the backward() behind it belong into one scope(() => ...), or their gradients would be lost; a pass without backward() into noGrad",
  );
}

/** The logits of the whole batch, where these are of one process's rows; features stay its own, to go into another network. */
function ofAll(heads: Heads, { spread = whole }: Pass): Heads {
  if (spread.size === 1) return heads;
  const logits = world().gather(heads.logits);
  const consistency = heads.consistency === heads.logits ? logits : world().gather(heads.consistency);
  return { ...heads, logits, consistency };
}

/** One pass over several batches joined along N (one batch-norm batch); the logits come apart again. */
export function forwardJoint<const B extends readonly Tensor[]>(model: Model, batches: B, pass: PassRequest): Parts<B> {
  const logits = model.forward(cat(batches), pass);
  const counts = batches.map((x) => x.size(0));
  const own = counts.reduce((sum, n) => sum + n, 0);
  const processes = own === 0 ? 1 : logits.size(0) / own; // the rows were one's, the logits are all's
  return splitRows(
    logits,
    counts.map((n) => n * processes),
  ) as Parts<B>;
}

/** Views of consecutive row groups. */
export function splitRows<const N extends readonly number[]>(t: Tensor, counts: N): Parts<N> {
  let start = 0;
  const parts = counts.map((count) => {
    const part = t.narrow(0, start, count);
    start += count;
    return part;
  });
  return parts as Parts<N>;
}

/** A tensor for each entry: as long a tuple as it is given. */
type Parts<T extends readonly unknown[]> = { -readonly [Index in keyof T]: Tensor };

function byName(list: readonly NamedTensor[]): Record<string, Tensor> {
  return Object.fromEntries(list.map(({ name, tensor }) => [name, tensor]));
}

/** Copies saved values in place; throws DataError that lists missing, unexpected and mis-shaped names. */
export function loadTensors(targets: readonly NamedTensor[], state: State): void {
  const wanted = byName(targets);
  const shapeOf = (t: Tensor | undefined) => t?.shape.join("x");
  const problems = [
    ...Object.keys(wanted)
      .filter((name) => !state.tensors[name])
      .map((name) => `${name} is missing`),
    ...Object.keys(state.tensors)
      .filter((name) => !wanted[name])
      .map((name) => `${name} is not part of this model`),
    ...Object.entries(state.tensors)
      .filter(([name, t]) => wanted[name] && shapeOf(wanted[name]) !== shapeOf(t))
      .map(([name, t]) => `${name} is ${shapeOf(t)}, expected ${shapeOf(wanted[name])}`),
  ];
  if (problems.length > 0) throw new DataError(`model weights do not fit: ${problems.join("; ")}`);
  noGrad(() =>
    scope(() => {
      for (const [name, target] of Object.entries(wanted)) target.copy_(state.tensors[name]!);
    }),
  );
}
