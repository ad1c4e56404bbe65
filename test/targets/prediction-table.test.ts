/** Tables of predictions: what is written comes back, and nothing else is believed. */
import {
  closeSync,
  existsSync,
  ftruncateSync,
  openSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { DataError, DiskError } from "../../src/errors.js";
import { besidePath } from "../../src/files/write-whole.js";
import { Rng } from "../../src/rng.js";
import { PredictionTable, PredictionWriter, type TableInfo, writePredictionTable } from "../../src/targets/index.js";
import { scope } from "../../src/torch/index.js";
import { describeEngine } from "../support/engine.js";
import { tinyInfo, tinyProbs } from "../support/tiny-table.js";
import { folderOfThisFile } from "../support/train-run.js";

const folder = folderOfThisFile();

const [N, K] = [23, 5];
const probs = tinyProbs(N, K);
const expected = { rows: N, numClasses: K, dataFingerprint: "tiny" };
/** All rows in chunks of at most `size` rows. */
const chunksOf = (size: number) =>
  Array.from({ length: Math.ceil(N / size) }, (_, i) =>
    Float32Array.from(probs.slice(i * size, (i + 1) * size).flat()),
  );
let made = 0;
function write(more: Partial<TableInfo> = {}): string {
  const path = join(folder, `table-${made++}`);
  writePredictionTable(path, tinyInfo(N, K, more), chunksOf(10));
  return path;
}
const rowsOf = (path: string, index: readonly number[]) => {
  const flat = scope(() => PredictionTable.open(path, expected).read(index).toNumbers());
  return index.map((_, i) => flat.slice(i * K, (i + 1) * K));
};
/** The file with its JSON header changed, the length of it adjusted. */
function withHeader(path: string, change: (text: string) => string): string {
  const bytes = readFileSync(path);
  const length = Number(bytes.readBigUInt64LE(0));
  const text = Buffer.from(change(bytes.subarray(8, 8 + length).toString("utf8")));
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(text.length), 0);
  writeFileSync(path, Buffer.concat([prefix, text, bytes.subarray(8 + length)]));
  return path;
}

describeEngine("prediction table", () => {
  test("rows that come over time: a place that cannot be written is a matter of the disk, not of the data", () => {
    const path = join(folder, "none", "table");
    expect(() => new PredictionWriter(path, tinyInfo(N, K))).toThrow(DiskError);
    expect(() => new PredictionWriter(path, tinyInfo(N, K))).toThrow(/^cannot write .*There is no such folder$/);
  });

  test("float32 rows come back bit for bit, in any order, repeated or none", () => {
    const path = write();
    const index = [22, 0, 7, 7, 13];
    expect(rowsOf(path, index)).toEqual(index.map((i) => probs[i]!.map(Math.fround)));
    scope(() => expect(PredictionTable.open(path, expected).read([]).shape).toEqual([0, K]));
  });

  test("float16 rows come back within half a unit of their 11th bit, in half the space", () => {
    const [half, full] = [write({ dtype: "float16" }), write()];
    rowsOf(half, [3, 20]).forEach((row, i) => {
      row.forEach((p, k) => {
        const exact = probs[[3, 20][i]!]![k]!;
        expect(Math.abs(p - exact)).toBeLessThanOrEqual(2 ** -11 * exact);
      });
    });
    expect(statSync(full).size - statSync(half).size).toBeGreaterThan(N * K * 2 - 16);
  });

  test("is a safetensors file, with what it is about in its metadata", () => {
    const bytes = readFileSync(write({ dtype: "float16" }));
    const header = JSON.parse(bytes.subarray(8, 8 + Number(bytes.readBigUInt64LE(0))).toString("utf8"));
    expect(header.predictions).toEqual({ dtype: "F16", shape: [N, K], data_offsets: [0, N * K * 2] });
    expect(header.__metadata__).toMatchObject({ dataFingerprint: "tiny", source: "test" });
    expect(Number(bytes.readBigUInt64LE(0)) % 8).toBe(0);
  });

  test("appears whole or not at all", () => {
    const path = join(folder, "incomplete");
    expect(() => writePredictionTable(path, tinyInfo(N, K), chunksOf(10).slice(0, 1))).toThrow(
      /expected 23 rows .* got 10 rows/,
    );
    function* broken() {
      yield chunksOf(10)[0]!;
      throw new Error("the model failed");
    }
    expect(() => writePredictionTable(path, tinyInfo(N, K), broken())).toThrow("the model failed");
    expect([path, besidePath(path)].map((name) => existsSync(name))).toEqual([false, false]);
    const nowhere = join(folder, "no", "such", "folder");
    expect(() => writePredictionTable(nowhere, tinyInfo(N, K), chunksOf(N))).toThrow(DiskError);
  });

  test.each<[string, (path: string) => unknown, RegExp]>([
    ["cut short in its rows", (path) => truncateSync(path, statSync(path).size - 1), /cut short/],
    ["cut short in its header", (path) => truncateSync(path, 40), /cut short/],
    ["empty", (path) => truncateSync(path, 0), /cut short/],
    ["longer than it says", (path) => writeFileSync(path, "more", { flag: "a" }), /something behind its rows/],
    ["another file", (path) => writeFileSync(path, "x".repeat(1000)), /header claims/],
    [
      "with a broken header",
      (path) => withHeader(path, (text) => text.replace("{", "[")),
      /its header does not start with/,
    ],
    [
      "of another format",
      (path) => withHeader(path, (text) => text.replace("predictions 1", "predictions 9")),
      /expected the format/,
    ],
    ["with impossible rows", (path) => withHeader(path, (text) => text.replace("[23,5]", "[-1,5]")), /has the shape/],
    ["of other data", (path) => withHeader(path, (text) => text.replace('"tiny"', '"else"')), /data else.*data tiny/],
  ])("a table %s is a DataError that says so", (_, spoil, message) => {
    const path = write();
    spoil(path);
    const open = () => PredictionTable.open(path, expected);
    expect(open).toThrow(DataError);
    expect(open).toThrow(message);
    expect(open).toThrow(path);
  });

  test("a missing table, and one for other images or classes, are DataErrors", () => {
    const path = write();
    expect(() => PredictionTable.open(join(folder, "none"), expected)).toThrow(/cannot be opened/);
    for (const other of [{ rows: 24 }, { numClasses: 4 }, { dataFingerprint: "other" }]) {
      expect(() => PredictionTable.open(path, { ...expected, ...other })).toThrow(/but the run has/);
    }
  });

  test.each([
    ["NaN", Number.NaN],
    ["a negative number", -0.1],
    ["too large a sum", 0.9],
  ])("a row damaged to %s is found when it is read, the others are fine", (_, value) => {
    const path = write();
    const start = statSync(path).size - N * K * 4;
    const file = openSync(path, "r+");
    const bytes = Buffer.alloc(4);
    bytes.writeFloatLE(value);
    writeSync(file, bytes, 0, 4, start + (9 * K + 2) * 4);
    closeSync(file);
    expect(rowsOf(path, [8, 10])).toEqual([8, 10].map((i) => probs[i]!.map(Math.fround)));
    expect(() => rowsOf(path, [8, 9])).toThrow(/row 9 is not a distribution/);
  });

  test("rows out of range are refused", () => {
    const path = write();
    for (const row of [-1, N]) expect(() => rowsOf(path, [row])).toThrow(/was asked for/);
  });
});

