/**
 * `checkpoints/step-N/`: one `OWNER.safetensors` for each owner of tensors, and `state.json` with everything else and
 * each file's size and checksum. Such a folder is there whole or not at all: a kill never leaves half a checkpoint.
 */
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { DataError } from "../errors.js";
import { decodeSafetensors, type RawTensor, type TensorSource, writeSafetensors } from "../files/safetensors.js";
import { isUnfinished, writeWhole, writeWholeFolder } from "../files/write-whole.js";

export type JsonValue = null | boolean | number | string | readonly JsonValue[] | { readonly [key: string]: JsonValue };

/** What one owner (a model, an optimizer, a sampler) puts into a checkpoint. */
export interface OwnerState<T = TensorSource> {
  readonly tensors: Readonly<Record<string, T>>;
  readonly values: Readonly<Record<string, JsonValue>>;
}

/** A checkpoint as read back. */
export interface Checkpoint {
  readonly step: number;
  readonly path: string;
  /** By owner. */
  readonly owners: Readonly<Record<string, OwnerState<RawTensor>>>;
  /** What the writer added, such as elapsed time. */
  readonly extra: Readonly<Record<string, JsonValue>>;
}

interface StateFile {
  readonly format: 1;
  readonly step: number;
  readonly files: Readonly<Record<string, { readonly bytes: number; readonly crc32: number }>>;
  readonly values: Readonly<Record<string, Readonly<Record<string, JsonValue>>>>;
  readonly extra: Readonly<Record<string, JsonValue>>;
}

/** Writes the checkpoint of `step` into `folder` ("checkpoints") and returns its path; replaces one of the same step. */
export function writeCheckpoint(
  folder: string,
  step: number,
  owners: Readonly<Record<string, OwnerState>>,
  extra: Readonly<Record<string, JsonValue>> = {},
): string {
  const path = join(folder, `step-${step}`);
  writeWholeFolder(path, (beside) => {
    const files: Record<string, { bytes: number; crc32: number }> = {};
    const values: Record<string, Readonly<Record<string, JsonValue>>> = {};
    for (const [owner, state] of Object.entries(owners)) {
      values[owner] = state.values;
      if (Object.keys(state.tensors).length === 0) continue;
      const file = `${owner}.safetensors`;
      files[file] = writeSafetensors(join(beside, file), state.tensors, { format: "pt" });
    }
    const state: StateFile = { format: 1, step, files, values, extra };
    writeWhole(join(beside, "state.json"), `${JSON.stringify(state, null, 1)}\n`);
  });
  return path;
}

/** Steps that have a checkpoint, ascending. Unfinished ones (`.tmp-*`) do not count. */
export function listCheckpoints(folder: string): number[] {
  if (!existsSync(folder)) return [];
  const steps = readdirSync(folder).flatMap((name) => {
    const match = /^step-(\d+)$/.exec(name);
    return match && existsSync(join(folder, name, "state.json")) ? [Number(match[1])] : [];
  });
  return steps.sort((a, b) => a - b);
}

/**
 * Removes all but the latest `keep` checkpoints and that of step `spare`, and what interrupted writes left. What cannot be removed stays: it harms
 * nothing, and the next time it is tried again.
 */
export function pruneCheckpoints(folder: string, keep: number, spare?: number): void {
  if (!existsSync(folder)) return;
  const steps = listCheckpoints(folder);
  for (const step of steps.slice(0, Math.max(0, steps.length - keep))) {
    if (step === spare) continue;
    tryToRemove(join(folder, `step-${step}`));
  }
  for (const name of readdirSync(folder)) {
    if (isUnfinished(name)) tryToRemove(join(folder, name));
  }
}

function tryToRemove(path: string): void {
  try {
    rmSync(path, { recursive: true, force: true });
  } catch {
    // Said above.
  }
}

/** Reads and checks a checkpoint. Throws DataError naming the file that is missing, cut off or damaged. */
export function readCheckpoint(path: string): Checkpoint {
  const state = readState(join(path, "state.json"));
  const owners: Record<string, OwnerState<RawTensor>> = {};
  for (const [owner, values] of Object.entries(state.values)) owners[owner] = { tensors: {}, values };
  for (const [file, expected] of Object.entries(state.files)) {
    const where = join(path, file);
    if (file.includes("/") || file.includes("\\")) throw new DataError(`${path}/state.json: names the file ${file}`);
    if (!existsSync(where)) throw new DataError(`${where}: missing, though state.json names it`);
    const bytes = readFileSync(where);
    if (bytes.length !== expected.bytes) {
      throw new DataError(`${where}: expected ${expected.bytes} bytes, found ${bytes.length}`);
    }
    if (crc32(bytes) !== expected.crc32)
      throw new DataError(`${where}: damaged, its checksum does not match state.json`);
    const owner = file.replace(/\.safetensors$/, "");
    const tensors = Object.fromEntries(decodeSafetensors(bytes, where));
    owners[owner] = { tensors, values: owners[owner]?.values ?? {} };
  }
  return { step: state.step, path, owners, extra: state.extra };
}

function readState(path: string): StateFile {
  let state: StateFile;
  try {
    state = JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    throw new DataError(`${path}: cannot be read (${(error as Error).message})`);
  }
  const record = (value: unknown) => typeof value === "object" && value !== null && !Array.isArray(value);
  if (!record(state) || !Number.isSafeInteger(state.step) || ![state.files, state.values, state.extra].every(record)) {
    throw new DataError(`${path}: not the state of a checkpoint`);
  }
  if (state.format !== 1) {
    throw new DataError(`${path}: format ${state.format}, this version of fewlabels reads format 1`);
  }
  return state;
}
