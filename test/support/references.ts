/** Reads the arrays that `test/reference/make-references.py` stored. */
import { readFileSync } from "node:fs";
import { type Tensor, tensor } from "../../src/torch/index.js";

export interface StoredArray {
  readonly shape: readonly number[];
  readonly data: readonly number[];
}

/** The cases of one file, by name. Throws unless the file says which PyTorch it came from. */
export function references<Case>(name: "layers" | "losses" | "optimizers" | "ema"): [string, Case][] {
  const path = new URL(`../reference/${name}.json`, import.meta.url);
  const { torch, cases } = JSON.parse(readFileSync(path, "utf8")) as { torch: string; cases: Record<string, Case> };
  if (!/^\d+\.\d+/.test(torch)) throw new Error(`${path}: no PyTorch version`);
  return Object.entries(cases);
}

/** float32 unless told otherwise. */
export function stored({ shape, data }: StoredArray, type: "float32" | "int64" = "float32"): Tensor {
  return tensor(type === "int64" ? BigInt64Array.from(data, BigInt) : Float32Array.from(data), shape);
}
