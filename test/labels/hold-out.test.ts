/** Who is held out for testing: the same rule for folders and shards. */
import { describe, expect, it } from "vitest";
import { DataError } from "../../src/errors.js";
import type { Known } from "../../src/labels/by-content.js";
import { checkClasses, fingerprintOf, holdOut } from "../../src/labels/hold-out.js";
import { Rng } from "../../src/rng.js";

const classes = ["cat", "dog"];
const picture = (hash: string, label: number, part: Known["part"] = label < 0 ? "unlabeled" : "train"): Known => ({
  name: `${hash}.png`,
  hash,
  part,
  label,
});
const many = (count: number, label: number, from = 0) =>
  Array.from({ length: count }, (_, i) => picture(`h${from + i}`, label));

describe("holdOut", () => {
  it("takes round(share x n) of the different pictures of each class, one at least", () => {
    const kept = holdOut("folder", [...many(10, 0), ...many(3, 1, 50)], classes, 0.2, Rng.fromSeed(0));
    const tested = (label: number) => kept.filter((own) => own.part === "test" && own.label === label).length;
    expect([tested(0), tested(1), kept.length]).toEqual([2, 1, 13]);
  });

  it("keeps copies together, and drops unlabeled copies of test pictures", () => {
    const pictures = [...many(2, 0), ...many(2, 0), ...many(2, 1, 10), picture("h0", -1), picture("h1", -1)];
    const kept = holdOut("folder", pictures, classes, 0.5, Rng.fromSeed(0));
    expect(kept.filter(({ part, label }) => part === "test" && label === 0)).toHaveLength(2);
    expect(kept.filter(({ part }) => part === "unlabeled")).toHaveLength(1);
  });

  it.each(["folder", "shards"])(
    "a class with one picture is refused by %s, never left without a test picture",
    (who) => {
      const one = () => holdOut(who, [...many(5, 0), ...many(1, 1, 50)], classes, 0.2, Rng.fromSeed(0));
      expect(one).toThrow(DataError);
      expect(one).toThrow(`${who}: classes with too few readable pictures: "dog" (1)`);
    },
  );
});

describe("checkClasses", () => {
  it("refuses a class without a picture to train on, and a set without one to test with", () => {
    const test = picture("t", 0, "test");
    expect(() => checkClasses("shards", [picture("a", 0), test], classes)).toThrow(/shards: .*left of class "dog"/);
    const untested = () => checkClasses("folder", [picture("a", 0), picture("b", 1)], classes);
    expect(untested).toThrow(DataError);
    expect(untested).toThrow(/no readable picture with a label is there to test with/);
    checkClasses("folder", [picture("a", 0), picture("b", 1), test], classes);
  });
});

it("the fingerprint tells other contents, labels, parts and circumstances apart", () => {
  const pictures = [picture("a", 0), picture("b", 1), picture("c", 1, "test")];
  const own = fingerprintOf(["x"], pictures);
  expect(fingerprintOf(["x"], pictures)).toBe(own);
  for (const other of [
    fingerprintOf(["y"], pictures),
    fingerprintOf(["x"], [picture("a", 1), ...pictures.slice(1)]),
    fingerprintOf(["x"], [...pictures.slice(0, 2), picture("c", 1)]),
    fingerprintOf(["x"], pictures.toReversed()),
  ]) {
    expect(other).not.toBe(own);
  }
});
