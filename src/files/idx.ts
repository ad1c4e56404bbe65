/**
 * The idx format of MNIST: two zero bytes, a type byte (8 = unsigned byte, the only one read here), the number of axes,
 * each axis' length as a big-endian 32-bit integer, then the values, last axis fastest.
 */

import { DataError } from "../errors.js";
import { bytes, isGzip, unpack } from "./packed.js";

export interface IdxArray {
  readonly shape: readonly number[];
  /** A view into the file's bytes where it was not packed. */
  readonly data: Uint8Array;
}

/** Reads an idx file of unsigned bytes with `axes` axes, gzip or plain. Pure; throws DataError naming `file`. */
export function parseIdx(content: Uint8Array, axes: number, file: string): IdxArray {
  const headSize = 4 + 4 * axes;
  const sizeOf = (head: Uint8Array) => headSize + product(readShape(head, axes, file));
  const plain = isGzip(content) ? unpack(content, "gzip", headSize, sizeOf, file) : content;
  const expected = sizeOf(plain);
  if (plain.length !== expected) {
    throw new DataError(
      `${file}: its header announces ${bytes(expected)}, found ${bytes(plain.length)}. Fetch the file again`,
    );
  }
  return {
    shape: readShape(plain, axes, file),
    data: new Uint8Array(plain.buffer, plain.byteOffset + headSize, plain.length - headSize),
  };
}

function readShape(head: Uint8Array, axes: number, file: string): number[] {
  if (head.length < 4 + 4 * axes) {
    throw new DataError(`${file}: expected an idx header of ${4 + 4 * axes} bytes, found ${bytes(head.length)}`);
  }
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  const magic = view.getUint32(0);
  if (magic !== 0x0800 + axes) {
    throw new DataError(
      `${file}: expected the idx magic number ${0x0800 + axes}, found ${magic}. This is another file`,
    );
  }
  return Array.from({ length: axes }, (_, i) => view.getUint32(4 + 4 * i));
}

function product(values: readonly number[]): number {
  return values.reduce((a, b) => a * b, 1);
}
