/**
 * Tensors: handles to libtorch's, with the operators this project uses as methods. Lifetime is by scope: see `scope`.
 */
import { EngineError } from "../errors.js";
import { addon } from "./addon.js";
import { adopt, guardByFinalizer, type Owned, unguard } from "./scope.js";

export type DType = "float32" | "float64" | "bfloat16" | "float16" | "int64" | "int32" | "uint8" | "int8" | "bool";

/** Typed arrays that can become tensors. */
export type Data = Float32Array | Float64Array | Int32Array | BigInt64Array | Uint8Array | Int8Array;

type Scalar = number;

const backwardListeners: (() => void)[] = [];

/** Has `listener` called after every backward pass: for gradients that go on from where the graph ended. */
export function onBackward(listener: () => void): void {
  backwardListeners.push(listener);
}

/** Bytes: CUDA takes smaller copies from any memory without waiting; larger ones are rare, and pinned memory is never given back. */
const PINNED = { from: 2 ** 16, to: 2 ** 26 };

export class Tensor implements Owned {
  /** Slot and generation in the addon's table; 0 after release. */
  #handle: number;
  #kept = false;

  constructor(handle: number) {
    this.#handle = handle;
    adopt(this);
  }

  /** For the operator layer only. */
  get handle(): number {
    if (this.#handle === 0) throw new EngineError("Tensor: used after its scope ended or after release()");
    return this.#handle;
  }
  get released(): boolean {
    return this.#handle === 0;
  }

  get shape(): readonly number[] {
    return addon().shape(this.handle);
  }
  /** Length of one axis; negative axes count from the end. */
  size(axis: number): number {
    const shape = this.shape;
    return shape[axis < 0 ? axis + shape.length : axis]!;
  }
  get numel(): number {
    return this.shape.reduce((product, n) => product * n, 1);
  }
  get dtype(): DType {
    return addon().dtype(this.handle) as DType;
  }
  /** "cpu", "cuda:0", ... */
  get device(): string {
    return addon().device(this.handle);
  }
  get isChannelsLast(): boolean {
    return addon().isChannelsLast(this.handle);
  }

  /** Keeps this tensor beyond its scope, until `release()`: for weights and other state. Returns itself. */
  keep(): this {
    this.#kept = true;
    return this;
  }
  get isKept(): boolean {
    return this.#kept;
  }
  /** Frees the handle now. The memory goes once nothing else (views, the autograd graph) needs it. */
  release(): void {
    if (this.#handle !== 0) addon().release([this.#handle]);
    this.surrender();
  }
  /** Hands the handle over without freeing it: `releaseAll` frees many in one call. */
  surrender(): number {
    const handle = this.#handle;
    this.#handle = 0;
    unguard(this);
    return handle;
  }

  /** The only element of a one-element tensor. Waits for the device: a synchronization point. */
  item(): number {
    return callNumber("aten::item", "", this);
  }
  /** A copy of the values, row-major; bfloat16 and float16 come as Float32Array. A synchronization point. */
  toArray(): Data {
    return addon().toData(this.handle) as Data;
  }
  /** The values as plain numbers. */
  toNumbers(): number[] {
    return Array.from(this.toArray() as ArrayLike<number | bigint>, Number);
  }

  // Arithmetic with broadcasting; a number is a scalar of this tensor's dtype.
  add(other: Tensor | Scalar, alpha = 1): Tensor {
    return binary("aten::add", this, other, alpha);
  }
  sub(other: Tensor | Scalar, alpha = 1): Tensor {
    return binary("aten::sub", this, other, alpha);
  }
  mul(other: Tensor | Scalar): Tensor {
    return binary("aten::mul", this, other);
  }
  div(other: Tensor | Scalar): Tensor {
    return binary("aten::div", this, other);
  }
  pow(exponent: Scalar): Tensor {
    return callTensor("aten::pow", "Tensor_Scalar", this, exponent);
  }
  neg(): Tensor {
    return callTensor("aten::neg", "", this);
  }
  abs(): Tensor {
    return callTensor("aten::abs", "", this);
  }
  exp(): Tensor {
    return callTensor("aten::exp", "", this);
  }
  log(): Tensor {
    return callTensor("aten::log", "", this);
  }
  sqrt(): Tensor {
    return callTensor("aten::sqrt", "", this);
  }
  rsqrt(): Tensor {
    return callTensor("aten::rsqrt", "", this);
  }
  sigmoid(): Tensor {
    return callTensor("aten::sigmoid", "", this);
  }
  /** x sigmoid(x), also called swish. */
  silu(): Tensor {
    return callTensor("aten::silu", "", this);
  }
  relu(): Tensor {
    return callTensor("aten::relu", "", this);
  }
  clampMin(min: Scalar): Tensor {
    return callTensor("aten::clamp_min", "", this, min);
  }
  clampMax(max: Scalar): Tensor {
    return callTensor("aten::clamp_max", "", this, max);
  }
  matmul(other: Tensor): Tensor {
    return callTensor("aten::matmul", "", this, other);
  }

  // Comparisons give bool tensors.
  eq(other: Tensor | Scalar): Tensor {
    return binary("aten::eq", this, other);
  }
  ne(other: Tensor | Scalar): Tensor {
    return binary("aten::ne", this, other);
  }
  gt(other: Tensor | Scalar): Tensor {
    return binary("aten::gt", this, other);
  }
  ge(other: Tensor | Scalar): Tensor {
    return binary("aten::ge", this, other);
  }
  lt(other: Tensor | Scalar): Tensor {
    return binary("aten::lt", this, other);
  }
  le(other: Tensor | Scalar): Tensor {
    return binary("aten::le", this, other);
  }

  // Reductions: over all elements, or over the given axes.
  sum(axes?: readonly number[], keepDim = false): Tensor {
    return axes ? callTensor("aten::sum", "dim_IntList", this, axes, keepDim) : callTensor("aten::sum", "", this);
  }
  mean(axes?: readonly number[], keepDim = false): Tensor {
    return axes ? callTensor("aten::mean", "dim", this, axes, keepDim) : callTensor("aten::mean", "", this);
  }
  amax(axes: readonly number[], keepDim = false): Tensor {
    return callTensor("aten::amax", "", this, axes, keepDim);
  }
  amin(axes: readonly number[], keepDim = false): Tensor {
    return callTensor("aten::amin", "", this, axes, keepDim);
  }
  /** Index (int64) of the largest entry along an axis. */
  argmax(axis: number): Tensor {
    return callTensor("aten::argmax", "", this, axis);
  }
  softmax(axis: number): Tensor {
    return callTensor("aten::softmax", "int", this, axis);
  }
  logSoftmax(axis: number): Tensor {
    return callTensor("aten::log_softmax", "int", this, axis);
  }

  // Shapes.
  reshape(shape: readonly number[]): Tensor {
    return callTensor("aten::reshape", "", this, shape);
  }
  flatten(startAxis = 0): Tensor {
    return callTensor("aten::flatten", "using_ints", this, startAxis);
  }
  permute(axes: readonly number[]): Tensor {
    return callTensor("aten::permute", "", this, axes);
  }
  transpose(a: number, b: number): Tensor {
    return callTensor("aten::transpose", "int", this, a, b);
  }
  unsqueeze(axis: number): Tensor {
    return callTensor("aten::unsqueeze", "", this, axis);
  }
  squeeze(axis: number): Tensor {
    return callTensor("aten::squeeze", "dim", this, axis);
  }
  /** Rows (or slices along `axis`) start .. start + length - 1, as a view. */
  narrow(axis: number, start: number, length: number): Tensor {
    return callTensor("aten::narrow", "", this, axis, start, length);
  }
  /** Every `step`-th slice along `axis` from `start` on, as a view. */
  everyNth(axis: number, start: number, step: number): Tensor {
    return callTensor("aten::slice", "Tensor", this, axis, start, undefined, step);
  }
  select(axis: number, index: number): Tensor {
    return callTensor("aten::select", "int", this, axis, index);
  }
  gather(axis: number, index: Tensor): Tensor {
    return callTensor("aten::gather", "", this, axis, index);
  }
  /** Slices along `axis` at the positions `index` `[n]` int64. */
  indexSelect(axis: number, index: Tensor): Tensor {
    return callTensor("aten::index_select", "", this, axis, index);
  }
  cumsum(axis: number): Tensor {
    return callTensor("aten::cumsum", "", this, axis, undefined);
  }
  flip(axes: readonly number[]): Tensor {
    return callTensor("aten::flip", "", this, axes);
  }

  // Types, places and the autograd graph.
  to(dtype: DType): Tensor {
    return callTensor("aten::to", "dtype", this, dtype);
  }
  float(): Tensor {
    return this.to("float32");
  }
  /** The same memory read as another type; the last axis grows or shrinks with the size of an element. */
  viewAs(dtype: DType): Tensor {
    return callTensor("aten::view", "dtype", this, dtype);
  }
  /** To a GPU nobody waits for the copy of a batch: it goes from pinned memory. */
  toDevice(device: string): Tensor {
    const toCard = device !== "cpu" && this.device === "cpu";
    const bytes = toCard ? addon().bytes(this.handle) : 0;
    const goesOn = toCard && bytes <= PINNED.to;
    const from = goesOn && bytes >= PINNED.from ? callTensor("aten::pin_memory", "", this) : this;
    return callTensor("aten::to", "dtype_layout", from, undefined, undefined, device, undefined, goesOn);
  }
  /** Moves this very object to another device: whoever holds it sees the moved values. Keeps its gradient flag. */
  toDevice_(device: string): this {
    if (this.device === device) return this;
    const flag = this.requiresGrad;
    const moved = this.detach().toDevice(device).surrender();
    this.release();
    this.#handle = moved;
    guardByFinalizer(this);
    return this.requiresGrad_(flag);
  }
  contiguous(format: "contiguous" | "channelsLast" = "contiguous"): Tensor {
    return callTensor("aten::contiguous", "", this, format === "channelsLast" ? 2 : 0);
  }
  clone(): Tensor {
    return callTensor("aten::clone", "", this);
  }
  /** Same values, no gradient flows through. */
  detach(): Tensor {
    return callTensor("aten::detach", "", this);
  }
  get requiresGrad(): boolean {
    return addon().requiresGrad(this.handle);
  }
  requiresGrad_(on = true): this {
    addon().setRequiresGrad(this.handle, on);
    return this;
  }
  /** Adds the gradients of this scalar to every leaf that requires them; frees the graph. */
  backward(): void {
    addon().backward(this.handle);
    for (const listener of backwardListeners) listener();
  }
  /** The accumulated gradient of a leaf, or undefined. */
  get grad(): Tensor | undefined {
    const handle = addon().grad(this.handle);
    return handle === undefined ? undefined : new Tensor(handle);
  }
  clearGrad(): void {
    addon().clearGrad(this.handle);
  }

  // In place; each returns this very object.
  add_(other: Tensor | Scalar, alpha = 1): this {
    return inPlace("aten::add_", this, other, alpha);
  }
  sub_(other: Tensor | Scalar, alpha = 1): this {
    return inPlace("aten::sub_", this, other, alpha);
  }
  mul_(other: Tensor | Scalar): this {
    return inPlace("aten::mul_", this, other);
  }
  div_(other: Tensor | Scalar): this {
    return inPlace("aten::div_", this, other);
  }
  copy_(source: Tensor): this {
    call("aten::copy_", "", this, source);
    return this;
  }
  fill_(value: Scalar): this {
    call("aten::fill_", "Scalar", this, value);
    return this;
  }
  /** Slices along `axis` at the positions `index` `[n]` int64 become those of `source`. */
  indexCopy_(axis: number, index: Tensor, source: Tensor): this {
    call("aten::index_copy_", "", this, axis, index, source);
    return this;
  }
  zero_(): this {
    call("aten::zero_", "", this);
    return this;
  }
}

/** Result of an operator: a tensor, a number, a boolean, nothing, or a list of those. */
export type Result = Tensor | number | boolean | undefined | Result[];

const opIds = new Map<string, number>();
const opKeys = new Map<number, string>();

/** The operator that the engine has by that number: "aten::add.Tensor". */
export function operatorKey(op: number): string {
  return opKeys.get(op)!;
}

/** Sees every operator after it ran: its name, overload, arguments as given, and result. */
export type CallWatcher = (name: string, overload: string, args: readonly unknown[], result: Result) => void;

let watcher: CallWatcher | undefined;

/** Runs `body`, during which `watch` sees every call of this thread; an inner watcher hides the outer one. */
export function watchCalls<T>(watch: CallWatcher, body: () => T): T {
  const before = watcher;
  watcher = watch;
  try {
    return body();
  } finally {
    watcher = before;
  }
}

/**
 * Calls any operator of libtorch's dispatcher: `call("aten::add", "Tensor", a, b)`. Arguments follow the schema in
 * order; trailing ones may be left out. Throws EngineError with the operator's name and the shapes given.
 */
export function call(name: string, overload: string, ...args: readonly unknown[]): Result {
  const key = overload === "" ? name : `${name}.${overload}`;
  let op = opIds.get(key);
  try {
    if (op === undefined) {
      op = addon().find(name, overload);
      opIds.set(key, op);
      opKeys.set(op, key);
    }
    const result = wrap(addon().call(op, args.map(unwrap), args));
    watcher?.(name, overload, args, result);
    return result;
  } catch (error) {
    if (error instanceof EngineError) throw error;
    throw new EngineError(`${key}(${args.map(describe).join(", ")}): ${(error as Error).message}`, { cause: error });
  }
}

export function callTensor(name: string, overload: string, ...args: readonly unknown[]): Tensor {
  return call(name, overload, ...args) as Tensor;
}

export function callNumber(name: string, overload: string, ...args: readonly unknown[]): number {
  return call(name, overload, ...args) as number;
}

/** A tensor from a typed array or numbers (copied) and a shape. `dtype` defaults to the array's own, float32 for numbers. */
export function tensor(data: Data | readonly number[], shape: readonly number[], dtype?: DType): Tensor {
  const Numbers = dtype === undefined || dtype === "float32" ? Float32Array : Float64Array; // float64 holds integers up to 2^53
  const array = Array.isArray(data) ? Numbers.from(data) : (data as Data);
  return new Tensor(addon().fromData(array, shape, dtype ?? dtypeOf(array), false));
}

/**
 * A tensor on the array's own memory, without a copy: for data sets that would else be there twice. The caller keeps
 * `data` alive and unchanged for as long as the tensor, or any view of it, is.
 */
export function borrowTensor(data: Data, shape: readonly number[]): Tensor {
  return new Tensor(addon().fromData(data, shape, dtypeOf(data), true));
}

/** Number of tensors alive in this process, for leak tests. */
export function liveTensors(): number {
  return addon().liveTensors();
}

function unwrap(value: unknown): unknown {
  if (value instanceof Tensor) return value.handle;
  return Array.isArray(value) ? value.map(unwrap) : value;
}

function wrap(value: unknown): Result {
  if (typeof value === "number") return new Tensor(value); // plain results come boxed: tensors are the common case
  if (Array.isArray(value)) return value.map(wrap);
  return (value as { value: number | boolean | undefined } | undefined)?.value;
}

function binary(name: string, a: Tensor, b: Tensor | Scalar, ...rest: readonly number[]): Tensor {
  return callTensor(name, b instanceof Tensor ? "Tensor" : "Scalar", a, b, ...rest);
}

function inPlace<T extends Tensor>(name: string, a: T, b: Tensor | Scalar, ...rest: readonly number[]): T {
  call(name, b instanceof Tensor ? "Tensor" : "Scalar", a, b, ...rest);
  return a;
}

/** Entries of an array that errors show. */
const SHOWN = 8;

/** An argument as errors name it: `float32[2, 3]`, `[1, 2]`, `Int32Array(1000)`. */
function describe(value: unknown): string {
  if (value instanceof Tensor) return value.released ? "released tensor" : `${value.dtype}[${value.shape.join(", ")}]`;
  if (ArrayBuffer.isView(value)) return `${value.constructor.name}(${(value as Data).length})`;
  if (!Array.isArray(value)) return String(value);
  const more = value.length > SHOWN ? [`${value.length - SHOWN} more`] : [];
  return `[${[...value.slice(0, SHOWN).map(describe), ...more].join(", ")}]`;
}

function dtypeOf(data: Data): DType {
  if (data instanceof Float32Array) return "float32";
  if (data instanceof Float64Array) return "float64";
  if (data instanceof Int32Array) return "int32";
  if (data instanceof BigInt64Array) return "int64";
  return data instanceof Uint8Array ? "uint8" : "int8";
}
