/** The header of a safetensors file: 8 bytes little-endian length, then JSON (name -> dtype, shape, offsets), padded with spaces. */
import { DataError } from "../errors.js";

export type RawDType = "F64" | "I64" | "F32" | "I32" | "F16" | "BF16" | "U8" | "I8" | "BOOL";

export const bytesPerElement: Readonly<Record<RawDType, number>> = {
  F64: 8,
  I64: 8,
  F32: 4,
  I32: 4,
  F16: 2,
  BF16: 2,
  U8: 1,
  I8: 1,
  BOOL: 1,
};

/** What a header says of one tensor; `begin` and `end` count from the end of the header. */
export interface TensorPlace {
  readonly name: string;
  readonly dtype: RawDType;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

export interface Header {
  /** In the order of their bytes, without holes between them. */
  readonly tensors: readonly TensorPlace[];
  readonly metadata: Readonly<Record<string, string>>;
}

export type Metadata = Readonly<Record<string, string>>;

/** The largest header the reader believes, 100 MB as in the reference implementation. */
const maxHeader = 100_000_000;
/** Bytes of the length in front of the header. */
export const lengthBytes = 8;

export type Fail = (problem: string) => never;

/** Bytes of a header, its length in front; tensors lie in the order given. A multiple of 8 bytes. */
export function encodeHeader(
  tensors: readonly { readonly name: string; readonly dtype: RawDType; readonly shape: readonly number[] }[],
  metadata: Metadata | undefined,
): Uint8Array {
  const fields: [string, unknown][] = metadata ? [["__metadata__", metadata]] : [];
  let offset = 0;
  for (const { name, dtype, shape } of tensors) {
    const end = offset + sizeOf(dtype, shape);
    fields.push([name, { dtype, shape, data_offsets: [offset, end] }]);
    offset = end;
  }
  // Built as text: an object would reorder names that look like numbers and lose "__proto__".
  const json = `{${fields.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`).join(",")}}`;
  const text = Buffer.from(json, "utf8");
  const padded = Buffer.alloc(lengthBytes + Math.ceil(text.length / 8) * 8, " ");
  padded.writeBigUInt64LE(BigInt(padded.length - lengthBytes), 0);
  text.copy(padded, lengthBytes);
  return padded;
}

/** The header's length, from the first 8 bytes of a file of `size` bytes. */
export function headerLength(first: Uint8Array, size: number, fail: Fail): number {
  if (size < lengthBytes) return fail(`expected at least ${lengthBytes} bytes, found ${size}: it was cut short`);
  const length = Number(new DataView(first.buffer, first.byteOffset, first.byteLength).getBigUint64(0, true));
  if (length > maxHeader) return fail(`its header claims ${length} bytes, more than ${maxHeader}`);
  if (length > size - lengthBytes) {
    return fail(`expected a header of ${length} bytes, found ${size - lengthBytes} bytes in all: it was cut short`);
  }
  return length;
}

/** Decodes a header's text and checks that its tensors fill `dataBytes` without holes. */
export function decodeHeader(text: Uint8Array, dataBytes: number, fail: Fail): Header {
  const tensors: TensorPlace[] = [];
  const metadata: Record<string, string> = {};
  for (const [name, field] of Object.entries(parseHeader(text, fail))) {
    if (name !== "__metadata__") {
      tensors.push(checkEntry(name, field, fail));
      continue;
    }
    if (!isRecord(field)) return fail("__metadata__ holds something else than text");
    for (const [key, value] of Object.entries(field)) {
      if (typeof value !== "string") return fail("__metadata__ holds something else than text");
      metadata[key] = value;
    }
  }
  tensors.sort((a, b) => a.begin - b.begin || a.end - b.end);
  let position = 0;
  for (const { name, begin, end } of tensors) {
    if (begin !== position) return fail(`tensor ${JSON.stringify(name)} starts at byte ${begin}, expected ${position}`);
    position = end;
  }
  if (position === dataBytes) return { tensors, metadata };
  const what = dataBytes < position ? "it was cut short" : "there is something behind its rows";
  return fail(`expected ${position} bytes of tensors, found ${dataBytes}: ${what}`);
}

function parseHeader(bytes: Uint8Array, fail: Fail): Record<string, unknown> {
  let fields: unknown;
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    if (!text.startsWith("{")) return fail("its header does not start with {");
    fields = JSON.parse(text);
  } catch (error) {
    if (error instanceof DataError) throw error;
    return fail(`its header is not JSON (${(error as Error).message})`);
  }
  return isRecord(fields) ? fields : fail("its header is not an object");
}

function checkEntry(name: string, field: unknown, fail: Fail): TensorPlace {
  const label = JSON.stringify(name);
  if (!isRecord(field)) return fail(`tensor ${label} is not described by an object`);
  const { dtype, shape, data_offsets: offsets } = field;
  if (typeof dtype !== "string" || !Object.hasOwn(bytesPerElement, dtype)) {
    return fail(`tensor ${label} has the unknown dtype ${JSON.stringify(dtype)}`);
  }
  if (!isCounts(shape)) return fail(`tensor ${label} has the shape ${JSON.stringify(shape)}`);
  if (!isCounts(offsets) || offsets.length !== 2 || offsets[0]! > offsets[1]!) {
    return fail(`tensor ${label} has the offsets ${JSON.stringify(offsets)}`);
  }
  const [begin, end] = offsets as [number, number];
  const size = sizeOf(dtype as RawDType, shape);
  if (size !== end - begin) {
    return fail(
      `tensor ${label}, ${dtype} [${shape.join(", ")}], needs ${size} bytes, its offsets give ${end - begin}`,
    );
  }
  return { name, dtype: dtype as RawDType, shape, begin, end };
}

/** Bytes of a tensor; a product too large for a double is no size that any file has. */
export function sizeOf(dtype: RawDType, shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, bytesPerElement[dtype]);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((item) => Number.isSafeInteger(item) && item >= 0);
}
