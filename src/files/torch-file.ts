/**
 * Files of `torch.save`: tensors by name, without Python and without executing anything. Both forms: a ZIP archive with `data.pkl`
 * and one entry a storage (PyTorch 1.6 and later), and the older stream of pickles with the storages behind them.
 */
import { readFileSync } from "node:fs";
import { DataError } from "../errors.js";
import { bytes as inBytes, notTheFile } from "./packed.js";
import { type Fail, type Known, type Pickled, unpickle } from "./pickle.js";
import { counts, plainNames } from "./pickle-names.js";
import type { RawDType, RawTensor } from "./safetensors.js";
import { decodeSafetensors, isSafetensors } from "./safetensors.js";
import { isZip, openZip } from "./zip.js";

/** First number of the older form. */
const MAGIC = 0x1950a86a20f9469cfc6cn;
const STREAM_VERSION = 1001;
/** A pickle of names and shapes alone is small; the storages are elsewhere. */
const MAX_PICKLE = 64 * 2 ** 20;

const storages: Readonly<Record<string, { dtype: RawDType; size: number }>> = {
  DoubleStorage: { dtype: "F64", size: 8 },
  FloatStorage: { dtype: "F32", size: 4 },
  HalfStorage: { dtype: "F16", size: 2 },
  BFloat16Storage: { dtype: "BF16", size: 2 },
  LongStorage: { dtype: "I64", size: 8 },
  IntStorage: { dtype: "I32", size: 4 },
  CharStorage: { dtype: "I8", size: 1 },
  ByteStorage: { dtype: "U8", size: 1 },
  BoolStorage: { dtype: "BOOL", size: 1 },
};

interface StorageType extends Known {
  readonly dtype: RawDType;
  readonly size: number;
}

/** Numbers that several tensors may share; `bytes` comes later in the older form. */
class Storage {
  readonly type: StorageType;
  readonly count: number;
  bytes: Uint8Array | undefined;
  constructor(type: StorageType, count: number, bytes?: Uint8Array) {
    [this.type, this.count, this.bytes] = [type, count, bytes];
  }
}

class TorchTensor {
  readonly storage: Storage;
  readonly offset: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
  constructor(storage: Storage, offset: number, shape: readonly number[], strides: readonly number[]) {
    [this.storage, this.offset, this.shape, this.strides] = [storage, offset, shape, strides];
  }
}

const rebuildTensor: Known = {
  known: "torch._utils._rebuild_tensor_v2",
  call: ([storage, offset, shape, strides], fail) => {
    if (!(storage instanceof Storage)) return fail("a tensor has no storage");
    const [sizes, steps, [first]] = [counts(shape, fail), counts(strides, fail), counts([offset], fail)];
    if (sizes.length !== steps.length) fail("a tensor has not one stride for each size");
    const last = sizes.reduce((at, n, axis) => at + (n - 1) * steps[axis]!, first!);
    if (!sizes.includes(0) && last >= storage.count) {
      fail(`a tensor [${sizes.join(", ")}] reaches element ${last} of a storage of ${storage.count}`);
    }
    return new TorchTensor(storage, first!, sizes, steps);
  },
};

const rebuildParameter: Known = {
  known: "torch._utils._rebuild_parameter",
  call: ([data], fail) => (data instanceof TorchTensor ? data : fail("a parameter holds no tensor")),
};

const names = new Map<string, Known>([
  ...plainNames,
  ["torch._utils _rebuild_tensor_v2", rebuildTensor],
  ["torch._utils _rebuild_tensor", rebuildTensor],
  ["torch._utils _rebuild_parameter", rebuildParameter],
  ["torch Size", { known: "torch.Size", call: ([list], fail) => counts(list ?? [], fail) }],
  ...Object.entries(storages).map(([name, type]): [string, StorageType] => [
    `torch ${name}`,
    { known: `torch.${name}`, ...type },
  ]),
  ...["float32", "float64", "float16", "bfloat16", "int64", "int32", "int8", "uint8", "bool"].map(
    (name): [string, Known] => [`torch ${name}`, { known: `torch.${name}` }],
  ),
]);

/** Where the weights of a file of several lie, the averaged ones first. */
const WRAPPERS = [
  "model_ema",
  "state_dict_ema",
  "ema_state_dict",
  "ema",
  "state_dict",
  "model_state_dict",
  "model",
  "module",
  "net",
];
/** Set before every name by wrappers of the network. */
const PREFIXES = ["module.", "_orig_mod.", "model."];

