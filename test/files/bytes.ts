/** Small data files made by hand, and the check every parser must pass on damaged ones. */
import { deflateSync } from "node:zlib";
import fc from "fast-check";
import { expect } from "vitest";
import { DataError } from "../../src/errors.js";

/** Runs `parse`; it may return anything or throw DataError naming the file, nothing else. */
export function expectDataErrorOrValue(parse: () => unknown, file: string): void {
  try {
    parse();
  } catch (error) {
    expect(error).toBeInstanceOf(DataError);
    expect((error as Error).message).toContain(file);
  }
}

/** Cut off, with bytes changed, or with something in front: what happens to files. */
export function damaged(good: Uint8Array): fc.Arbitrary<Uint8Array> {
  const edits = fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1, maxLength: 8 });
  return fc.oneof(
    fc.nat(good.length - 1).map((length) => good.slice(0, length)),
    edits.map((list) => {
      const copy = good.slice();
      for (const [at, value] of list) copy[at] = value;
      return copy;
    }),
    fc
      .tuple(fc.nat(64), fc.uint8Array({ maxLength: 200 }))
      .map(([keep, tail]) => Buffer.concat([good.slice(0, keep), tail])),
    fc.uint8Array({ maxLength: 400 }),
  );
}

export function idx(shape: readonly number[], data: Uint8Array, type = 8): Uint8Array {
  const head = Buffer.alloc(4 + 4 * shape.length);
  head.writeUInt32BE(type * 256 + shape.length, 0);
  for (const [i, n] of shape.entries()) head.writeUInt32BE(n, 4 + 4 * i);
  return new Uint8Array(Buffer.concat([head, data]));
}

export interface MatOptions {
  readonly compressed?: boolean;
  readonly bigEndian?: boolean;
}

interface MatVariable {
  readonly name: string;
  readonly shape: readonly number[];
  /** uint8 values, or doubles. */
  readonly data: Uint8Array | Float64Array;
}

/** A MAT-file, level 5. */
export function mat5(
  variables: readonly MatVariable[],
  { compressed = false, bigEndian = false }: MatOptions = {},
): Uint8Array {
  const u32 = (value: number) => {
    const b = Buffer.alloc(4);
    if (bigEndian) b.writeUInt32BE(value);
    else b.writeUInt32LE(value);
    return b;
  };
  const element = (type: number, body: Buffer) => {
    if (body.length > 0 && body.length <= 4) {
      const tag = Buffer.alloc(8);
      u32(body.length * 65536 + type).copy(tag);
      body.copy(tag, 4);
      return tag;
    }
    const padding = Buffer.alloc((8 - (body.length % 8)) % 8);
    return Buffer.concat([u32(type), u32(body.length), body, padding]);
  };
  const header = Buffer.alloc(128, " ");
  header.write("MATLAB 5.0 MAT-file, made by a test");
  header.writeUInt16LE(0x0100, 124);
  header.write(bigEndian ? "MI" : "IM", 126);
  const parts = variables.map(({ name, shape, data }) => {
    const double = data instanceof Float64Array;
    let values = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    if (double && bigEndian) values = Buffer.from(values).swap64();
    const body = Buffer.concat([
      element(6, Buffer.concat([u32(double ? 6 : 9), u32(0)])),
      element(5, Buffer.concat(shape.map(u32))),
      element(1, Buffer.from(name, "latin1")),
      element(double ? 9 : 2, values),
    ]);
    const matrix = Buffer.concat([u32(14), u32(body.length), body]);
    if (!compressed) return matrix;
    const packed = deflateSync(matrix);
    return Buffer.concat([u32(15), u32(packed.length), packed]);
  });
  return new Uint8Array(Buffer.concat([header, ...parts]));
}
