/** An ONNX model as plain data: what is written, and what comes back when a file is read. */

/** Element types used here, with ONNX's numbers (TensorProto.DataType). */
export const elementTypes = {
  float32: 1,
  uint8: 2,
  int8: 3,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
} as const;
export type ElementType = keyof typeof elementTypes;

/** Row-major, little-endian. */
export interface OnnxTensor {
  readonly type: ElementType;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

export type Attribute =
  | { readonly int: number }
  | { readonly float: number }
  | { readonly text: string }
  | { readonly ints: readonly number[] };

export interface OnnxNode {
  readonly op: string;
  /** "" is an input left out. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Readonly<Record<string, Attribute>>;
  /** The layer it comes from, for people who look at the graph. */
  readonly name: string;
}

/** A text stands for an axis of any length. */
export interface OnnxPort {
  readonly name: string;
  readonly type: ElementType;
  readonly shape: readonly (number | string)[];
}

export interface OnnxModel {
  readonly nodes: readonly OnnxNode[];
  readonly initializers: ReadonlyMap<string, OnnxTensor>;
  readonly input: OnnxPort;
  readonly output: OnnxPort;
  readonly metadata: Readonly<Record<string, string>>;
}

/** onnxruntime and onnxruntime-web run it since 1.12 (2022). */
export const OPSET = 17;

export function floats(values: ArrayLike<number>, shape: readonly number[] = [values.length]): OnnxTensor {
  return { type: "float32", shape, bytes: bytesOf(Float32Array.from(values)) };
}

export function integers(values: ArrayLike<number>, shape: readonly number[] = [values.length]): OnnxTensor {
  return { type: "int64", shape, bytes: bytesOf(BigInt64Array.from(Array.from(values), BigInt)) };
}

export function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/** float32 tensors as numbers; the bytes may lie anywhere. */
export function floatsOf({ bytes }: OnnxTensor): Float32Array {
  return new Float32Array(bytes.slice().buffer);
}

/** int64 tensors as numbers. */
export function integersOf({ bytes }: OnnxTensor): number[] {
  return Array.from(new BigInt64Array(bytes.slice().buffer), Number);
}
