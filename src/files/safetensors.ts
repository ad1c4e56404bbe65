/**
 * The safetensors format, by hand: a header (`safetensors-header.ts`), then the tensors' bytes without holes. Tensors here are plain
 * bytes; `session/` moves them in and out of the engine.
 */
import { closeSync, fstatSync, openSync, readFileSync, readSync } from "node:fs";
import { crc32 } from "node:zlib";
import { DataError } from "../errors.js";
import {
  bytesPerElement,
  decodeHeader,
  encodeHeader,
  type Fail,
  headerLength,
  lengthBytes,
  type Metadata,
  type RawDType,
  sizeOf,
} from "./safetensors-header.js";
import { type WholeFile, writeWhole } from "./write-whole.js";

export type { RawDType } from "./safetensors-header.js";

/** One tensor as bytes, little-endian, row-major. */
export interface RawTensor {
  readonly dtype: RawDType;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

/** A tensor to write; `bytes` may be a function, so that only one tensor at a time is copied out of the engine, or come in pieces. */
export interface TensorSource {
  readonly dtype: RawDType;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array | (() => Uint8Array | Iterable<Uint8Array>);
}

/**
 * Writes tensors one after another, whole or not at all; returns size and CRC-32 of the whole file. Wide types come first, so that every
 * tensor starts at a multiple of its element size. Throws DataError if bytes and shape differ, DiskError where it cannot be written.
 */
export function writeSafetensors(
  path: string,
  tensors: Readonly<Record<string, TensorSource>>,
  metadata?: Metadata,
): { readonly bytes: number; readonly crc32: number } {
  const order = Object.entries(tensors)
    .map(([name, source]) => ({ name, ...source }))
    .sort((a, b) => bytesPerElement[b.dtype] - bytesPerElement[a.dtype]);
  let checksum = 0;
  let written = 0;
  const write = (file: WholeFile, bytes: Uint8Array) => {
    file.write(bytes);
    checksum = crc32(bytes, checksum);
    written += bytes.length;
  };
  writeWhole(path, (file) => {
    write(file, encodeHeader(order, metadata));
    for (const { name, dtype, shape, bytes } of order) {
      const before = written;
      const data = typeof bytes === "function" ? bytes() : bytes;
      if (data instanceof Uint8Array) write(file, data);
      else for (const piece of data) write(file, piece);
      if (written - before !== sizeOf(dtype, shape)) {
        throw new DataError(
          `writeSafetensors: ${name} is ${dtype} [${shape.join(", ")}], ${sizeOf(dtype, shape)} bytes, but has ${written - before}`,
        );
      }
    }
  });
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

/** Whether a file in memory begins as one: a length that fits, then JSON. */
export function isSafetensors(file: Uint8Array): boolean {
  if (file.length <= lengthBytes || file[lengthBytes] !== 0x7b) return false;
  const length = new DataView(file.buffer, file.byteOffset, lengthBytes).getBigUint64(0, true);
  return length <= BigInt(file.length - lengthBytes);
}

/** Decodes and checks a file in memory; the tensors are views of `file` (not aligned in a foreign file: copy first). `who` names it in errors. */
export function decodeSafetensors(file: Uint8Array, who: string): Map<string, RawTensor> {
  const fail = incomplete(who);
  const start = lengthBytes + headerLength(file, file.length, fail);
  const { tensors } = decodeHeader(file.subarray(lengthBytes, start), file.length - start, fail);
  // Not file.subarray: of a Buffer that is a Buffer again, whose slice() does not copy.
  const data = new Uint8Array(file.buffer, file.byteOffset + start, file.length - start);
  return new Map(
    tensors.map(({ name, dtype, shape, begin, end }) => [name, { dtype, shape, bytes: data.subarray(begin, end) }]),
  );
}

function incomplete(who: string): Fail {
  return (problem) => {
    throw new DataError(`${who}: not a complete safetensors file: ${problem}`);
  };
}

/** One tensor `[N, ...]` of a file, of which single rows are read: nothing of it is in memory. */
export interface Rows {
  readonly dtype: RawDType;
  readonly shape: readonly number[];
  readonly metadata: Metadata;
  /** The rows at these positions, one after the other. The file is opened for each read: nobody has to close it. Throws DataError. */
  read(index: ArrayLike<number>): Uint8Array;
}

/** Reads and checks the header of a file and looks `name` up in it. Throws DataError naming the file. */
export function openRows(path: string, name: string): Rows {
  const fail = incomplete(path);
  const { start, header } = withFile(path, (file) => {
    const size = fstatSync(file).size;
    const length = headerLength(readAt(path, file, Math.min(size, lengthBytes), 0), size, fail);
    const text = readAt(path, file, length, lengthBytes);
    return { start: lengthBytes + length, header: decodeHeader(text, size - lengthBytes - length, fail) };
  });
  const place = header.tensors.find((tensor) => tensor.name === name);
  if (!place) return fail(`there is no tensor ${JSON.stringify(name)} in it`);
  const { dtype, shape, begin } = place;
  const [rows = 0, ...row] = shape;
  const stride = sizeOf(dtype, row);
  return {
    dtype,
    shape,
    metadata: header.metadata,
    read(index) {
      const bytes = new Uint8Array(index.length * stride);
      withFile(path, (file) => {
        for (let i = 0; i < index.length; i++) {
          const at = index[i]!;
          if (!(at >= 0 && at < rows)) throw new DataError(`${path}: row ${at} of 0..${rows - 1} was asked for`);
          fillAt(path, file, bytes.subarray(i * stride, (i + 1) * stride), start + begin + at * stride);
        }
      });
      return bytes;
    },
  };
}

function withFile<T>(path: string, body: (file: number) => T): T {
  let file: number;
  try {
    file = openSync(path, "r");
  } catch (error) {
    throw new DataError(`${path}: cannot be opened (${(error as Error).message})`);
  }
  try {
    return body(file);
  } finally {
    closeSync(file);
  }
}

function readAt(path: string, file: number, length: number, position: number): Uint8Array {
  const bytes = new Uint8Array(length);
  fillAt(path, file, bytes, position);
  return bytes;
}

function fillAt(path: string, file: number, into: Uint8Array, position: number): void {
  for (let at = 0; at < into.length; ) {
    const got = readSync(file, into, at, into.length - at, position + at);
    if (got === 0) throw new DataError(`${path}: ends after ${position + at} bytes: it was cut short`);
    at += got;
  }
}
