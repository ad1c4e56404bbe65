// What no parser of the data sets may do with hostile bytes: throw anything but DataError, print them raw, or take memory or time
// beyond what the file's own size explains. Truncated and random bytes: see also the test of each parser.
import { mkdtempSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { deflateSync, gzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseCifarRecords } from "../../src/data/cifar-records.js";
import { cifar10 } from "../../src/data/cifar10.js";
import { readDataFile } from "../../src/data/download/official-folder.js";
import { mnist } from "../../src/data/mnist.js";
import { parseSvhn, svhn } from "../../src/data/svhn.js";
import { DataError } from "../../src/errors.js";
import { parseIdx } from "../../src/files/idx.js";
import { parseMat5 } from "../../src/files/mat5.js";
import { parseLabelFile } from "../../src/labels/label-file.js";
import { readLabelText } from "../../src/labels/label-rows.js";
import { Rng } from "../../src/rng.js";
import { damaged, expectDataErrorOrValue, idx, mat5 } from "../files/bytes.js";
import { temporaryFolder } from "../setup/helpers.js";

const mb = 1 << 20;
const sizes = fc.constantFrom(0, 1, 3, 255, 65_536, 0x7fffffff, 0x80000000, 0xfffffff8, 0xffffffff);

/** Runs `parse` as `expectDataErrorOrValue` does; array buffers may grow by `limit` bytes, and no message is long. */
function expectBounded(parse: () => unknown, file: string, limit = 4 * mb): void {
  const before = process.memoryUsage().arrayBuffers;
  let kept: unknown;
  expectDataErrorOrValue(() => {
    try {
      kept = parse();
    } catch (error) {
      expect((error as Error).message.length).toBeLessThan(1000);
      throw error;
    }
  }, file);
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(limit);
  void kept;
}

/** A little-endian MAT-file of these elements. */
function matFile(...elements: Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat([mat5([]), ...elements]));
}

/** A tag of a type and a size, and a body that need not have that size. */
function element(type: number, body: Uint8Array, size = body.length): Buffer {
  const tag = Buffer.alloc(8);
  tag.writeUInt32LE(type, 0);
  tag.writeUInt32LE(size, 4);
  return Buffer.concat([tag, body, Buffer.alloc((8 - (body.length % 8)) % 8)]);
}

const uint32 = (...values: number[]) => Buffer.from(Uint32Array.from(values).buffer);
const [MATRIX, COMPRESSED] = [14, 15];

describe("parseMat5 on hostile files", () => {
  it("takes no size at its word, wherever it stands", () => {
    const good = mat5([{ name: "X", shape: [32, 32, 3, 2], data: new Uint8Array(6144) }]);
    fc.assert(
      fc.property(fc.nat(30), sizes, fc.boolean(), (word, size, packed) => {
        const bad = good.slice();
        new DataView(bad.buffer).setUint32(128 + 4 * word, size, true);
        const file = packed ? matFile(element(COMPRESSED, deflateSync(bad.subarray(128)))) : bad;
        expectBounded(() => parseMat5(file, "bad.mat"), "bad.mat");
        expectBounded(() => parseSvhn(file, "bad.mat"), "bad.mat");
      }),
      { numRuns: 300 },
    );
  });

  it("returns only arrays whose shape is made of whole numbers and holds their values", () => {
    const good = mat5([{ name: "X", shape: [4, 3], data: new Uint8Array(12) }]).subarray(128);
    fc.assert(
      fc.property(damaged(good), (tail) => {
        expectDataErrorOrValue(() => {
          for (const [name, { shape, data }] of parseMat5(matFile(tail), "bad.mat")) {
            expect(name).toMatch(/^[A-Za-z]\w*$/);
            expect(shape.every((n) => Number.isInteger(n) && n >= 0)).toBe(true);
            expect(shape.reduce((a, b) => a * b, 1)).toBe(data.length);
          }
        }, "bad.mat");
      }),
      { numRuns: 500 },
    );
  });

  it("refuses a shape of half rows", () => {
    const matrix = (...dimensions: number[]) =>
      matFile(
        element(
          MATRIX,
          Buffer.concat([
            element(6, uint32(9, 0)),
            element(9, Buffer.from(Float64Array.from(dimensions).buffer)),
            element(1, Buffer.from("Halves")),
            element(2, new Uint8Array(12)),
          ]),
        ),
      );
    expect(parseMat5(matrix(4, 3), "x.mat").get("Halves")!.data.length).toBe(12);
    expect(() => parseMat5(matrix(0.5, 24), "x.mat")).toThrow(/array Halves of shape \[0\.5, 24\] holds 12 values/);
    expect(() => parseMat5(matrix(Number.NaN, 12), "x.mat")).toThrow(DataError);
  });

  it("passes over names that are none, and prints none of them", () => {
    const long = "a".repeat(mb);
    for (const name of ["\x1b[2J", "", long, "a b"]) {
      const file = mat5([{ name, shape: [1, 2], data: Uint8Array.of(1, 2) }]);
      expect([...parseMat5(file, "x.mat").keys()]).toEqual([]);
      expectBounded(() => parseSvhn(file, "x.mat"), "x.mat");
    }
  });

  it("adds up what many small packed arrays unpack to", () => {
    // 60 KB each, which is in proportion by itself; 3,000 of them are 180 MB in a file of 410 KB.
    const body = (n: number) =>
      Buffer.concat([
        element(6, uint32(9, 0)),
        element(5, uint32(60_000, 1)),
        element(1, Buffer.from(`name_${n}_`)),
        element(2, new Uint8Array(60_000)),
      ]);
    const packed = Array.from({ length: 3000 }, (_, n) => {
      const inner = deflateSync(element(MATRIX, body(n)));
      const tag = Buffer.alloc(8);
      tag.writeUInt32LE(COMPRESSED, 0);
      tag.writeUInt32LE(inner.length, 4);
      return Buffer.concat([tag, inner]);
    });
    const file = matFile(...packed);
    expect(file.length).toBeLessThan(500_000);
    expectBounded(() => parseMat5(file, "many.mat"), "many.mat", 120 * mb);
    expect(() => parseMat5(file, "many.mat")).toThrow(/unpack to far more than a file of this size can hold/);
    expect(parseMat5(matFile(...packed.slice(0, 5)), "few.mat").size).toBe(5);
  });
});

