/** Known sets as other programs pack them: CIFAR's Python version, MNIST as torchvision lays it, EMNIST, SVHN saved as version 7.3. */
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { parseCifarBatches } from "../../src/data/cifar-batches.js";
import { cifar10 } from "../../src/data/cifar10.js";
import { cifar100 } from "../../src/data/cifar100.js";
import { mnist } from "../../src/data/mnist.js";
import { parseSvhn } from "../../src/data/svhn.js";
import { DataError } from "../../src/errors.js";
import { Rng } from "../../src/rng.js";
import { idx } from "../files/bytes.js";
import { folderOfThisFile } from "../support/train-run.js";

const root = folderOfThisFile();
const rng = Rng.fromSeed(0);
let made = 0;
function folderWith(files: Readonly<Record<string, Uint8Array>>): string {
  const dir = join(root, String(made++));
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(dir, name)), { recursive: true });
    writeFileSync(join(dir, name), content);
  }
  return dir;
}

const raw = (text: string) => Buffer.from(text, "latin1");
const short = (text: string) => Buffer.concat([raw("U"), Buffer.of(text.length), raw(text)]);

/** A batch as Python 2 wrote the official files: protocol 2, 8-bit strings, an array of NumPy. Image i is full of its label plus `fill`. */
function batch(
  labels: readonly number[],
  fill: number,
  keys: readonly string[] = ["labels"],
  width = 3072,
): Uint8Array {
  const pixels = Buffer.concat(labels.map((label) => Buffer.alloc(width, label + fill)));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(pixels.length);
  const shape = Buffer.concat([
    raw("M"),
    Buffer.of(labels.length & 255, labels.length >> 8),
    raw("M"),
    Buffer.of(width & 255, width >> 8),
    raw("\x86"),
  ]);
  const list = Buffer.concat([raw("]("), ...labels.map((label) => Buffer.from([0x4b, label])), raw("e")]);
  return Buffer.concat([
    raw("\x80\x02}("),
    short("batch_label"),
    short("training batch 1 of 5"),
    ...keys.flatMap((key) => [short(key), list]),
    short("data"),
    raw("cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01"),
    shape,
    raw("cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T"),
    length,
    pixels,
    raw("tbu."),
  ]);
}

describe("CIFAR's Python version", () => {
  const files = (prefix = "") =>
    Object.fromEntries([
      ...[1, 2, 3, 4, 5].map((n) => [`${prefix}data_batch_${n}`, batch([n, 0], 10 * n)] as const),
      [`${prefix}test_batch`, batch([9], 200)] as const,
    ]);

  it.each(["", "cifar-10-batches-py/"])(
    "is read from %j, images in the order of the binary version",
    async (prefix) => {
      const { train, test, nameOf } = await cifar10.load({
        dir: folderWith(files(prefix)),
        rng,
        options: { train: 50_000 },
      });
      expect([...train.labels]).toEqual([1, 0, 2, 0, 3, 0, 4, 0, 5, 0]);
      expect(train.pixels[3072 * 4]).toBe(33);
      expect([...test.labels, test.pixels[3071]]).toEqual([9, 209]);
      expect(nameOf!(2)).toBe("2_bird.png");
    },
  );

  it("has fine and coarse labels for CIFAR-100", async () => {
    const dir = folderWith({
      "cifar-100-python/train": batch([3, 7], 1, ["fine_labels", "coarse_labels"]),
      "cifar-100-python/test": batch([5], 1, ["fine_labels", "coarse_labels"]),
    });
    for (const labels of ["fine", "coarse"] as const) {
      const { train, test } = await cifar100.load({ dir, rng, options: { labels } });
      expect([[...train.labels], [...test.labels]]).toEqual([[3, 7], [5]]);
    }
  });

  it.each<[string, Uint8Array, RegExp]>([
    ["cut short", batch([1], 0).subarray(0, 2000), /batch: /],
    ["another file", raw("\x80\x02}."), /expected a dict with "data" and "labels", found no dict/],
    ["a label beyond the classes", batch([10], 0), /image 0 has label 10, expected 0\.\.9/],
    ["pictures of another size", batch([1], 0, ["labels"], 300), /expected bytes \[N, 3072\].*\[1, 300\]/],
    ["a program", raw("cos\nsystem\nU\x02ls\x85R."), /os\.system/],
  ])("%s is a DataError that names the file", (_, content, message) => {
    const read = () => parseCifarBatches([{ content, file: "batch" }], { labels: "labels", numClasses: 10 });
    expect(read).toThrow(DataError);
    expect(read).toThrow(message);
  });
});

