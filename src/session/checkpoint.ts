/** Moves the states of a run between the engine and checkpoint files. */
import { DataError, DiskError, quoted } from "../errors.js";
import type { Stateful } from "../nn/index.js";
import type { Checkpoint, CheckpointOptions, OwnerState, RawDType, RawTensor, RunFolder } from "../run/index.js";
import { type Data, type DType, scope, type Tensor, tensor } from "../torch/index.js";

export type Owners = Readonly<Record<string, Stateful>>;

const rawNames: Readonly<Partial<Record<DType, RawDType>>> = {
  float32: "F32",
  float64: "F64",
  float16: "F16",
  int64: "I64",
  int32: "I32",
  uint8: "U8",
  int8: "I8",
  bool: "BOOL",
};

/** Writes every owner's state and returns the checkpoint's path. */
export function saveCheckpoint(folder: RunFolder, step: number, owners: Owners, options: CheckpointOptions): string {
  const states = Object.entries(owners).map(([owner, stateful]): [string, OwnerState] => {
    const { tensors, values } = stateful.stateDict();
    const raw = Object.entries(tensors).map(([name, t]) => [name, toSource(t, `${owner}.${name}`)]);
    return [owner, { tensors: Object.fromEntries(raw), values: values as OwnerState["values"] }];
  });
  try {
    return folder.writeCheckpoint(step, Object.fromEntries(states), options);
  } catch (error) {
    if (!(error instanceof DiskError)) throw error;
    const latest = folder.checkpointSteps().at(-1);
    const kept = latest === undefined ? "There is no earlier one" : `The one of step ${latest} is whole`;
    throw new DiskError(
      `${error.message}. The checkpoint of step ${step} takes ${(bytesOfAll(owners) / 1e6).toFixed(1)} MB. ${kept}; ` +
        `when there is room, continue with: fewlabels train --resume ${quoted(folder.path)}`,
    );
  }
}

/** Bytes of all tensors of a checkpoint. */
function bytesOfAll(owners: Owners): number {
  const sizes: Readonly<Partial<Record<DType, number>>> = {
    float64: 8,
    int64: 8,
    float16: 2,
    uint8: 1,
    int8: 1,
    bool: 1,
  };
  return Object.values(owners)
    .flatMap((owner) => Object.values(owner.stateDict().tensors))
    .reduce((sum, { numel, dtype }) => sum + numel * (sizes[dtype] ?? 4), 0);
}

/** Puts every owner's state back. Throws DataError if the checkpoint holds others. */
export function restoreCheckpoint({ owners: saved, path }: Checkpoint, owners: Owners): void {
  const [expected, found] = [Object.keys(owners).sort().join(", "), Object.keys(saved).sort().join(", ")];
  if (expected !== found) throw new DataError(`${path}: expected the states of ${expected}, found those of ${found}`);
  scope(() => {
    for (const [owner, stateful] of Object.entries(owners)) {
      const { tensors, values } = saved[owner]!;
      const loaded = Object.entries(tensors).map(([name, raw]) => [name, fromRaw(raw)]);
      stateful.loadStateDict({ tensors: Object.fromEntries(loaded), values });
    }
  });
}

/** Puts the weights of one model back into a model of the same shape. Throws DataError if they do not fit. */
export function restoreModel({ owners, path }: Checkpoint, role: string, model: Stateful): void {
  const saved = owners[role];
  if (!saved) throw new DataError(`${path}: holds no model "${role}"`);
  scope(() => {
    const loaded = Object.entries(saved.tensors).map(([name, raw]) => [name, fromRaw(raw)]);
    model.loadStateDict({ tensors: Object.fromEntries(loaded), values: {} });
  });
}

function toSource(t: Tensor, name: string) {
  const dtype = rawNames[t.dtype];
  if (!dtype) throw new DataError(`checkpoint: ${name} is ${t.dtype}, which checkpoints cannot hold`);
  // JavaScript has no array of half-precision numbers, so their bytes are moved.
  const values = t.dtype === "float16" ? () => scope(() => t.viewAs("uint8").toArray()) : () => t.toArray();
  return { dtype, shape: t.shape, bytes: () => bytesOf(values()) };
}

function bytesOf({ buffer, byteOffset, byteLength }: Data): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/** A tensor with the values of a file, of the same type. */
export function fromRaw({ dtype, shape, bytes }: RawTensor): Tensor {
  const { buffer } = bytes.slice(); // aligned for wide elements
  switch (dtype) {
    case "F32":
      return tensor(new Float32Array(buffer), shape);
    case "F16":
      return tensor(new Uint8Array(buffer), [bytes.length]).viewAs("float16").reshape(shape);
    case "BF16":
      return tensor(new Uint8Array(buffer), [bytes.length]).viewAs("bfloat16").reshape(shape);
    case "F64":
      return tensor(new Float64Array(buffer), shape);
    case "I64":
      return tensor(new BigInt64Array(buffer), shape);
    case "I32":
      return tensor(new Int32Array(buffer), shape);
    case "I8":
      return tensor(new Int8Array(buffer), shape);
    case "U8":
      return tensor(new Uint8Array(buffer), shape);
    case "BOOL":
      return tensor(new Uint8Array(buffer), shape, "bool");
    default:
      throw new DataError(`checkpoint: tensors of type ${dtype} are not supported`);
  }
}
