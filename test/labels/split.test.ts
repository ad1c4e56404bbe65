import { describe, expect, it } from "vitest";
import { UsageError } from "../../src/errors.js";
import type { ImageSet } from "../../src/images/image-set.js";
import { type SplitOptions, splitData } from "../../src/labels/split.js";
import { Rng } from "../../src/rng.js";

const labels = Int32Array.from({ length: 100 }, (_, i) => (i >= 90 ? -1 : i % 2));
const data = { classes: ["a", "b"], train: { count: 100, labels } as ImageSet };
interface Given extends Partial<SplitOptions> {
  readonly labels?: Parameters<typeof splitData>[2];
  readonly keepLabels?: boolean;
}
const plain = { labelDraw: "balanced", imbalance: 1, unlabeledImbalance: 1, unlabeled: "all" } as const;
const split = ({ labels: given = 10, keepLabels, ...options }: Given, seed = 7) =>
  splitData(
    { ...data, ...(keepLabels ? { keepLabels } : {}) },
    { ...plain, val: 20, ...options },
    given,
    Rng.fromSeed(seed),
  );
const overlap = (a: Int32Array, b: Int32Array) => [...a].filter((i) => b.includes(i)).length;

describe("splitData", () => {
  it("keeps the validation part out of training altogether", () => {
    const { labeled, unlabeled, validation, y } = split({});
    expect([labeled.length, unlabeled.length, validation.length]).toEqual([10, 80, 20]);
    expect([overlap(labeled, validation), overlap(unlabeled, validation)]).toEqual([0, 0]);
    expect(validation.every((i) => labels[i]! >= 0 && y[i] === -1)).toBe(true);
  });

  it("shows training the labels of the labeled images and no others", () => {
    const { labeled, y } = split({});
    for (let i = 0; i < 100; i++) expect(y[i]).toBe(labeled.includes(i) ? labels[i] : -1);
  });

  it("keeps the labels that a file does not name only where asked, and none of the validation part", () => {
    const labelsOfFile = { index: Int32Array.of(0, 95), y: Int32Array.of(1, 0) }; // 0 is truly of class 0, 95 has no label
    const alone = split({ labels: labelsOfFile });
    expect([[...alone.labeled], alone.y[0], alone.y[95]]).toEqual([[0, 95], 1, 0]);
    const { labeled, validation, y } = split({ labels: labelsOfFile, keepLabels: true });
    expect([labeled.length, overlap(labeled, validation), y[0], y[95]]).toEqual([90 - 20 + 1, 0, 1, 0]);
    for (const i of labeled) if (i !== 0 && i !== 95) expect(y[i]).toBe(labels[i]);
    expect(validation.every((i) => y[i] === -1)).toBe(true);
  });

  it("leaves labeled images in the unlabeled stream, or takes them out", () => {
    expect(overlap(split({}).labeled, split({}).unlabeled)).toBe(10);
    const rest = split({ unlabeled: "rest" });
    expect([rest.unlabeled.length, overlap(rest.labeled, rest.unlabeled)]).toEqual([70, 0]);
  });

  it("holds out the same images for every label budget of a seed", () => {
    expect(split({ labels: 40 }).validation).toEqual(split({ labels: "all" }).validation);
    expect(split({}, 8).validation).not.toEqual(split({}, 7).validation);
  });

  it("labels everything that is left if asked to", () => {
    const { labeled } = split({ labels: "all" });
    expect(labeled.length).toBe(70);
  });

  it("takes the labels of a file as they are and validates on other images", () => {
    const given = { index: Int32Array.of(0, 1, 95), y: Int32Array.of(1, 1, 0) };
    const { labeled, validation, y } = split({ labels: given, val: 88 });
    expect([...labeled]).toEqual([0, 1, 95]);
    expect([y[0], y[1], y[95], y[2]]).toEqual([1, 1, 0, -1]);
    expect([validation.length, overlap(labeled, validation)]).toEqual([88, 0]);
  });

  it("refuses a validation part larger than what has labels", () => {
    expect(() => split({ val: 91 })).toThrow(UsageError);
    expect(() => split({ val: -1 })).toThrow(/expected 0\.\.90/);
  });

  describe("of copies", () => {
    // Each content three times; the last of them has no label.
    const truth = Int32Array.from({ length: 90 }, (_, i) => (i >= 60 ? -1 : i % 2));
    const contents = Array.from(truth, (_, i) => `c${i % 30}`);
    const copied = { classes: ["a", "b"], train: { count: 90, labels: truth } as ImageSet, contents };
    const of = (rows: Int32Array) => new Set([...rows].map((i) => contents[i]));
    const options = { ...plain, val: 10 };

    it("never validates what trains, nor one picture twice", () => {
      for (const labels of ["all", 10] as const) {
        const { labeled, unlabeled, validation, copies } = splitData(copied, options, labels, Rng.fromSeed(3));
        expect([validation.length, of(validation).size, copies]).toEqual([10, 10, 20]);
        const trained = of(Int32Array.from([...labeled, ...unlabeled]));
        expect([...of(validation)].filter((content) => trained.has(content))).toEqual([]);
        expect(unlabeled.length).toBe(60);
      }
    });

    it("validates on no copy of what a labels file names", () => {
      const given = { index: Int32Array.from({ length: 20 }, (_, i) => i), y: new Int32Array(20) };
      const { labeled, validation } = splitData(copied, options, given, Rng.fromSeed(3));
      expect(labeled).toEqual(given.index);
      expect([...of(validation)].sort()).toEqual(contents.slice(20, 30).sort());
      expect(() => splitData(copied, { ...plain, val: 11 }, given, Rng.fromSeed(3))).toThrow(/expected 0\.\.10 images/);
    });

    it("splits as without contents where there are none", () => {
      const different = Array.from(labels, (_, i) => `c${i}`);
      const all = { ...plain, val: 20 };
      const plainly = splitData(data, all, 10, Rng.fromSeed(7));
      expect(splitData({ ...data, contents: different }, all, 10, Rng.fromSeed(7))).toEqual(plainly);
    });
  });

  it("draws long-tailed labels and unlabeled images, each by its own ratio", () => {
    const byClass = (rows: Int32Array) => [0, 1].map((k) => rows.filter((i) => labels[i] === k).length);
    const known = { ...data, train: { count: 90, labels: labels.slice(0, 90) } as ImageSet };
    const tailed = ({ labels: given = 12, ...options }: Given) =>
      splitData(known, { ...plain, val: 0, ...options }, given, Rng.fromSeed(7));
    const one = tailed({ imbalance: 5, unlabeledImbalance: 3 });
    expect([byClass(one.labeled), byClass(one.unlabeled)]).toEqual([
      [10, 2],
      [45, 15],
    ]);
    for (let i = 0; i < 90; i++) expect(one.y[i]).toBe(one.labeled.includes(i) ? labels[i] : -1);
    // 35 of class 0 are left beside the 10 labels, and 43 of class 1.
    const rest = tailed({ imbalance: 5, unlabeledImbalance: 3, unlabeled: "rest" });
    expect([byClass(rest.unlabeled), overlap(rest.labeled, rest.unlabeled)]).toEqual([[35, 11], 0]);
    expect(byClass(tailed({ labels: "all", imbalance: 9 }).labeled)).toEqual([45, 5]);
    // The tail of the stream leaves the labels as they are without it.
    expect(tailed({ unlabeledImbalance: 3 }).labeled).toEqual(tailed({}).labeled);
    expect(tailed({ unlabeledImbalance: 0.5 }).unlabeled.length).toBe(22 + 45);
    expect(() => tailed({ unlabeledImbalance: 1000 })).toThrow(/^unlabeledImbalance 1000: .* Use a smaller ratio$/);
  });

  it("refuses a tail where a file gives the labels, another draw was asked for, or true classes are unknown", () => {
    expect(() => split({ imbalance: 2, labels: { index: Int32Array.of(0), y: Int32Array.of(0) } })).toThrow(UsageError);
    expect(() => split({ imbalance: 2, labelDraw: "random" })).toThrow(/labelDraw is random/);
    expect(() => split({ unlabeledImbalance: 2 })).toThrow(/10 unlabeled images have none/);
  });
});