export interface WeightsFile {
  readonly tensors: Map<string, RawTensor>;
  /** Under which keys of the file they lay: "model_ema". Empty: at the top. */
  readonly taken: readonly string[];
}

/** Reads weights of any form, told apart by their first bytes: torch.save's (both), or safetensors. Throws DataError. */
export function readWeightsFile(path: string): WeightsFile {
  let file: Buffer;
  try {
    file = readFileSync(path);
  } catch (error) {
    throw new DataError(`${path}: cannot be read (${(error as Error).message})`);
  }
  const other = notTheFile(file);
  if (other !== undefined) throw new DataError(`${path}: expected weights of safetensors or torch.save, but ${other}`);
  // A pickle begins with 0x80, and so does one in 32 safetensors files, with the length of their header.
  if (isZip(file) || (file[0] === 0x80 && !isSafetensors(file))) return decodeTorchFile(file, path);
  return { tensors: unwrapNames(decodeSafetensors(file, path)), taken: [] };
}

/** The tensors of a `torch.save` file in memory; contiguous ones are views of it. `who` names it in errors. */
export function decodeTorchFile(file: Uint8Array, who: string): WeightsFile {
  const value = isZip(file) ? readArchive(file, who) : readStream(file, who);
  const taken = wayToTensors(value, 3) ?? [];
  const table = taken.reduce<Pickled>((outer, key) => (outer as Map<Pickled, Pickled>).get(key), value);
  if (!(table instanceof Map)) throw new DataError(`${who}: holds no table of tensors by name (a state_dict)`);
  // What one tensor repeats by strides of 0 costs nothing in the file; all of it must stay near the size of the file.
  let left = 4 * file.length + 64 * 2 ** 20;
  const tensors = new Map<string, RawTensor>();
  for (const [name, part] of table) {
    if (typeof name !== "string" || !(part instanceof TorchTensor)) continue;
    left -= part.shape.reduce((product, n) => product * n, part.storage.type.size);
    if (left < 0)
      throw new DataError(`${who}: its tensors claim far more than the ${inBytes(file.length)} of the file`);
    tensors.set(name, laidOut(part, who));
  }
  if (tensors.size === 0) {
    const keys = [...table.keys()].slice(0, 10).map(String).join(", ");
    throw new DataError(`${who}: holds no tensors by name; its keys are: ${keys || "none"}`);
  }
  return { tensors: unwrapNames(tensors), taken };
}

/** The first keys of `WRAPPERS` below which, at most `depth` deep, there is a tensor; undefined where there is none. */
function wayToTensors(table: Pickled, depth: number): readonly string[] | undefined {
  if (!(table instanceof Map)) return undefined;
  if ([...table.values()].some((part) => part instanceof TorchTensor)) return [];
  if (depth === 0) return undefined;
  for (const key of WRAPPERS) {
    const way = wayToTensors(table.get(key), depth - 1);
    if (way) return [key, ...way];
  }
  return undefined;
}

function readArchive(file: Uint8Array, who: string): Pickled {
  const entries = openZip(file, who);
  const name = [...entries.keys()].find((key) => key === "data.pkl" || /^[^/]+\/data\.pkl$/.test(key));
  if (name === undefined) throw new DataError(`${who}: a ZIP archive without data.pkl, so not a file of torch.save`);
  const root = name.slice(0, -"data.pkl".length);
  if (entries.has(`${root}constants.pkl`)) {
    throw new DataError(`${who}: a TorchScript program. Save its weights alone: torch.save(model.state_dict(), FILE)`);
  }
  const order = entries.get(`${root}byteorder`)?.read();
  if (order && Buffer.from(order).toString() !== "little")
    throw new DataError(`${who}: written on a big-endian machine`);
  const pickle = entries.get(name)!;
  if (pickle.size > MAX_PICKLE) throw new DataError(`${who}: its data.pkl claims ${inBytes(pickle.size)}`);
  const made = new Map<string, Storage>();
  const persistent = (id: Pickled, fail: Fail): Storage => {
    const { type, key, count } = storageId(id, fail);
    const known = made.get(key);
    if (known) return known;
    const entry = entries.get(`${root}data/${key}`) ?? fail(`the storage ${key} is not in the archive`);
    if (entry.size < count * type.size)
      fail(`the storage ${key} claims ${count * type.size} bytes and has ${entry.size}`);
    const storage = new Storage(type, count, entry.read());
    made.set(key, storage);
    return storage;
  };
  return unpickle(pickle.read(), { who: `${who}: data.pkl`, names, persistent }).value;
}