describe("parseSvhn on damaged files", () => {
  it("returns only whole images with labels 0 .. 9, or throws DataError", () => {
    const good = mat5([
      { name: "y", shape: [2, 1], data: Float64Array.of(10, 4) },
      { name: "X", shape: [32, 32, 3, 2], data: new Uint8Array(6144) },
    ]);
    fc.assert(
      // Damage in the first 300 bytes, where everything but pixels is.
      fc.property(fc.array(fc.tuple(fc.nat(300), fc.nat(255)), { minLength: 1, maxLength: 4 }), (edits) => {
        const bad = good.slice();
        for (const [at, value] of edits) bad[at] = value;
        expectDataErrorOrValue(() => {
          const { count, pixels, labels } = parseSvhn(bad, "bad.mat");
          expect([pixels.length, labels.length, count > 0]).toEqual([count * 3072, count, true]);
          expect(labels.every((y) => y >= 0 && y <= 9)).toBe(true);
        }, "bad.mat");
      }),
      { numRuns: 300 },
    );
  });
});

describe("parseIdx and mnist on hostile files", () => {
  it("takes no size at its word, packed or not", () => {
    fc.assert(
      fc.property(fc.tuple(sizes, sizes, sizes), fc.nat(2000), fc.boolean(), (shape, length, packed) => {
        const file = idx(shape, new Uint8Array(length));
        const content = packed ? new Uint8Array(gzipSync(file)) : file;
        expectBounded(() => parseIdx(content, 3, "bad.idx"), "bad.idx");
      }),
      { numRuns: 300 },
    );
  });

  it("returns as many values as the shape says, or throws DataError", () => {
    const small = fc.nat(4);
    fc.assert(
      fc.property(fc.tuple(small, small, small), fc.nat(70), (shape, length) => {
        const wanted = shape[0] * shape[1] * shape[2];
        const parse = () => parseIdx(idx(shape, new Uint8Array(length)), 3, "x.idx");
        if (wanted === length) expect(parse().data.length).toBe(wanted);
        else expect(parse).toThrow(DataError);
      }),
    );
  });

  it("loads four files of any bytes as images with labels 0 .. 9, or throws DataError", async () => {
    const root = temporaryFolder();
    const images = idx([2, 2, 2], new Uint8Array(8));
    const labels = idx([2], Uint8Array.of(3, 9));
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(fc.constant(images), damaged(images)),
        fc.oneof(
          fc.constant(labels),
          damaged(labels),
          fc.tuple(fc.nat(20), fc.nat(20)).map((y) => idx([2], Uint8Array.from(y))),
        ),
        async (badImages, badLabels) => {
          const dir = mkdtempSync(join(root, "mnist-"));
          for (const part of ["train", "t10k"]) {
            writeFileSync(join(dir, `${part}-images-idx3-ubyte`), badImages);
            writeFileSync(join(dir, `${part}-labels-idx1-ubyte`), badLabels);
          }
          try {
            const { train } = await mnist.load({ dir, rng: Rng.fromSeed(0), options: { train: 60_000 } });
            expect(train.pixels.length).toBe(train.count * train.height * train.width);
            expect(train.labels.length).toBe(train.count);
            expect(train.labels.every((y) => y >= 0 && y <= 9)).toBe(true);
          } catch (error) {
            expect(error).toBeInstanceOf(DataError);
          }
        },
      ),
      { numRuns: 100 },
    );
  });
});

