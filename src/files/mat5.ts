/**
 * A reader for MATLAB level 5 MAT-files, as far as SVHN needs: real numeric arrays, plain or zlib-compressed, either
 * byte order. Written from the published description of the format (MathWorks, "MAT-File Format", level 5).
 */

import { DataError } from "../errors.js";
import { bytes, unpack } from "./packed.js";

/** One array; values are in column-major order (first axis fastest). */
export interface MatArray {
  readonly shape: readonly number[];
  readonly data: MatData;
}

export type MatData =
  | Uint8Array
  | Int8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | Float32Array
  | Float64Array;

interface Element {
  readonly type: number;
  readonly body: Uint8Array;
  /** Where the next element starts. */
  readonly end: number;
}

interface Source {
  readonly little: boolean;
  readonly file: string;
}

/** What all packed arrays of a file together may unpack to, as a multiple of the file's size, and a little more. */
const maxUnpackRatio = 64;
const unpackSlack = 1 << 20;
/** MATLAB's own limit, and its rule for names. Arrays with other names (MATLAB itself writes one without) are passed over. */
const nameRule = /^[A-Za-z]\w{0,62}$/;

const MATRIX = 14;
const COMPRESSED = 15;
/** Storage type -> bytes per value and how to read it. */
const storage: Readonly<Record<number, new (length: number) => MatData>> = {
  1: Int8Array,
  2: Uint8Array,
  3: Int16Array,
  4: Uint16Array,
  5: Int32Array,
  6: Uint32Array,
  7: Float32Array,
  9: Float64Array,
};

/** Reads all real numeric arrays of a MAT-file by name; other things in it are passed over. Pure; throws DataError. */
export function parseMat5(content: Uint8Array, file: string): Map<string, MatArray> {
  if (content.length < 128) {
    throw new DataError(`${file}: expected a MAT-file with a header of 128 bytes, found ${bytes(content.length)}`);
  }
  const text = Buffer.from(content.subarray(0, 116)).toString("latin1");
  const hdf5 = Buffer.from("\x89HDF", "latin1");
  if (/^MATLAB 7\.3/.test(text) || [0, 512].some((at) => hdf5.equals(content.subarray(at, at + 4)))) {
    throw new DataError(
      `${file}: this MAT-file is of version 7.3 (HDF5), which is not read. Save it in MATLAB with \`save -v7\`, or fetch the official file`,
    );
  }
  const mark = String.fromCharCode(content[126]!, content[127]!);
  if (mark !== "IM" && mark !== "MI") {
    throw new DataError(`${file}: expected a MATLAB level 5 file, but its header has no byte-order mark`);
  }
  const source: Source = { little: mark === "IM", file };
  const arrays = new Map<string, MatArray>();
  // Each packed array by itself may not be out of proportion (see `unpack`); this is against very many small ones.
  let budget = content.length * maxUnpackRatio + unpackSlack;
  for (let at = 128; at < content.length; ) {
    const element = readElement(content, at, source);
    at = element.end;
    if (element.type === COMPRESSED) {
      const sizeOf = (head: Uint8Array) => {
        const size = 8 + viewOf(head).getUint32(4, source.little);
        budget -= size;
        if (budget < 0) throw new DataError(`${file}: its arrays unpack to far more than a file of this size can hold`);
        return size;
      };
      const inner = readElement(unpack(element.body, "zlib", 8, sizeOf, file), 0, source);
      if (inner.type === MATRIX) addMatrix(inner.body, source, arrays);
    } else if (element.type === MATRIX) {
      addMatrix(element.body, source, arrays);
    }
  }
  return arrays;
}

/** Tag (type, size) and body; values of up to four bytes sit inside the tag. Bodies are padded to 8 bytes. */
function readElement(data: Uint8Array, at: number, { little, file }: Source): Element {
  if (at + 8 > data.length)
    throw new DataError(`${file}: ends in the middle of a tag, at byte ${at} of ${bytes(data.length)}`);
  const view = viewOf(data);
  const word = view.getUint32(at, little);
  const small = word >>> 16;
  if (small !== 0) {
    if (small > 4) throw new DataError(`${file}: a small element of ${small} bytes at byte ${at}; the file is damaged`);
    return { type: word & 0xffff, body: data.subarray(at + 4, at + 4 + small), end: at + 8 };
  }
  const size = view.getUint32(at + 4, little);
  const start = at + 8;
  if (start + size > data.length) {
    throw new DataError(
      `${file}: an element at byte ${at} announces ${bytes(size)}, but only ${bytes(data.length - start)} follow. Fetch the file again`,
    );
  }
  // Compressed elements are not padded; the last element of a matrix may lack its padding.
  const padded = word === COMPRESSED ? size : Math.ceil(size / 8) * 8;
  return { type: word, body: data.subarray(start, start + size), end: Math.min(start + padded, data.length) };
}

/** Sub-elements in order: flags (class in the lowest byte), dimensions, name, real part. */
function addMatrix(body: Uint8Array, source: Source, arrays: Map<string, MatArray>): void {
  const flags = readElement(body, 0, source);
  if (flags.body.length < 4) throw new DataError(`${source.file}: a matrix has no flags; the file is damaged`);
  const word = viewOf(flags.body).getUint32(0, source.little);
  const kind = word & 0xff;
  const complex = (word & 0x0800) !== 0;
  if (kind < 6 || kind > 13 || complex) return; // 6..13: double, single, (u)int8..32; not cells, structs, text, sparse
  const dimensions = readElement(body, flags.end, source);
  if (dimensions.body.length > 256)
    throw new DataError(`${source.file}: an array has absurdly many axes; the file is damaged`);
  const shape = Array.from(readValues(dimensions, source));
  const name = readElement(body, dimensions.end, source);
  const label = Buffer.from(name.body.subarray(0, 64)).toString("latin1");
  if (!nameRule.test(label)) return;
  const values = readValues(readElement(body, name.end, source), source);
  const count = shape.reduce((a, b) => a * b, 1);
  if (shape.length < 2 || shape.some((n) => !Number.isInteger(n) || n < 0) || count !== values.length) {
    throw new DataError(`${source.file}: array ${label} of shape [${shape.join(", ")}] holds ${values.length} values`);
  }
  arrays.set(label, { shape, data: values });
}

function readValues({ type, body }: Element, { little, file }: Source): MatData {
  const Values = storage[type];
  if (!Values)
    throw new DataError(`${file}: storage type ${type} of a numeric array is not known; the file is damaged`);
  const width = (Values as unknown as { BYTES_PER_ELEMENT: number }).BYTES_PER_ELEMENT;
  if (body.length % width !== 0) {
    throw new DataError(`${file}: ${bytes(body.length)} do not make whole values of ${width} bytes`);
  }
  if (type === 2) return body; // the pixels: no copy
  const out = new Values(body.length / width);
  const raw = new Uint8Array(out.buffer);
  raw.set(body);
  if (!little) for (let i = 0; i < raw.length; i += width) raw.subarray(i, i + width).reverse();
  return out;
}

function viewOf(data: Uint8Array): DataView {
  return new DataView(data.buffer, data.byteOffset, data.byteLength);
}
