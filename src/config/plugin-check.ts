/** Whether what a file from outside defines, and what that then makes, can be trained with: checked where types cannot. */
import type { DataSet } from "../data/dataset.js";
import { UsageError } from "../errors.js";
import type { Method, Views } from "../methods/index.js";
import type { Network } from "../nn/index.js";
import type { OptionSpec } from "../options.js";
import type { Definitions } from "./catalog.js";
import type { Group } from "./run-options.js";

/** Fields that a definition must have, with their types. */
const fields: Readonly<Record<Group, Readonly<Record<string, "string" | "object" | "boolean" | "function">>>> = {
  dataset: {
    name: "string",
    summary: "string",
    source: "string",
    options: "object",
    needsDir: "boolean",
    load: "function",
  },
  method: {
    name: "string",
    paper: "string",
    summary: "string",
    options: "object",
    usesUnlabeled: "boolean",
    views: "function",
    create: "function",
  },
  model: {
    name: "string",
    paper: "string",
    summary: "string",
    options: "object",
    presets: "object",
    create: "function",
  },
  optimizer: { name: "string", paper: "string", summary: "string", options: "object", create: "function" },
};

const defines = {
  dataset: "data set made with defineDataSet",
  method: "method made with defineMethod",
  model: "network made with defineModel",
  optimizer: "optimizer made with defineOptimizer",
} as const;

/** Throws UsageError unless `value` has the fields of its kind, and a name that can be a flag's value. */
export function checkFields<K extends Group>(
  kind: K,
  value: unknown,
  file: string,
): asserts value is Definitions[K] & { readonly name: string; readonly options: OptionSpec } {
  const given = recordOf(value);
  const wrong = Object.entries(fields[kind]).flatMap(([key, type]) =>
    typeof given[key] === type && given[key] !== null ? [] : [`${key} (a ${type}; got ${typeof given[key]})`],
  );
  if (wrong.length > 0) {
    throw new UsageError(`${file}: not a ${defines[kind]}; missing or of another type: ${wrong.join(", ")}`);
  }
  if (!/^[a-z][a-z0-9-]*$/.test(String(given.name))) {
    throw new UsageError(`${file}: expected a name of small letters, digits and dashes, got "${given.name}"`);
  }
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

/** Throws UsageError unless what `create` returned can be trained. */
export function checkMethod(method: Method<Views, Views>, file: string): void {
  const { predictor, models, state, step } = (method ?? {}) as Partial<Method<Views, Views>>;
  const fail = (what: string): never => {
    throw new UsageError(`${file}: create() must return ${what}`);
  };
  if (typeof step !== "function") fail("a function step(batch, now)");
  if (!models || predictor === undefined || !models[predictor]) {
    fail(`models and the role of one of them as predictor; got predictor "${predictor}" and models ${names(models)}`);
  }
  const owners = new Set<unknown>(Object.values(state ?? {}));
  const lost = Object.entries(models!).flatMap(([role, model]) => (owners.has(model) ? [] : [role]));
  if (lost.length > 0) fail(`every model in state, or checkpoints would lose it; missing: ${lost.join(", ")}`);
}

/** Throws UsageError unless `create` returned a network. */
export function checkNetwork(network: Network, file: string): void {
  const { forward, forwardHeads, heads, children } = recordOf(network);
  if (typeof forward === "function" && typeof forwardHeads === "function" && Array.isArray(heads) && children) return;
  throw new UsageError(`${file}: create() must return a network: nn.network({ features, fc })`);
}

/** Throws UsageError unless `load` returned images, labels and classes that belong together. */
export function checkDataSet(data: DataSet, file: string): void {
  const fail = (what: string): never => {
    throw new UsageError(`${file}: load() must return ${what}`);
  };
  const { classes, translate, flip, normalize } = recordOf(data);
  if (!Array.isArray(classes) || classes.length < 2) fail(`two classes or more; got ${String(classes)}`);
  if (typeof translate !== "number" || typeof flip !== "boolean" || typeof normalize !== "string") {
    fail("translate (pixels), flip (true or false) and normalize (none, channel, image, ...)");
  }
  for (const part of ["train", "test"] as const) {
    const { pixels, labels, count, channels, height, width, files } = recordOf(data[part]);
    const known = [count, channels, height, width].every((n) => Number.isInteger(n) && Number(n) > 0);
    if (!known) fail(`${part} with count, channels, height and width; got ${count}, ${channels}, ${height}, ${width}`);
    const numbers = Number(count) * Number(channels) * Number(height) * Number(width);
    if (!(pixels instanceof Uint8Array || pixels instanceof Float32Array)) {
      fail(`${part}.pixels as Uint8Array or Float32Array`);
    } else if (files === undefined && pixels.length !== numbers) {
      fail(
        `${part}.pixels of ${count} x ${channels} x ${height} x ${width} = ${numbers} numbers; got ${pixels.length}`,
      );
    }
    if (!(labels instanceof Int32Array) || labels.length !== count) {
      fail(`${part}.labels as Int32Array of ${count} numbers`);
    } else {
      const wrong = labels.find((label) => label < -1 || label >= data.classes.length);
      if (wrong !== undefined) fail(`${part}.labels of -1 (none) .. ${data.classes.length - 1}; got ${wrong}`);
    }
  }
}

function names(record: object | undefined): string {
  return record ? Object.keys(record).join(", ") || "none" : "none";
}
