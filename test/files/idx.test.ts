import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DataError } from "../../src/errors.js";
import { parseIdx } from "../../src/files/idx.js";
import { damaged, expectDataErrorOrValue, idx } from "./bytes.js";

const pixels = Uint8Array.from({ length: 2 * 3 * 4 }, (_, i) => i * 7);
const good = idx([2, 3, 4], pixels);

describe("parseIdx", () => {
  it.each([
    ["plain", good],
    ["gzip", new Uint8Array(gzipSync(good))],
  ])("reads the shape and the values (%s)", (_, content) => {
    const { shape, data } = parseIdx(content, 3, "x.idx");
    expect(shape).toEqual([2, 3, 4]);
    expect([...data]).toEqual([...pixels]);
  });

  it("says what it expected of a truncated file, and what it found", () => {
    expect(() => parseIdx(good.subarray(0, 30), 3, "x.idx")).toThrow(/x\.idx: .*announces 40 bytes, found 30 bytes/);
  });

  it("names the magic number of another kind of file", () => {
    expect(() => parseIdx(idx([4], pixels.subarray(0, 4)), 3, "x.idx")).toThrow(DataError);
    expect(() => parseIdx(good, 1, "x.idx")).toThrow(/magic number 2049, found 2051/);
  });

  it("refuses a gzip bomb without unpacking it", () => {
    const bomb = new Uint8Array(gzipSync(idx([64, 1024, 1024], new Uint8Array(64 << 20))));
    const before = process.memoryUsage().arrayBuffers;
    expect(() => parseIdx(bomb, 3, "bomb.gz")).toThrow(/bomb\.gz: its header announces 67,108,880 bytes/);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(8 << 20);
  });

  it("refuses gzip data longer than their header announces", () => {
    const long = gzipSync(Buffer.concat([idx([1, 2, 2], new Uint8Array(4)), new Uint8Array(1 << 20)]));
    expect(() => parseIdx(new Uint8Array(long), 3, "long.gz")).toThrow(/longer than the 20 bytes/);
  });

  it.each([
    ["plain", good],
    ["gzip", new Uint8Array(gzipSync(good))],
  ])("throws only DataError on damaged files (%s)", (_, content) => {
    fc.assert(
      fc.property(damaged(content), (bad) => expectDataErrorOrValue(() => parseIdx(bad, 3, "bad.idx"), "bad.idx")),
      {
        numRuns: 400,
      },
    );
  });

  it("throws only DataError on hostile sizes", () => {
    const size = fc.constantFrom(0, 1, 0x7fffffff, 0xffffffff);
    fc.assert(
      fc.property(fc.tuple(size, size, size), fc.boolean(), (shape, packed) => {
        const file = idx(shape, new Uint8Array(3));
        expectDataErrorOrValue(() => parseIdx(packed ? new Uint8Array(gzipSync(file)) : file, 3, "bad"), "bad");
      }),
    );
  });
});