describe("parseCifarRecords on any bytes", () => {
  it("returns what a slow reading of the records gives, or throws DataError, at twice the file's size in memory", () => {
    const layout = { labelBytes: 1, labelByte: 0, numClasses: 10 };
    const fileOf = fc
      .tuple(fc.array(fc.nat(11), { minLength: 0, maxLength: 4 }), fc.nat(255), fc.constantFrom(0, 0, 0, 1, 3072))
      .map(([labels, fill, cut]) => {
        const whole = Buffer.concat(
          labels.map((label, i) => Buffer.concat([Buffer.of(label), Buffer.alloc(3072, fill + i)])),
        );
        return { labels, content: new Uint8Array(whole.subarray(0, Math.max(0, whole.length - cut))) };
      });
    fc.assert(
      fc.property(fc.array(fileOf, { minLength: 1, maxLength: 3 }), (list) => {
        const files = list.map(({ content }) => ({ file: "data_batch.bin", content }));
        const sound = list.every(
          ({ labels, content }) =>
            content.length > 0 && content.length === labels.length * 3073 && labels.every((label) => label < 10),
        );
        if (!sound) {
          expect(() => parseCifarRecords(files, layout)).toThrow(DataError);
          return;
        }
        const { labels, pixels } = parseCifarRecords(files, layout);
        expect([...labels]).toEqual(list.flatMap((entry) => entry.labels));
        const slow = list.flatMap(({ labels: own, content }) => own.map((_, i) => content[i * 3073 + 1]));
        expect(slow).toEqual(slow.map((_, n) => pixels[n * 3072]));
        expect(pixels.length).toBe(slow.length * 3072);
      }),
      { numRuns: 200 },
    );
  });

  it("a file of the wrong size is not even read", async () => {
    const file = join(temporaryFolder(), "data_batch_1.bin");
    writeFileSync(file, "");
    truncateSync(file, 3 * 1024 ** 3); // holes: 3 GB that take no disk
    const before = process.memoryUsage().arrayBuffers;
    await expect(readDataFile(file, cifar10.official!, 30_730_000)).rejects.toThrow(DataError);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(mb);
    // Where the size is not known beforehand, what Node cannot read in one piece is still a DataError.
    await expect(readDataFile(file, svhn.official!)).rejects.toThrow(DataError);
  });
});

describe("label files of any bytes", () => {
  const data = { classes: ["cat", "dog"], train: { count: 50, labels: new Int32Array(50) } as never };
  const parse = (bytes: Uint8Array) => parseLabelFile(Buffer.from(bytes).toString("utf8"), data, "labels.csv");

  it("are read or refused with DataError, and never printed raw", () => {
    const lines = Array.from({ length: 40 }, (_, i) => `${i} ${i % 2 ? "cat" : "dog"}`).join("\n");
    const csv = `file,label\n${Array.from({ length: 40 }, (_, i) => `"${i}","${i % 2 ? "cat" : "dog"}"`).join("\r\n")}`;
    for (const good of [lines, csv]) {
      fc.assert(
        fc.property(damaged(new Uint8Array(Buffer.from(good))), (bad) => {
          try {
            const { index, y } = parse(bad);
            expect(index.length).toBe(y.length);
            expect(index.every((i, k) => i >= 0 && i < 50 && (k === 0 || i > index[k - 1]!))).toBe(true);
            expect(y.every((label) => label === 0 || label === 1)).toBe(true);
          } catch (error) {
            expect(error).toBeInstanceOf(DataError);
            expect((error as Error).message).not.toMatch(/\p{Cc}/u);
            expect((error as Error).message.length).toBeLessThan(1000);
          }
        }),
        { numRuns: 300 },
      );
    }
  });

  it.each([
    ["a name", `${"n".repeat(5 * mb)} cat`],
    ["a class", `0 ${"c".repeat(5 * mb)}`],
    ["a header", `file,${"l".repeat(5 * mb)}\n0,cat`],
    ["a header of quotes", `file,${'"'.repeat(5 * mb)}x\n0,cat`],
    ["a field of quotes", `file,label\n0,x${'"'.repeat(5 * mb)}`],
    ["a word", "w".repeat(5 * mb)],
  ])("%s of five million letters costs a short message and little time", (_, text) => {
    const many = { ...data, classes: Array.from({ length: 200 }, (_, k) => `class number ${k}`) };
    const start = performance.now();
    expectBounded(() => parseLabelFile(text, many, "labels.csv"), "labels.csv", 100 * mb);
    expect(performance.now() - start).toBeLessThan(5000);
  });

  it("that are missing, folders or far too large are refused before they are read", () => {
    const folder = temporaryFolder();
    const large = join(folder, "labels.csv");
    writeFileSync(large, "");
    truncateSync(large, 3 * 1024 ** 3);
    expect(() => readLabelText(large)).toThrow(/a labels file has at most 500,000,000 bytes, found 3,221,225,472/);
    expect(() => readLabelText(folder)).toThrow(/is not a file; expected a labels file/);
    expect(() => readLabelText(join(folder, "none.csv"))).toThrow(/there is no such labels file/);
    writeFileSync(large, "0 cat");
    expect(readLabelText(large).text).toBe("0 cat");
  });
});
