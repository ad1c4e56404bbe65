/** A run put together: data, method, sampler, loader; the same for training and for evaluating a finished run. */
import { createLoader, type Loader } from "../data/loader.js";
import { phased } from "../data/phased-sampler.js";
import { createSampler, type Sampler } from "../data/sampler.js";
import { findMethod, type Method, type MethodDefinition, type Phase, type Views } from "../methods/index.js";
import type { Optimizer } from "../optim/index.js";
import { Rng } from "../rng.js";
import { setThreads } from "../torch/index.js";
import type { Owners } from "./checkpoint.js";
import type { RunConfig } from "./config.js";
import { resolveDevice, resolvePrecision } from "./device.js";
import { type PreparedData, prepareData } from "./prepare.js";
import { createMethod, createSetup, type Hardware } from "./setup.js";

export interface Session {
  /** The run's configuration with what only data and hardware could decide filled in. */
  readonly config: RunConfig;
  readonly data: PreparedData;
  readonly hardware: Hardware;
  readonly method: Method<Views, Views>;
  readonly optimizers: ReadonlyMap<string, Optimizer>;
  readonly sampler: Sampler;
  readonly loader: Loader<Views, Views>;
  /** Everything a checkpoint holds. */
  readonly owners: Owners;
}

export async function openSession(config: RunConfig): Promise<Session> {
  setThreads(config.threads);
  const device = resolveDevice(config.device);
  const hardware = {
    device,
    precision: resolvePrecision(config.precision as Hardware["precision"] | undefined, device),
  };
  const definition = findMethod(config.method);
  const data = await prepareData(config);
  const rng = Rng.fromSeed(config.seed);
  const { setup, optimizers } = createSetup(config, data, hardware, rng);
  const { views, method } = createMethod(definition, setup, config.methodOptions);
  const sampler = runSampler(config, definition, data, rng.split("sampler"));
  const { translate, flip, normalize } = data;
  const loader = createLoader(data.train, data.split.y, { views, translate, flip, rng: rng.split("views"), device });
  const resolved = { ...config, ...hardware, translate, flip, normalize } as RunConfig;
  return {
    config: resolved,
    data,
    hardware,
    method,
    optimizers,
    sampler,
    loader,
    owners: { ...method.state, sampler },
  };
}

/** One sampler for each phase of the method. */
function runSampler(config: RunConfig, definition: MethodDefinition, { split }: PreparedData, rng: Rng): Sampler {
  const { batch, labeledBatch, steps, methodOptions } = config;
  const both = config.sampler === "mixed" ? "mixed" : "two-stream";
  const phases = definition.phases?.(methodOptions, steps) ?? [
    { name: "all", steps, rows: definition.usesUnlabeled || config.sampler === "mixed" ? "both" : "labeled" } as const,
  ];
  if (phases.length === 1) return phaseSampler(phases[0]!, rng);
  return phased(phases.map((phase) => [phase.steps, phaseSampler(phase, rng.split(phase.name))]));

  function phaseSampler(phase: Phase, rng: Rng): Sampler {
    const size = phase.rows === "labeled" ? (phase.batch ?? batch) : batch;
    return createSampler(split, { kind: phase.rows === "labeled" ? "labeled" : both, batch: size, labeledBatch }, rng);
  }
}