describeEngine("a table of ImageNet's size, 1.28 million x 1,000 in float16", () => {
  test("is read batch by batch in little memory", () => {
    const [rows, k, batch] = [1_281_167, 1000, 256];
    const path = join(folder, "imagenet");
    // A sparse file: only the rows that are read are written.
    writePredictionTable(path, tinyInfo(0, k, { dtype: "float16" }), []);
    const header = readFileSync(path)
      .toString("utf8")
      .replace("[0,1000]", `[${rows},1000]`)
      .replace("[0,0]", `[0,${rows * k * 2}]`);
    const start = Buffer.byteLength(header);
    const file = openSync(path, "w");
    const text = header.slice(8);
    const prefix = Buffer.alloc(8);
    prefix.writeBigUInt64LE(BigInt(Buffer.byteLength(text)), 0);
    writeSync(file, prefix, 0, 8, 0);
    writeSync(file, text, 8);
    const begin = 8 + Buffer.byteLength(text);
    expect(begin).toBeLessThan(start + 16);
    ftruncateSync(file, begin + rows * k * 2);
    const rng = Rng.fromSeed(5);
    const index = Array.from({ length: 40 * batch }, () => rng.integer(rows));
    const row = Buffer.alloc(2 * k);
    const one = 0x3c00; // 1 in float16
    for (const i of index) {
      row.fill(0);
      row.writeUInt16LE(one, 2 * (i % k)); // certain of class i mod 1000
      writeSync(file, row, 0, row.length, begin + i * 2 * k);
    }
    closeSync(file);
    expect(statSync(path).size).toBeGreaterThan(2.56e9);

    const table = PredictionTable.open(path, { rows, numClasses: k, dataFingerprint: "tiny" });
    const before = process.memoryUsage().rss;
    let most = 0;
    for (let b = 0; b < 40; b++) {
      const some = index.slice(b * batch, (b + 1) * batch);
      const classes = scope(() => table.read(some).argmax(1).toNumbers());
      expect(classes).toEqual(some.map((i) => i % k));
      most = Math.max(most, process.memoryUsage().rss - before);
    }
    expect(most).toBeLessThan(100e6);
  });
});
