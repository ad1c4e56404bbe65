/** A run put together: data, method, sampler, loader; the same for training and for evaluating a finished run. */
import { createLoader, type Loader } from "../data/loader.js";
import { createSampler, type Sampler } from "../data/sampler.js";
import { findMethod, type Method, type Views } from "../methods/index.js";
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
  const kind = config.sampler === "mixed" ? "mixed" : definition.usesUnlabeled ? "two-stream" : "labeled";
  const { batch, labeledBatch } = config;
  const sampler = createSampler(data.split, { kind, batch, labeledBatch }, rng.split("sampler"));
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
