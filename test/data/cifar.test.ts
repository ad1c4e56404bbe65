import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseCifarRecords } from "../../src/data/cifar-records.js";
import { cifar10 } from "../../src/data/cifar10.js";
import { cifar100 } from "../../src/data/cifar100.js";
import { fingerprint } from "../../src/data/fingerprint.js";
import { DataError, UsageError } from "../../src/errors.js";
import { channelStatistics } from "../../src/images/normalize.js";
import { Rng } from "../../src/rng.js";
import { expectDataErrorOrValue } from "../files/bytes.js";
import { cifar10Dir, describeData } from "../support/real-data.js";

const rng = Rng.fromSeed(0);

describe("parseCifarRecords", () => {
  const layout = { labelBytes: 2, labelByte: 1, numClasses: 100 };
  const record = (coarse: number, fine: number, fill: number) => [coarse, fine, ...new Array(3072).fill(fill)];

  it("reads the chosen label byte and the pixels of every record of every file", () => {
    const files = [
      { file: "a", content: Uint8Array.from([...record(1, 20, 5), ...record(2, 30, 6)]) },
      { file: "b", content: Uint8Array.from(record(3, 40, 7)) },
    ];
    const fine = parseCifarRecords(files, layout);
    expect([...fine.labels]).toEqual([20, 30, 40]);
    expect([fine.pixels[0], fine.pixels[3071], fine.pixels[3072], fine.pixels[6144]]).toEqual([5, 5, 6, 7]);
    expect([...parseCifarRecords(files, { ...layout, labelByte: 0, numClasses: 20 }).labels]).toEqual([1, 2, 3]);
  });

  it("names the file and the record of an impossible label", () => {
    const content = Uint8Array.from([...record(1, 20, 0), ...record(1, 100, 0)]);
    expect(() => parseCifarRecords([{ file: "train.bin", content }], layout)).toThrow(
      /train\.bin: record 1 has label 100/,
    );
  });

  it("throws only DataError on any bytes", () => {
    const content = fc.oneof(
      fc.uint8Array({ maxLength: 100 }),
      fc.tuple(fc.nat(3), fc.nat(255)).map(([n, fill]) => new Uint8Array(3074 * n).fill(fill)),
      fc.nat(7000).map((n) => new Uint8Array(n)),
    );
    fc.assert(
      fc.property(content, (bad) =>
        expectDataErrorOrValue(() => parseCifarRecords([{ file: "f", content: bad }], layout), "f"),
      ),
    );
  });
});

describe("cifar10 without its files", () => {
  it("asks for --data", async () => {
    await expect(cifar10.load({ dir: undefined, rng, options: { train: 50_000 } })).rejects.toThrow(UsageError);
    await expect(cifar10.load({ dir: undefined, rng, options: { train: 50_000 } })).rejects.toThrow(/--data DIR/);
  });

  it("says which file is missing or short, with expected and found size", async () => {
    const dir = mkdtempSync(join(tmpdir(), "cifar-"));
    await expect(cifar10.load({ dir, rng, options: { train: 50_000 } })).rejects.toThrow(/data_batch_1\.bin.*--data/);
    await expect(cifar10.load({ dir: join(dir, "nowhere"), rng, options: { train: 50_000 } })).rejects.toThrow(
      DataError,
    );
    writeFileSync(join(dir, "data_batch_1.bin"), new Uint8Array(1000));
    const short = cifar10.load({ dir, rng, options: { train: 50_000 } });
    await expect(short).rejects.toThrow(/data_batch_1\.bin should have 30,730,000 bytes, found 1,000 bytes.*--data/);
    await expect(short).rejects.toThrow(DataError);
  });
});

describeData(cifar10Dir)("cifar10", () => {
  it("has the labels, pixels and statistics of the official files", async () => {
    const data = await cifar10.load({ dir: cifar10Dir, rng, options: { train: 50_000 } });
    const firstThree = [0, 1, 2, 3, 4].map((k) => [...data.train.labels.subarray(k * 10_000, k * 10_000 + 3)]);
    expect(firstThree).toEqual([
      [6, 9, 9],
      [1, 6, 6],
      [8, 5, 0],
      [0, 6, 0],
      [1, 8, 5],
    ]);
    expect([...data.test.labels.subarray(0, 3)]).toEqual([3, 8, 8]);
    expect([...data.train.pixels.subarray(0, 4)]).toEqual([59, 43, 50, 68]);
    const { mean, std } = channelStatistics(data.train);
    expect([...mean].map((v) => v.toFixed(5))).toEqual(["0.49140", "0.48216", "0.44653"]);
    expect([...std].map((v) => v.toFixed(5))).toEqual(["0.24703", "0.24349", "0.26159"]);
    expect(data.nameOf!(47_689)).toBe("47689_airplane.png");
    expect(fingerprint(data)).toMatch(/^[0-9a-f]{64}$/);
    expect(fingerprint({ ...data, test: data.train })).not.toBe(fingerprint(data));
  });
});

describe("cifar100", () => {
  it("reads fine and coarse labels, and finds its usual subfolder", async () => {
    const dir = mkdtempSync(join(tmpdir(), "cifar100-"));
    await expect(cifar100.load({ dir, rng, options: { labels: "fine" } })).rejects.toThrow(/train\.bin/);
    const { mkdirSync } = await import("node:fs");
    mkdirSync(join(dir, "cifar-100-binary"));
    const write = (name: string, count: number) => {
      const bytes = new Uint8Array(count * 3074);
      for (let i = 0; i < count; i++) bytes.set([(i % 100) / 5, i % 100], i * 3074);
      writeFileSync(join(dir, "cifar-100-binary", name), bytes);
    };
    write("train.bin", 50_000);
    write("test.bin", 10_000);
    const fine = await cifar100.load({ dir, rng, options: { labels: "fine" } });
    expect([fine.classes.length, new Set(fine.classes).size, fine.train.labels[199]]).toEqual([100, 100, 99]);
    const coarse = await cifar100.load({ dir, rng, options: { labels: "coarse" } });
    expect([coarse.classes.length, coarse.train.labels[199]]).toEqual([20, 19]);
    const { rmSync } = await import("node:fs");
    rmSync(dir, { recursive: true });
  });
});
