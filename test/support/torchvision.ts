/** Weights and inputs that need not be stored, and digests of results: see test/reference/make-torchvision-references.py. */
import { readFileSync } from "node:fs";
import type { Model, NamedTensor } from "../../src/nn/index.js";
import { noGrad, scope, type Tensor, tensor } from "../../src/torch/index.js";

/** 2-norm, and inner product with `values("probe:" + name)`. */
export type Digest = readonly [norm: number, product: number];

export interface ModeReference {
  /** `values` of this name, times 1.5, are the pixels. */
  readonly input: string;
  /** All offsets are positive (see `LIFTED` in the script). */
  readonly lift?: boolean;
  readonly logits: readonly number[];
  readonly gradients: Readonly<Record<string, Digest>>;
  readonly buffers: Readonly<Record<string, Digest>>;
}

export interface NetworkReference {
  readonly torchvision: string;
  readonly size: number;
  readonly rows: number;
  readonly classes: number;
  readonly train: ModeReference;
  readonly eval: ModeReference;
}

/** What the script stored for one network. */
export function torchvisionReference(name: string): NetworkReference {
  const path = new URL(`../reference/torchvision/${name}.json`, import.meta.url);
  return JSON.parse(readFileSync(path, "utf8"));
}

/** `count` numbers in [-1, 1): FNV-1a of the name, then the finalizer of MurmurHash3 on seed + index * odd. */
export function values(name: string, count: number): Float64Array {
  let seed = 2166136261;
  for (let i = 0; i < name.length; i++) seed = Math.imul(seed ^ name.charCodeAt(i), 16777619);
  const out = new Float64Array(count);
  for (let i = 0; i < count; i++) {
    let x = (Math.imul(i, 0x9e3779b9) + seed) | 0;
    x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
    x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
    out[i] = ((x ^ (x >>> 16)) >>> 0) / 2 ** 31 - 1;
  }
  return out;
}

/** The values of a tensor of a state dict, by its name and shape. */
export function tensorValues(name: string, shape: readonly number[], lift = false): Float32Array {
  const count = shape.reduce((a, b) => a * b, 1);
  const v = values(name, count);
  const scale = Math.sqrt(6 / (count / shape[0]!)); // uniform with variance 2 / fan-in
  if (shape.length >= 2) return mapped(v, (u) => u * scale);
  if (name.endsWith("running_var")) return mapped(v, (u) => 1 + 0.5 * u);
  if (name.endsWith("running_mean")) return mapped(v, (u) => 0.2 * u);
  if (name.endsWith("weight")) return mapped(v, (u) => 0.2 + 0.05 * u);
  return mapped(v, (u) => (lift ? 1 : Math.sign(u)) * (0.3 + 0.6 * Math.abs(u)));
}

/** `Float32Array.from(v, f)`, which walks an iterator, ten times as fast: there are 66 million of them. */
function mapped(v: Float64Array, f: (u: number) => number): Float32Array {
  const out = new Float32Array(v.length);
  for (let i = 0; i < v.length; i++) out[i] = f(v[i]!);
  return out;
}

/** Gives every parameter and buffer of `model` its values. */
export function fill(model: Model, lift = false): void {
  noGrad(() =>
    scope(() => {
      for (const { name, tensor: t } of [...model.parameters, ...model.buffers]) {
        t.copy_(tensor(tensorValues(name, t.shape, lift), t.shape));
      }
    }),
  );
}

export function digest(name: string, t: Tensor): Digest {
  const flat = t.toArray() as Float32Array;
  const probe = values(`probe:${name}`, flat.length);
  let [squares, product] = [0, 0];
  for (let i = 0; i < flat.length; i++) {
    squares += flat[i]! ** 2;
    product += flat[i]! * probe[i]!;
  }
  return [Math.sqrt(squares), product];
}

/** The largest error relative to `wanted`'s largest entry. */
export function relativeError(got: readonly number[], wanted: readonly number[]): number {
  const size = Math.max(...wanted.map(Math.abs));
  return Math.max(...got.map((v, i) => Math.abs(v - wanted[i]!))) / size;
}

/**
 * The largest error of digests, each relative to its own norm; `expected` has exactly the names of `list`. A gradient that is 0 but for
 * rounding (of an offset that a later batch norm takes away) is measured by the largest norm.
 */
export function digestError(list: readonly NamedTensor[], wanted: Readonly<Record<string, Digest>>): number {
  const largest = Math.max(...Object.values(wanted).map(([norm]) => norm));
  const errors = list.map(({ name, tensor: t }) => {
    const [[norm, product], [wantedNorm, wantedProduct]] = [digest(name, t), wanted[name]!];
    const scale = wantedNorm < 1e-9 * largest ? largest : wantedNorm;
    // A random projection of an error vector e is about |e| / sqrt(3): this bounds |e| / |wanted| in all likelihood.
    return Math.max(Math.abs(norm - wantedNorm), Math.sqrt(3) * Math.abs(product - wantedProduct)) / scale;
  });
  return Math.max(...errors);
}