function readStream(file: Uint8Array, who: string): Pickled {
  const made = new Map<string, Storage>();
  const persistent = (id: Pickled, fail: Fail): Storage => {
    const { type, key, count, whole } = storageId(id, fail);
    if (!whole) return fail("a storage that is part of another");
    const storage = made.get(key) ?? new Storage(type, count);
    made.set(key, storage);
    return storage;
  };
  let at = 0;
  const next = (): Pickled => {
    const { value, end } = unpickle(file, { who, names, persistent }, at);
    at = end;
    return value;
  };
  const first = next();
  if (first !== MAGIC) {
    throw new DataError(
      `${who}: a pickle, but not of torch.save. Save the weights: torch.save(model.state_dict(), FILE)`,
    );
  }
  const version = next();
  if (version !== STREAM_VERSION) throw new DataError(`${who}: version ${String(version)} of torch.save is not read`);
  const system = next();
  if (system instanceof Map && system.get("little_endian") === false) {
    throw new DataError(`${who}: written on a big-endian machine`);
  }
  const value = next();
  const keys = next();
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  for (const key of Array.isArray(keys) ? (keys as Pickled[]) : []) {
    const storage = made.get(String(key));
    if (!storage) throw new DataError(`${who}: a storage that nothing named`);
    const size = at + 8 > file.length ? -1 : Number(view.getBigInt64(at, true));
    const length = size * storage.type.size;
    if (size !== storage.count || at + 8 + length > file.length) {
      throw new DataError(`${who}: cut off: a storage of ${storage.count} elements is not whole`);
    }
    storage.bytes = new Uint8Array(file.buffer, file.byteOffset + at + 8, length);
    at += 8 + length;
  }
  return value;
}

/** ("storage", type, key, device, count), in the older form with a view behind. */
function storageId(id: Pickled, fail: Fail) {
  if (!Array.isArray(id) || id[0] !== "storage") return fail("it refers to something that is no storage");
  const [, type, key, , count, part] = id as Pickled[];
  if (!isStorageType(type)) return fail("a storage has no type of numbers");
  if (typeof key !== "string") return fail("a storage has no key");
  const [size] = counts([count], fail);
  return { type, key, count: size!, whole: part === undefined || part === null };
}

function isStorageType(value: Pickled): value is StorageType {
  return typeof value === "object" && value !== null && "dtype" in value && "known" in value;
}

/** The tensor's bytes row-major. */
function laidOut({ storage, offset, shape, strides }: TorchTensor, who: string): RawTensor {
  const { dtype, size } = storage.type;
  const { bytes } = storage;
  if (!bytes) throw new DataError(`${who}: cut off: a storage is missing`);
  const count = shape.reduce((product, n) => product * n, 1);
  let step = 1;
  const contiguous = shape.toReversed().every((n, i) => {
    const fits = n === 1 || strides[shape.length - 1 - i] === step;
    step *= n;
    return fits;
  });
  if (count === 0) return { dtype, shape, bytes: new Uint8Array(0) };
  if (contiguous) return { dtype, shape, bytes: bytes.subarray(offset * size, (offset + count) * size) };
  const out = new Uint8Array(count * size);
  const index = shape.map(() => 0);
  let from = offset;
  for (let to = 0; to < count; to++) {
    for (let b = 0; b < size; b++) out[to * size + b] = bytes[from * size + b]!;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      from += strides[axis]!;
      index[axis]!++;
      if (index[axis]! < shape[axis]!) break;
      from -= strides[axis]! * shape[axis]!;
      index[axis] = 0;
    }
  }
  return { dtype, shape, bytes: out };
}

/** What `AveragedModel` (stochastic weight averaging) counts beside the network it wraps. */
const COUNTER = "n_averaged";

/** Names without what wrappers set before all of them, and without what they keep beside. */
function unwrapNames(tensors: Map<string, RawTensor>): Map<string, RawTensor> {
  const own = [...tensors].filter(([name]) => name !== COUNTER);
  const prefix = PREFIXES.find((start) => own.every(([name]) => name.startsWith(start)));
  if (prefix === undefined || own.length === 0) return tensors;
  return unwrapNames(new Map(own.map(([name, value]) => [name.slice(prefix.length), value])));
}
