/**
 * Features that were computed before, by the content of the picture: one folder a network, in it segments that each hold some rows and
 * are written whole, so that several processes may write at once.
 */
import { randomUUID } from "node:crypto";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { readSafetensors, writeSafetensors } from "../files/safetensors.js";
import { isUnfinished, makeFolder } from "../files/write-whole.js";

/** Bytes of a key: SHA-256. */
const KEY = 32;

export class FeatureCache {
  readonly #folder: string;
  readonly #rows = new Map<string, Float32Array>();
  #fresh: [key: string, row: Float32Array][] = [];

  /** Reads what is there; what cannot be read, a segment or the folder, counts as not there. */
  constructor(folder: string) {
    this.#folder = folder;
    for (const name of namesOf(folder))
      if (name.endsWith(".safetensors") && !isUnfinished(name)) this.#read(join(folder, name));
  }

  /** In hex -> features. */
  get(key: string): Float32Array | undefined {
    return this.#rows.get(key);
  }

  add(key: string, row: Float32Array): void {
    if (this.#rows.has(key)) return;
    this.#rows.set(key, row);
    this.#fresh.push([key, row]);
  }

  /** Writes what is new as a segment of its own. Throws DiskError where it cannot be written. */
  flush(): void {
    const fresh = this.#fresh;
    if (fresh.length === 0) return;
    this.#fresh = [];
    makeFolder(this.#folder);
    const size = fresh[0]![1].length;
    const [keys, rows] = [new Uint8Array(fresh.length * KEY), new Float32Array(fresh.length * size)];
    for (const [i, [key, row]] of fresh.entries()) {
      keys.set(Buffer.from(key, "hex"), i * KEY);
      rows.set(row, i * size);
    }
    writeSafetensors(join(this.#folder, `${randomUUID()}.safetensors`), {
      keys: { dtype: "U8", shape: [fresh.length, KEY], bytes: keys },
      features: { dtype: "F32", shape: [fresh.length, size], bytes: new Uint8Array(rows.buffer) },
    });
  }

  #read(path: string): void {
    try {
      const tensors = readSafetensors(path);
      const [keys, features] = [tensors.get("keys")!, tensors.get("features")!];
      const [count, size] = features.shape as [number, number];
      const rows = new Float32Array(features.bytes.slice().buffer);
      for (let i = 0; i < count; i++) {
        const key = Buffer.from(keys.bytes.subarray(i * KEY, (i + 1) * KEY)).toString("hex");
        this.#rows.set(key, rows.subarray(i * size, (i + 1) * size));
      }
    } catch {
      // Computed again.
    }
  }
}

function namesOf(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
