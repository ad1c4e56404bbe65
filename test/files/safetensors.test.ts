import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { DataError } from "../../src/errors.js";
import {
  decodeSafetensors,
  type RawDType,
  type RawTensor,
  readSafetensors,
  writeSafetensors,
} from "../../src/files/safetensors.js";

const folder = mkdtempSync(join(tmpdir(), "fewlabels-safetensors-"));
afterAll(() => rmSync(folder, { recursive: true }));
const file = join(folder, "t.safetensors");

const sizes: Record<RawDType, number> = { F64: 8, I64: 8, F32: 4, I32: 4, F16: 2, BF16: 2, U8: 1, I8: 1, BOOL: 1 };
const dtypes = Object.keys(sizes) as RawDType[];

const tensors: fc.Arbitrary<Record<string, RawTensor>> = fc
  .uniqueArray(
    fc
      .tuple(
        fc.string().filter((name) => name !== "__metadata__"),
        fc.constantFrom(...dtypes),
        fc.array(fc.nat(4), { maxLength: 3 }),
        fc.nat(255),
      )
      .map(([name, dtype, shape, fill]) => {
        const count = shape.reduce((a, b) => a * b, 1);
        return [name, { dtype, shape, bytes: new Uint8Array(count * sizes[dtype]).fill(fill) }] as const;
      }),
    { selector: ([name]) => name, maxLength: 6 },
  )
  .map((entries) => Object.fromEntries(entries));

/** A file with any header text and some data, as a hostile writer would make it. */
function fileWith(header: string, data = new Uint8Array(0), length = Buffer.byteLength(header)): Uint8Array {
  const out = Buffer.alloc(8 + Buffer.byteLength(header) + data.length);
  out.writeBigUInt64LE(BigInt(length), 0);
  out.write(header, 8);
  out.set(data, 8 + Buffer.byteLength(header));
  return out;
}