const images = (count: number, [height, width] = [4, 3]) =>
  idx(
    [count, height!, width!],
    Uint8Array.from({ length: count * height! * width! }, (_, i) => i % 256),
  );
const labels = (...values: number[]) => idx([values.length], Uint8Array.from(values));
const pairs = (
  name: (part: string, kind: string) => string,
  train: readonly number[],
  test: readonly number[],
  testPart = "t10k",
) => ({
  [name("train", "images-idx3-ubyte")]: images(train.length),
  [name("train", "labels-idx1-ubyte")]: labels(...train),
  [name(testPart, "images-idx3-ubyte")]: images(test.length),
  [name(testPart, "labels-idx1-ubyte")]: labels(...test),
});
const options = { train: 60_000 };

describe("MNIST", () => {
  it.each<[string, (part: string, kind: string) => string]>([
    ["torchvision's MNIST/raw", (part, kind) => `MNIST/raw/${part}-${kind}`],
    ["folders of the official names", (part, kind) => `${part}-${kind}/${part}-${kind}`],
    [
      "folders named .idx",
      (part, kind) => `${part}-${kind.replace("-idx", ".idx")}/${part}-${kind.replace("-idx", ".idx")}`,
    ],
  ])("is read from %s", async (_, name) => {
    const { train, test } = await mnist.load({ dir: folderWith(pairs(name, [1, 2], [3])), rng, options });
    expect([[...train.labels], [...test.labels]]).toEqual([[1, 2], [3]]);
  });

  it("EMNIST has its own names, 26 or 47 classes, and its pictures are turned upright", async () => {
    const letters = pairs((part, kind) => `emnist-letters-${part}-${kind}.gz`, [1, 26], [2], "test");
    const packed = Object.fromEntries(Object.entries(letters).map(([name, content]) => [name, gzipSync(content)]));
    const { classes, train, test, remarks } = await mnist.load({ dir: folderWith(packed), rng, options });
    expect([classes.length, classes[0], classes[25]]).toEqual([26, "A", "Z"]);
    expect([[...train.labels], [...test.labels]]).toEqual([[0, 25], [1]]);
    expect(remarks!.join()).toMatch(/EMNIST's files .*26 classes/);
    expect([train.height, train.width]).toEqual([3, 4]);
    expect([...train.pixels.subarray(0, 12)]).toEqual([0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11]);
    const balanced = pairs((part, kind) => `raw/emnist-balanced-${part}-${kind}`, [0, 46], [36], "test");
    const other = await mnist.load({ dir: folderWith(balanced), rng, options });
    expect([other.classes.length, other.classes[other.test.labels[0]!]]).toEqual([47, "a"]);
    await expect(
      mnist.load({ dir: folderWith({ ...letters, "emnist-digits-train-images-idx3-ubyte": images(1) }), rng, options }),
    ).rejects.toThrow(/EMNIST's divisions digits, letters; put the four files of one/);
  });
});

it("SVHN saved again as version 7.3 is named for what it is", () => {
  const file = Buffer.alloc(1024);
  file.write("MATLAB 7.3 MAT-file, Platform: GLNXA64, Created on: Mon Jan  1 2024 HDF5 schema 1.00 .");
  file.write("\x00\x02IM", 124, "latin1");
  file.write("\x89HDF\r\n\x1a\n", 512, "latin1");
  expect(() => parseSvhn(file, "train_32x32.mat")).toThrow(DataError);
  expect(() => parseSvhn(file, "train_32x32.mat")).toThrow(
    /train_32x32\.mat: this MAT-file is of version 7\.3 \(HDF5\).*save -v7/,
  );
});

it("a named pipe in the place of a file is not waited for", async () => {
  const dir = folderWith(pairs((part, kind) => `${part}-${kind}`, [1, 2], [3]));
  execFileSync("mkfifo", [join(dir, "x")]);
  execFileSync("mv", [join(dir, "x"), join(dir, "t10k-labels-idx1-ubyte")]);
  await expect(mnist.load({ dir, rng, options })).rejects.toThrow(DataError);
});
