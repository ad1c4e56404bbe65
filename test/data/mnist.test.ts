import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { mnist } from "../../src/data/mnist.js";
import { DataError } from "../../src/errors.js";
import { parseOptions } from "../../src/options.js";
import { Rng } from "../../src/rng.js";
import { idx } from "../files/bytes.js";
import { describeData, mnistDir } from "../support/real-data.js";

const rng = Rng.fromSeed(0);
const options = { train: undefined };

describeData(mnistDir)("mnist", () => {
  it("has the labels and class counts of the official files", async () => {
    const { train, test } = await mnist.load({ dir: mnistDir, rng, options });
    expect([...train.labels.subarray(0, 5)]).toEqual([5, 0, 4, 1, 9]);
    expect([...test.labels.subarray(0, 5)]).toEqual([7, 2, 1, 0, 4]);
    const counts = (labels: Int32Array) => Array.from({ length: 10 }, (_, k) => labels.filter((y) => y === k).length);
    expect(counts(train.labels)).toEqual([5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]);
    expect(counts(test.labels)).toEqual([980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]);
    expect([train.count, train.channels, train.height, train.width]).toEqual([60_000, 1, 28, 28]);
  });
});

describe("mnist from a small folder", () => {
  const folder = () => {
    const dir = mkdtempSync(join(tmpdir(), "mnist-"));
    writeFileSync(join(dir, "train-images-idx3-ubyte"), idx([2, 4, 3], new Uint8Array(24).fill(9)));
    writeFileSync(join(dir, "train-labels-idx1-ubyte"), idx([2], Uint8Array.of(1, 2)));
    writeFileSync(join(dir, "t10k-images-idx3-ubyte.gz"), gzipSync(idx([1, 4, 3], new Uint8Array(12))));
    writeFileSync(join(dir, "t10k-labels-idx1-ubyte.gz"), gzipSync(idx([1], Uint8Array.of(9))));
    return dir;
  };

  it("reads files gzip or not", async () => {
    const { train, test } = await mnist.load({ dir: folder(), rng, options });
    expect([train.count, train.height, train.width, test.labels[0]]).toEqual([2, 4, 3, 9]);
  });

  it("uses the first images alone where so many are asked for", async () => {
    const { train, test } = await mnist.load({ dir: folder(), rng, options: { train: 1 } });
    expect([train.count, train.pixels.length, [...train.labels], test.count]).toEqual([1, 12, [1], 1]);
  });

  it("trains on all images of a set that has more than MNIST, as EMNIST does", async () => {
    const dir = folder();
    writeFileSync(join(dir, "train-images-idx3-ubyte"), idx([60_002, 1, 1], new Uint8Array(60_002)));
    writeFileSync(join(dir, "train-labels-idx1-ubyte"), idx([60_002], new Uint8Array(60_002).fill(3)));
    const { train } = await mnist.load({ dir, rng, options: parseOptions(mnist.options, {}, "mnist") });
    expect([train.count, train.labels.length, train.pixels.length]).toEqual([60_002, 60_002, 60_002]);
    const first = await mnist.load({ dir, rng, options: parseOptions(mnist.options, { train: 60_001 }, "mnist") });
    expect(first.train.count).toBe(60_001);
  });

  it("says that images and labels do not belong together", async () => {
    const dir = folder();
    writeFileSync(join(dir, "train-labels-idx1-ubyte"), idx([3], Uint8Array.of(1, 2, 3)));
    await expect(mnist.load({ dir, rng, options })).rejects.toThrow(/2 images of 4x3, but .* 3 labels/);
  });

  it("names a label that is no digit", async () => {
    const dir = folder();
    writeFileSync(join(dir, "train-labels-idx1-ubyte"), idx([2], Uint8Array.of(1, 200)));
    await expect(mnist.load({ dir, rng, options })).rejects.toThrow(DataError);
  });
});