describe("safetensors", () => {
  it("reads back every tensor it wrote, whatever its name, type and shape", () => {
    fc.assert(
      fc.property(tensors, (given) => {
        writeSafetensors(file, given);
        const read = readSafetensors(file);
        expect(new Set(read.keys())).toEqual(new Set(Object.keys(given)));
        for (const [name, tensor] of Object.entries(given)) {
          const got = read.get(name)!;
          expect({ ...got, bytes: [...got.bytes] }).toEqual({ ...tensor, bytes: [...tensor.bytes] });
        }
      }),
      { numRuns: 100 },
    );
  });

  it("writes the layout of the specification: length, header padded with spaces to 8, bytes without holes", () => {
    const bytes = new Uint8Array(new Float32Array([1, -2]).buffer);
    const written = writeSafetensors(file, { w: { dtype: "F32", shape: [2], bytes } }, { format: "pt" });
    const raw = readFileSync(file);
    const length = Number(raw.readBigUInt64LE(0));
    expect(length % 8).toBe(0);
    const header = raw.toString("utf8", 8, 8 + length);
    expect(JSON.parse(header)).toEqual({
      __metadata__: { format: "pt" },
      w: { dtype: "F32", shape: [2], data_offsets: [0, 8] },
    });
    expect(header).toMatch(/^\{.*\} *$/);
    expect(raw.subarray(8 + length)).toEqual(Buffer.from(bytes));
    expect(written).toEqual({ bytes: raw.length, crc32: crc32(raw) });
  });

  it("starts every tensor at a multiple of its element size", () => {
    writeSafetensors(file, {
      mask: { dtype: "BOOL", shape: [3], bytes: new Uint8Array(3) },
      half: { dtype: "BF16", shape: [1], bytes: new Uint8Array(2) },
      count: { dtype: "I64", shape: [], bytes: new Uint8Array(8) },
    });
    const start = readFileSync(file).readBigUInt64LE(0);
    expect(start % 8n).toBe(0n);
    for (const { dtype, bytes } of readSafetensors(file).values()) expect(bytes.byteOffset % sizes[dtype]).toBe(0);
  });

  it("asks for the bytes of one tensor at a time", () => {
    const asked: string[] = [];
    const lazy = (name: string) => ({
      dtype: "U8" as const,
      shape: [1],
      bytes: () => {
        asked.push(name);
        return Uint8Array.of(7);
      },
    });
    writeSafetensors(file, { a: lazy("a"), b: lazy("b") });
    expect(asked).toEqual(["a", "b"]);
    expect(readSafetensors(file).get("b")!.bytes[0]).toBe(7);
  });

  it("refuses to write bytes that do not fill the shape", () => {
    const bytes = new Uint8Array(4);
    expect(() => writeSafetensors(file, { w: { dtype: "F32", shape: [2], bytes } })).toThrow(/8 bytes, but has 4/);
  });

  it("throws DataError naming the file at every truncation", () => {
    writeSafetensors(file, { w: { dtype: "F32", shape: [3], bytes: new Uint8Array(12) } });
    const whole = readFileSync(file);
    for (let length = 0; length < whole.length; length++) {
      expect(() => decodeSafetensors(whole.subarray(0, length), "w.safetensors")).toThrow(DataError);
    }
    expect(() => decodeSafetensors(whole.subarray(0, 30), "w.safetensors")).toThrow(/^w\.safetensors: /);
    expect(() => decodeSafetensors(Buffer.concat([whole, Buffer.from([0])]), "w")).toThrow(/12 bytes.*found 13/);
  });

  it("throws nothing but DataError on random bytes and on any JSON in the header", () => {
    const survives = (bytes: Uint8Array) => {
      try {
        decodeSafetensors(bytes, "random");
      } catch (error) {
        expect(error).toBeInstanceOf(DataError);
      }
    };
    fc.assert(fc.property(fc.uint8Array({ maxLength: 64 }), survives), { numRuns: 300 });
    fc.assert(
      fc.property(fc.json(), fc.uint8Array({ maxLength: 16 }), (json, data) => survives(fileWith(json, data))),
      { numRuns: 300 },
    );
    const field = fc.record({
      dtype: fc.oneof(fc.constantFrom(...dtypes, "Q4", "__proto__"), fc.anything()),
      shape: fc.oneof(fc.array(fc.oneof(fc.nat(3), fc.maxSafeNat(), fc.double(), fc.integer())), fc.anything()),
      data_offsets: fc.oneof(fc.array(fc.oneof(fc.nat(20), fc.maxSafeNat(), fc.integer())), fc.anything()),
    });
    fc.assert(
      fc.property(fc.dictionary(fc.string(), field), fc.uint8Array({ maxLength: 16 }), (fields, data) => {
        let header: string;
        try {
          header = JSON.stringify(fields);
        } catch {
          return; // a bigint or a cycle: no JSON
        }
        survives(fileWith(header, data));
      }),
      { numRuns: 500 },
    );
  });

  it.each([
    [
      "overlapping tensors",
      '{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}',
      3,
    ],
    ["a hole", '{"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}', 2],
    ["offsets that disagree with the shape", '{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}', 4],
    ["offsets past the end", '{"a":{"dtype":"U8","shape":[9],"data_offsets":[0,9]}}', 2],
    ["a size beyond 2^53", '{"a":{"dtype":"F64","shape":[9007199254740991,9007199254740991],"data_offsets":[0,8]}}', 8],
    ["a negative size", '{"a":{"dtype":"U8","shape":[-1],"data_offsets":[0,0]}}', 0],
    ["an unknown dtype", '{"a":{"dtype":"F8","shape":[1],"data_offsets":[0,1]}}', 1],
    ["metadata that is no text", '{"__metadata__":{"a":1}}', 0],
    ["a header that is a list", "[]", 0],
    ["bytes that belong to nobody", "{}", 4],
  ])("refuses %s", (_, header, bytes) => {
    expect(() => decodeSafetensors(fileWith(header, new Uint8Array(bytes)), "hostile")).toThrow(DataError);
  });

  it("does not believe a header of exabytes", () => {
    const huge = Buffer.alloc(16, 0xff);
    expect(() => decodeSafetensors(huge, "huge")).toThrow(/header claims/);
  });

  it("names a file that is not there", () => {
    expect(() => readSafetensors(join(folder, "none"))).toThrow(/none: cannot be read/);
    writeFileSync(file, "");
    expect(() => readSafetensors(file)).toThrow(/expected at least 8 bytes, found 0/);
  });
});
