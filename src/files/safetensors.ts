/**
 * The safetensors format, by hand: 8 bytes little-endian header length, a JSON header (name -> dtype, shape, offsets)
 * padded with spaces to a multiple of 8, then the tensors' bytes without holes. Tensors here are plain bytes; `train/`
 * moves them in and out of the engine.
 */
import { closeSync, fsyncSync, openSync, readFileSync, writeSync } from "node:fs";
import { crc32 } from "node:zlib";
import { DataError } from "../errors.js";

export type RawDType = "F64" | "I64" | "F32" | "I32" | "F16" | "BF16" | "U8" | "I8" | "BOOL";

const bytesPerElement: Readonly<Record<RawDType, number>> = {
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

/** One tensor as bytes, little-endian, row-major. */
export interface RawTensor {
  readonly dtype: RawDType;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

/** A tensor to write; `bytes` may be a function, so that only one tensor at a time is copied out of the engine. */
export interface TensorSource {
  readonly dtype: RawDType;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array | (() => Uint8Array);
}

/** The largest header the reader believes, 100 MB as in the reference implementation. */
const maxHeader = 100_000_000;

/**
 * Writes tensors one after another and flushes them to the disk; returns size and CRC-32 of the whole file. Wide types
 * come first, so that every tensor starts at a multiple of its element size. Throws DataError if bytes and shape differ.
 */
export function writeSafetensors(
  path: string,
  tensors: Readonly<Record<string, TensorSource>>,
  metadata?: Readonly<Record<string, string>>,
): { readonly bytes: number; readonly crc32: number } {
  const order = Object.entries(tensors).sort(([, a], [, b]) => bytesPerElement[b.dtype] - bytesPerElement[a.dtype]);
  const fields: [string, unknown][] = metadata ? [["__metadata__", metadata]] : [];
  let offset = 0;
  for (const [name, { dtype, shape }] of order) {
    const end = offset + sizeOf(dtype, shape);
    fields.push([name, { dtype, shape, data_offsets: [offset, end] }]);
    offset = end;
  }
  // Built as text: an object would reorder names that look like numbers and lose "__proto__".
  const json = `{${fields.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`).join(",")}}`;
  const header = Buffer.from(json, "utf8");
  const padded = Buffer.alloc(8 + Math.ceil(header.length / 8) * 8, " ");
  padded.writeBigUInt64LE(BigInt(padded.length - 8), 0);
  header.copy(padded, 8);

  const file = openSync(path, "w");
  let checksum = 0;
  let written = 0;
  const write = (bytes: Uint8Array) => {
    for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at, Math.min(bytes.length - at, 1 << 28));
    checksum = crc32(bytes, checksum);
    written += bytes.length;
  };
  try {
    write(padded);
    for (const [name, { dtype, shape, bytes }] of order) {
      const data = typeof bytes === "function" ? bytes() : bytes;
      if (data.length !== sizeOf(dtype, shape)) {
        throw new DataError(
          `writeSafetensors: ${name} is ${dtype} [${shape.join(", ")}], ${sizeOf(dtype, shape)} bytes, but has ${data.length}`,
        );
      }
      write(data);
    }
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  return { bytes: written, crc32: checksum };
}

/** Reads a whole file. Throws DataError naming the file on anything that is not a complete, consistent one. */
export function readSafetensors(path: string): Map<string, RawTensor> {
  let file: Buffer;
  try {
    file = readFileSync(path);
  } catch (error) {
    throw new DataError(`${path}: cannot be read (${(error as Error).message})`);
  }
  return decodeSafetensors(file, path);
}

/** Decodes and checks a file in memory; the tensors are views of `file` (not aligned in a foreign file: copy first). `who` names it in errors. */
export function decodeSafetensors(file: Uint8Array, who: string): Map<string, RawTensor> {
  const fail = (problem: string): never => {
    throw new DataError(`${who}: not a complete safetensors file: ${problem}`);
  };
  if (file.length < 8) return fail(`expected at least 8 bytes, found ${file.length}`);
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const headerLength = Number(view.getBigUint64(0, true));
  if (headerLength > maxHeader) return fail(`its header claims ${headerLength} bytes, more than ${maxHeader}`);
  if (headerLength > file.length - 8) {
    return fail(`expected a header of ${headerLength} bytes, found ${file.length - 8} bytes in all`);
  }
  const fields = parseHeader(file.subarray(8, 8 + headerLength), fail);
  // Not file.subarray: of a Buffer that is a Buffer again, whose slice() does not copy.
  const data = new Uint8Array(file.buffer, file.byteOffset + 8 + headerLength, file.length - 8 - headerLength);

  const entries: { name: string; dtype: RawDType; shape: number[]; begin: number; end: number }[] = [];
  for (const [name, field] of Object.entries(fields)) {
    if (name === "__metadata__") {
      const texts = isRecord(field) && Object.values(field).every((value) => typeof value === "string");
      if (!texts) return fail("__metadata__ holds something else than text");
      continue;
    }
    entries.push(checkEntry(name, field, fail));
  }
  entries.sort((a, b) => a.begin - b.begin || a.end - b.end);
  let position = 0;
  for (const { name, begin, end } of entries) {
    if (begin !== position) return fail(`tensor ${JSON.stringify(name)} starts at byte ${begin}, expected ${position}`);
    position = end;
  }
  if (position !== data.length) return fail(`expected ${position} bytes of tensors, found ${data.length}`);
  return new Map(
    entries.map(({ name, dtype, shape, begin, end }) => [name, { dtype, shape, bytes: data.subarray(begin, end) }]),
  );
}

type Fail = (problem: string) => never;

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

function checkEntry(name: string, field: unknown, fail: Fail) {
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
function sizeOf(dtype: RawDType, shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, bytesPerElement[dtype]);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((item) => Number.isSafeInteger(item) && item >= 0);
}
