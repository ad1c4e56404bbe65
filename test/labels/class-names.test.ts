/** Which class a text means: names before numbers, and a number only where it can be nothing else. */
import { describe, expect, it } from "vitest";
import { DataError } from "../../src/errors.js";
import { byNumberOrName, classReader, isNoLabel } from "../../src/labels/class-names.js";

const numbered = (from: number, count: number, prefix = "") =>
  Array.from({ length: count }, (_, i) => `${prefix}${from + i}`);
const read = (label: string, classes: readonly string[]) => classReader(classes)(label, "l.csv:3");

it("numbers in names are ordered by value, everywhere else code units count", () => {
  expect(["c10", "c2", "c1", "10", "9", "Zebra", "ape", "01"].sort(byNumberOrName)).toEqual(
    ["01", "9", "10", "Zebra", "ape", "c1", "c2", "c10"], // prettier-ignore
  );
  expect(["a2b10", "a2b9", "a10b1"].sort(byNumberOrName)).toEqual(["a2b9", "a2b10", "a10b1"]);
});

describe("classReader", () => {
  it.each<[string, readonly string[], number]>([
    ["dog", ["cat", "dog"], 1],
    ["1", ["cat", "dog"], 1],
    ["caf\u0065\u0301", ["bar", "caf\u00e9"], 1],
    ["caf\u00e9", ["bar", "caf\u0065\u0301"], 1],
    ["cat", ["cat ", "dog"], 0],
    ["7", numbered(1, 10), 6],
    ["7", numbered(0, 10), 7],
    ["7", ["06", "07", "08"], 1],
    ["007", ["6", "7"], 1],
    ["2", numbered(0, 5, "c"), 2],
    ["2", ["n01440764", "n01443537", "n01484850"], 2],
  ])("%s among %j is class %i", (label, classes, k) => {
    expect(read(label, classes)).toBe(k);
  });

  it.each<[string, readonly string[], RegExp]>([
    [
      "0",
      numbered(1, 10),
      /l\.csv:3: the label 0 may be a name or a place .*none of them has that number, and counted from 0 it is "1"/,
    ],
    ["11", numbered(1, 10), /none of them has that number\. Write the names/],
    ["0", ["cat", "dog", "1"], /may be a name or a place/],
    ["3", numbered(1, 5, "c"), /"c3" has that number, and counted from 0 it is "c4"/],
    ["dgo", ["cat", "dog"], /unknown class "dgo"\. Did you mean "dog"\?/],
    ["5", ["cat", "dog"], /unknown class "5"\. Classes: cat, dog/],
  ])("refuses %s among %j", (label, classes, message) => {
    expect(() => read(label, classes)).toThrow(DataError);
    expect(() => read(label, classes)).toThrow(message);
  });
});

it("knows what tables write where there is no label", () => {
  expect(["", " ", "nan", "NaN", "null", "-1", "-1.0"].every(isNoLabel)).toBe(true);
  expect(["none", "0", "-2", "nano", "N/A"].some(isNoLabel)).toBe(false);
});
