import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { joinExtra, parseSvhn, svhn } from "../../src/data/svhn.js";
import { DataError } from "../../src/errors.js";
import { Rng } from "../../src/rng.js";
import { damaged, expectDataErrorOrValue, mat5 } from "../files/bytes.js";

/** Pixel (n, c, row, column) of the test pictures. */
const value = (n: number, c: number, row: number, column: number) => (n * 101 + c * 57 + row * 7 + column * 3) % 256;

function svhnFile(count: number, labels: readonly number[], compressed = false): Uint8Array {
  const x = new Uint8Array(count * 3072);
  for (let n = 0; n < count; n++) {
    for (let c = 0; c < 3; c++) {
      for (let column = 0; column < 32; column++) {
        for (let row = 0; row < 32; row++) x[row + 32 * (column + 32 * (c + 3 * n))] = value(n, c, row, column);
      }
    }
  }
  const shape = count === 1 ? [32, 32, 3] : [32, 32, 3, count];
  const y = { name: "y", shape: [count, 1], data: Float64Array.from(labels) };
  return mat5([{ name: "X", shape, data: x }, y], { compressed });
}

describe("parseSvhn", () => {
  it.each([false, true])("turns columns into rows and label 10 into 0 (compressed: %s)", (compressed) => {
    const set = parseSvhn(svhnFile(3, [10, 1, 9], compressed), "train_32x32.mat");
    expect([...set.labels]).toEqual([0, 1, 9]);
    expect(set).toMatchObject({ count: 3, channels: 3, height: 32, width: 32 });
    for (const [n, c, row, column] of [
      [0, 0, 0, 1],
      [1, 2, 31, 0],
      [2, 1, 5, 17],
    ] as const) {
      expect(set.pixels[((n * 3 + c) * 32 + row) * 32 + column]).toBe(value(n, c, row, column));
    }
  });

  it("reads a file of one image, whose last axis MATLAB drops", () => {
    expect(parseSvhn(svhnFile(1, [4]), "x").count).toBe(1);
  });

  it("says which arrays it found in another file", () => {
    const other = mat5([{ name: "Z", shape: [2, 1], data: Uint8Array.of(1, 2) }]);
    expect(() => parseSvhn(other, "x.mat")).toThrow(/expected arrays X .* found Z \[2, 1\]/);
  });

  it("names a label outside 1..10", () => {
    expect(() => parseSvhn(svhnFile(2, [3, 11]), "x.mat")).toThrow(/label 11 at position 1/);
  });

  it("throws only DataError on damaged files", () => {
    const good = svhnFile(2, [3, 4], true);
    fc.assert(
      fc.property(damaged(good), (bad) => expectDataErrorOrValue(() => parseSvhn(bad, "b.mat"), "b.mat")),
      {
        numRuns: 200,
      },
    );
  });
});

describe("joinExtra", () => {
  const train = parseSvhn(svhnFile(2, [1, 2]), "t");
  const extra = parseSvhn(svhnFile(5, [3, 4, 5, 6, 7]), "e");
  it("appends a seeded draw with hidden labels", () => {
    const joined = joinExtra(train, extra, 3, false, Rng.fromSeed(1));
    expect([...joined.labels]).toEqual([1, 2, -1, -1, -1]);
    expect(joined.pixels.length).toBe(5 * 3072);
    expect(joined.pixels).toEqual(joinExtra(train, extra, 3, false, Rng.fromSeed(1)).pixels);
  });
  it("appends all of them with labels if asked to", () => {
    const joined = joinExtra(train, extra, Number.POSITIVE_INFINITY, true, Rng.fromSeed(1));
    expect([...joined.labels]).toEqual([1, 2, 3, 4, 5, 6, 7]);
    expect(joined.pixels.subarray(2 * 3072)).toEqual(extra.pixels);
  });
});

describe("svhn", () => {
  it("loads train, test and extra from a folder", async () => {
    const dir = mkdtempSync(join(tmpdir(), "svhn-"));
    writeFileSync(join(dir, "train_32x32.mat"), svhnFile(4, [1, 2, 3, 10], true));
    writeFileSync(join(dir, "test_32x32.mat"), svhnFile(2, [5, 6]));
    const load = (options: Record<string, unknown>) =>
      svhn.load({ dir, rng: Rng.fromSeed(0), options: options as never });
    const data = await load({ extra: "none", extraLabels: false });
    expect([data.train.count, data.test.count, data.normalize, data.flip]).toEqual([4, 2, "image", false]);
    await expect(load({ extra: "all", extraLabels: false })).rejects.toThrow(DataError);
    await expect(load({ extra: "lots", extraLabels: false })).rejects.toThrow(/expected none, all or a whole number/);
    writeFileSync(join(dir, "extra_32x32.mat"), svhnFile(3, [7, 8, 9]));
    expect((await load({ extra: "2", extraLabels: false })).train.count).toBe(6);
    await expect(load({ extra: "4", extraLabels: false })).rejects.toThrow(/holds 3/);
  });
});
