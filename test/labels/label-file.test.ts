import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cifar10 } from "../../src/data/cifar10.js";
import { DataError } from "../../src/errors.js";
import type { ImageSet } from "../../src/images/image-set.js";
import { parseLabelFile } from "../../src/labels/label-file.js";
import { Rng } from "../../src/rng.js";
import { cifar10Dir, cifar10LabelsDir, describeData } from "../support/real-data.js";

const train = { count: 4, labels: Int32Array.of(0, 1, 0, 1) } as ImageSet;
const data = { classes: ["cat", "dog"], train, nameOf: (i: number) => `picture ${i}, the "best".png` };
const plain = { classes: ["cat", "dog"], train };
const read = (text: string, set: typeof data | typeof plain = plain) => {
  const { index, y } = parseLabelFile(text, set, "labels.txt");
  return Array.from(index, (i, k) => [i, y[k]]);
};

describe("parseLabelFile", () => {
  it("reads lines of name and label, in any order, with any line ending", () => {
    expect(read("3 dog\r\n0 cat\n\n 2\tdog \r")).toEqual([
      [0, 0],
      [2, 1],
      [3, 1],
    ]);
  });

  it("reads CSV with a header, quotes, line breaks of Windows and other columns", () => {
    const csv = '\uFEFFFile,confidence,LABEL\r\n"picture 2, the ""best"".png",0.5,dog\r\n\r\n1,0.9,"cat"\r\n';
    expect(read(csv, data)).toEqual([
      [1, 0],
      [2, 1],
    ]);
  });

  it("takes names with blanks and class numbers", () => {
    expect(
      read(
        'picture 3, the "best".png,1'
          .replace(/^/, "file,label\n")
          .replace("picture", '"picture')
          .replace('the "best".png', 'the ""best"".png"'),
        data,
      ),
    ).toEqual([[3, 1]]);
    expect(read("0 1\n1 0")).toEqual([
      [0, 1],
      [1, 0],
    ]);
  });

  it("takes a quote for one only where it opens a field, and counts lines within quotes", () => {
    const odd = (i: number) => ['"a"b', 'a"b', "c,\n d", ""][i]!;
    const csv = 'file,label\n"""a""b",cat\na"b,dog\n  "c,\n d",cat\n';
    expect(read(csv, { ...plain, nameOf: odd } as typeof data)).toEqual([
      [0, 0],
      [1, 1],
      [2, 0],
    ]);
    expect(() => read('file,label\n"1\n\n2",cat\n9,cat')).toThrow(
      /labels\.txt:2: no training image is called "1\?\?2"/,
    );
    expect(() => read('file,label\n0,"c\nat"\n')).toThrow(/labels\.txt:2: unknown class/);
    expect(() => read('file,label\n"0",cat\n\n9,cat')).toThrow(/labels\.txt:4: no training image/);
  });

  it("accepts the same label twice", () => {
    expect(read("0 cat\n0 cat")).toEqual([[0, 0]]);
  });

  it.each([
    ["0 cat\n9 dog", /labels\.txt:2: no training image is called "9"/],
    ["0 cat\n\n1 dgo", /labels\.txt:3: unknown class "dgo"\. Did you mean "dog"\?/],
    ["0 cat\n0 dog", /labels\.txt:2: image "0" is labeled "dog" here and "cat" on line 1/],
    ["cat", /labels\.txt:1: expected "name label", found "cat"/],
    ["image,class\n0,cat", /labels\.txt:1: expected a header with "file" and "label".*, found "image,class".*rename/i],
    ["file,label\n0,cat,x", /labels\.txt:2: expected 2 fields as in the header, found 3/],
    ['file,label\n0,"cat', /labels\.txt:2: a quote that opens here is never closed/],
    ['file,label\n"0\n1",cat', /labels\.txt:2: no training image/],
    ["", /holds no labels/],
    ["file,label\n", /holds no labels/],
  ])("says what is wrong and on which line: %j", (text, message) => {
    expect(() => read(text)).toThrow(DataError);
    expect(() => read(text)).toThrow(message);
  });

  it("throws only DataError on any text", () => {
    const piece = fc.constantFrom(
      '"',
      ",",
      "\n",
      "\r",
      " ",
      "0",
      "1",
      "cat",
      "dog",
      "file",
      "label",
      "-1",
      "1e9",
      "\t",
    );
    const text = fc.oneof(
      fc.string(),
      fc.array(piece, { maxLength: 30 }).map((p) => p.join("")),
    );
    const withHeader = fc.tuple(fc.constantFrom("", "file,label\n"), text).map(([a, b]) => a + b);
    fc.assert(
      fc.property(withHeader, (content) => {
        try {
          for (const [i, y] of read(content)) expect([i! >= 0 && i! < 4, y! >= 0 && y! < 2]).toEqual([true, true]);
        } catch (error) {
          expect(error).toBeInstanceOf(DataError);
        }
      }),
      { numRuns: 1000 },
    );
  });
});

describeData(join(cifar10LabelsDir, "1000_balanced_labels/00.txt"))("the published label lists", () => {
  it("name images whose true class is the one they give", async () => {
    const set = await cifar10.load({ dir: cifar10Dir, rng: Rng.fromSeed(0), options: { train: 50_000 } });
    for (const [folder, each] of [
      ["1000_balanced_labels", 100],
      ["4000_balanced_labels", 400],
    ] as const) {
      const file = join(cifar10LabelsDir, folder, "03.txt");
      const { index, y } = parseLabelFile(readFileSync(file, "utf8"), set, file);
      expect(index.length).toBe(each * 10);
      expect(index.every((i, k) => set.train.labels[i] === y[k])).toBe(true);
      for (let k = 0; k < 10; k++) expect(y.filter((label) => label === k).length).toBe(each);
    }
  });
});
