import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DataError } from "../../src/errors.js";
import { parseMat5 } from "../../src/files/mat5.js";
import { damaged, expectDataErrorOrValue, mat5 } from "./bytes.js";

const variables = [
  { name: "X", shape: [2, 3, 2], data: Uint8Array.from({ length: 12 }, (_, i) => i + 200) },
  { name: "a_longer_name", shape: [3, 1], data: Float64Array.of(1.5, -2, 1e300) },
  { name: "tiny", shape: [1, 1], data: Uint8Array.of(7) },
];

describe("parseMat5", () => {
  for (const compressed of [false, true]) {
    for (const bigEndian of [false, true]) {
      const label = `${compressed ? "compressed" : "plain"}, ${bigEndian ? "big" : "little"}-endian`;
      it(`reads arrays of bytes and doubles (${label})`, () => {
        const arrays = parseMat5(mat5(variables, { compressed, bigEndian }), "x.mat");
        expect([...arrays.keys()]).toEqual(["X", "a_longer_name", "tiny"]);
        for (const { name, shape, data } of variables) {
          expect(arrays.get(name)!.shape).toEqual(shape);
          expect([...arrays.get(name)!.data]).toEqual([...data]);
        }
      });
      it(`throws only DataError on damaged files (${label})`, () => {
        const good = mat5(variables, { compressed, bigEndian });
        const check = (bad: Uint8Array) => expectDataErrorOrValue(() => parseMat5(bad, "bad.mat"), "bad.mat");
        fc.assert(fc.property(damaged(good), check), { numRuns: 300 });
        // Damage behind the header only, where the parser has more to do.
        const body = good.subarray(128);
        const rejoin = (tail: Uint8Array) => new Uint8Array(Buffer.concat([good.subarray(0, 128), tail]));
        fc.assert(
          fc.property(damaged(body), (tail) => check(rejoin(tail))),
          { numRuns: 500 },
        );
      });
    }
  }

  it("says where a truncated file ends too early", () => {
    const good = mat5([{ name: "X", shape: [100, 1], data: new Uint8Array(100) }]);
    expect(() => parseMat5(good.subarray(0, 190), "x.mat")).toThrow(
      /x\.mat: an element at byte 128 announces .* follow/,
    );
  });

  it("names version 7.3 files for what they are", () => {
    const hdf5 = new Uint8Array(600);
    hdf5.set([0x89, 0x48, 0x44, 0x46]);
    expect(() => parseMat5(hdf5, "x.mat")).toThrow(/7\.3/);
  });

  it("refuses a zlib bomb without unpacking it", () => {
    const bomb = mat5([{ name: "X", shape: [64 << 20, 1], data: new Uint8Array(64 << 20) }], { compressed: true });
    const before = process.memoryUsage().arrayBuffers;
    expect(() => parseMat5(bomb, "bomb.mat")).toThrow(DataError);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(8 << 20);
  });
});
