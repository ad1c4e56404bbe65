/** The recipes of methods.md 4.4, checked on what they draw: the numbers here are worked out from its table by hand. */
import { describe, expect, it } from "vitest";
import { encodeBox } from "../../src/augment/ops.js";
import { recipes } from "../../src/augment/recipes.js";
import {
  augmentRules,
  drawProgram,
  planStrong,
  type StrongName,
  type StrongOptions,
} from "../../src/augment/strong.js";
import { UsageError } from "../../src/errors.js";
import { Rng } from "../../src/rng.js";
import { IMAGE_OP_ARGUMENTS, imageOps } from "../../src/torch/index.js";

const canvas = { width: 32, height: 32 };
const ROWS = 6000;

interface Drawn {
  readonly op: number;
  readonly values: readonly number[];
}

function planOf(options: StrongOptions) {
  const plan = planStrong(options);
  if (plan.kind !== "recipe") throw new Error("no recipe");
  return plan;
}

/** For each row its operations in order, the final cutout last. */
function draw(options: StrongOptions, { rows = ROWS, step = 3, seed = 1, size = canvas } = {}): Drawn[][] {
  const plan = planOf(options);
  const { ops, values } = drawProgram(plan, Rng.fromSeed(seed), step, rows, size);
  const slots = plan.recipe.count + 1;
  return Array.from({ length: rows }, (_, row) =>
    Array.from({ length: slots }, (_, slot) => {
      const at = row * slots + slot;
      return { op: ops[at]!, values: [...values.slice(at * IMAGE_OP_ARGUMENTS, (at + 1) * IMAGE_OP_ARGUMENTS)] };
    }),
  );
}

const middle = (row: readonly Drawn[]) => row.slice(0, -1);
const share = (rows: readonly Drawn[][], test: (row: Drawn[]) => boolean) => rows.filter(test).length / rows.length;
const distinct = (numbers: readonly number[]) =>
  [...new Set(numbers.map((v) => Number(v.toFixed(9))))].sort((a, b) => a - b);
const both = (numbers: readonly number[]) => distinct(numbers.flatMap((v) => [v, -v]));

/** First arguments of every draw of an operation. */
const strengths = (rows: readonly Drawn[][], op: number) =>
  rows.flatMap((row) => middle(row).filter((one) => one.op === op)).map(({ values }) => values[0]!);

/** What the affine draws are: degrees turned, slopes, shifts. */
function geometry(rows: readonly Drawn[][]) {
  const found: Record<"rotate" | "shearX" | "shearY" | "translateX" | "translateY", number[]> = {
    rotate: [],
    shearX: [],
    shearY: [],
    translateX: [],
    translateY: [],
  };
  for (const { op, values } of rows.flatMap(middle)) {
    if (op !== imageOps.affineNearest && op !== imageOps.affineBicubic) continue;
    const [a, b, c, d, , f] = values as [number, number, number, number, number, number];
    if (a !== 1) found.rotate.push((Math.atan2(-b, a) * 180) / Math.PI);
    else if (b !== 0) found.shearX.push(b);
    else if (d !== 0) found.shearY.push(d);
    else if (c !== 0) found.translateX.push(c);
    else found.translateY.push(f);
  }
  return found;
}

const nine = [1, 2, 3, 4, 5, 6, 7, 8, 9];

describe("recipes draw what the table says", () => {
  it.each(["uda", "fixmatch"] as const)("%s: magnitudes 1 to 9, all of them and no others", (name) => {
    const rows = draw({ name });
    expect(distinct(strengths(rows, imageOps.posterize))).toEqual([1, 2, 3, 4]);
    const thresholds = [26, 52, 77, 103, 128, 154, 180, 205, 231];
    expect(distinct(strengths(rows, imageOps.solarize))).toEqual(thresholds);
    for (const op of [imageOps.color, imageOps.contrast, imageOps.brightness, imageOps.sharpness]) {
      expect(distinct(strengths(rows, op))).toEqual([0.28, 0.46, 0.64, 0.82, 1, 1.18, 1.36, 1.54, 1.72]);
    }
    const { rotate, shearX, shearY, translateX, translateY } = geometry(rows);
    expect(distinct(rotate)).toEqual(both(nine.map((m) => 3 * m)));
    for (const shears of [shearX, shearY]) expect(distinct(shears)).toEqual(both(nine.map((m) => 0.03 * m)));
    for (const shifts of [translateX, translateY]) expect(distinct(shifts)).toEqual(both(nine));
  });

  it.each([
    ["gmpl", 6, 153],
    ["kek", 2, -154],
  ] as const)("%s: magnitude 16 is %i bits and threshold %i", (name, bits, threshold) => {
    const rows = draw({ name });
    expect(distinct(strengths(rows, imageOps.posterize))).toEqual([bits]);
    expect(distinct(strengths(rows, imageOps.solarize))).toEqual([threshold]);
    for (const op of [imageOps.color, imageOps.contrast, imageOps.brightness, imageOps.sharpness]) {
      expect(distinct(strengths(rows, op))).toEqual([2.98]);
    }
    const { rotate, shearX, shearY, translateX, translateY } = geometry(rows);
    expect(distinct(rotate)).toEqual([-48, 48]);
    for (const shears of [shearX, shearY]) expect(distinct(shears)).toEqual([-0.48, 0.48]);
    for (const shifts of [translateX, translateY]) expect(distinct(shifts)).toEqual([-6.4, 6.4]);
    const wrong = name === "gmpl" ? imageOps.affineBicubic : imageOps.affineNearest;
    expect(rows.flat().some(({ op }) => op === wrong)).toBe(false);
  });

  it("kek's final box is pushed in at the left and the top, cut at the right and the bottom: 152 pixels of 32 x 32 on average", () => {
    // floor(32 u - 6), not below 0; 13 pixels from there, not beyond 32: a mean width of 13 - 21 / 32.
    const steps = 320;
    let sum = 0;
    for (let i = 0; i < steps; i++) {
      const at = (i + 0.5) / steps;
      const { values } = encodeBox({ side: 12, at: [at, at], bothCorners: true }, { width: 32, height: 32 }, "box");
      const [x0, , x1] = values as [number, number, number, number];
      expect(x0).toBeGreaterThanOrEqual(0);
      sum += Math.min(32, x1) - x0;
    }
    expect((sum / steps) ** 2).toBeCloseTo((13 - 21 / 32) ** 2, 6); // 152.4
  });

  it("usb: ranges of their own, filled to their ends", () => {
    const rows = draw({ name: "usb" }, { rows: 20_000 });
    const { rotate, shearX, shearY, translateX, translateY } = geometry(rows);
    const ranges: [readonly number[], number, number][] = [
      [strengths(rows, imageOps.solarize), 0, 256],
      [strengths(rows, imageOps.color), 0.05, 0.95],
      [strengths(rows, imageOps.contrast), 0.05, 0.95],
      [strengths(rows, imageOps.brightness), 0.05, 0.95],
      [strengths(rows, imageOps.sharpness), 0.05, 0.95],
      [rotate, -30, 30],
      [shearX, -0.3, 0.3],
      [shearY, -0.3, 0.3],
      [translateX, -9.6, 9.6],
      [translateY, -9.6, 9.6],
    ];
    for (const [values, low, high] of ranges) {
      expect([Math.min(...values) >= low, Math.max(...values) <= high]).toEqual([true, true]);
      expect(Math.min(...values)).toBeLessThan(low + (high - low) / 100);
      expect(Math.max(...values)).toBeGreaterThan(high - (high - low) / 100);
    }
    expect(distinct(strengths(rows, imageOps.posterize))).toEqual([4, 5, 6, 7]);
  });

  it.each([
    ["uda", 15, 2],
    ["fixmatch", 14, 2],
    ["gmpl", 15, 2],
    ["kek", 15, 2],
    ["usb", 14, 3],
  ] as const)("%s: %i operations, all equally likely, %i an image", (name, operations, count) => {
    const { recipe, ops } = planOf({ name });
    expect([ops.length, recipe.count]).toEqual([operations, count]);
    const rows = draw({ name }, { rows: 20_000 });
    const applied = name === "usb" ? 1 : 0.5;
    for (const op of [imageOps.equalize, imageOps.posterize, imageOps.sharpness]) {
      const mean = strengths(rows, op).length / (20_000 * count);
      expect(mean).toBeCloseTo(applied / operations, 2);
    }
    const names = new Set(ops.map(([op]) => op));
    const asked = { identity: ["fixmatch", "usb"], invert: ["uda", "gmpl", "kek"], cutout: ["uda", "gmpl", "kek"] };
    for (const [op, having] of Object.entries(asked)) {
      expect([name, op, names.has(op as "cutout")]).toEqual([name, op, having.includes(name)]);
    }
  });

  it("one probability an image (gmpl) or one an operation (kek, uda): both happen with E[p^2] or E[p]^2", () => {
    const none = (one: Drawn) => one.op === imageOps.nothing;
    const bothApplied = (name: StrongName) => share(draw({ name }, { rows: 20_000 }), (row) => !middle(row).some(none));
    expect(bothApplied("gmpl")).toBeGreaterThan(0.268);
    expect(bothApplied("gmpl")).toBeLessThan(0.292);
    for (const name of ["kek", "uda"] as const) {
      expect(bothApplied(name)).toBeGreaterThan(0.24);
      expect(bothApplied(name)).toBeLessThan(0.26);
    }
  });

  it.each([
    ["uda", imageOps.hole, 16],
    ["fixmatch", imageOps.hole, 16],
    ["gmpl", imageOps.box, 16],
    ["kek", imageOps.box, 13],
  ] as const)(
    "%s: every image ends with a square (operation %i) of %i pixels around a uniform center",
    (name, op, side) => {
      const last = draw({ name }).map((row) => row.at(-1)!);
      expect(new Set(last.map((one) => one.op))).toEqual(new Set([op]));
      expect(distinct(last.flatMap(({ values: [x0, y0, x1, y1] }) => [x1! - x0!, y1! - y0!]))).toEqual([side]);
      for (const axis of [0, 1]) {
        const starts = last.map(({ values }) => values[axis]! + Math.floor(side / 2));
        // kek's are pushed in at the left and the top.
        expect([Math.min(...starts), Math.max(...starts)]).toEqual([name === "kek" ? 6 : 0, 31]);
        if (name !== "kek") expect(starts.reduce((a, b) => a + b) / starts.length).toBeCloseTo(15.5, 0);
      }
    },
  );

  it("usb: every image ends with a box of up to half its width, one pixel more than the side", () => {
    const last = draw({ name: "usb" }).map((row) => row.at(-1)!);
    const sides = distinct(last.map(({ values: [x0, , x1] }) => x1! - x0!));
    expect(sides).toEqual(Array.from({ length: 16 }, (_, i) => i + 1));
  });

  it("the cutout operation: 2m (uda), 12 (gmpl), 6 and PIL's pixel (kek)", () => {
    const sides = (name: StrongName) =>
      distinct(
        draw({ name })
          .flatMap(middle)
          .filter(({ op }) => op === imageOps.box)
          .map(({ values: [x0, , x1] }) => x1! - x0!),
      );
    expect(sides("uda")).toEqual(nine.map((m) => 2 * m));
    expect(sides("gmpl")).toEqual([12]);
    expect(sides("kek")).toEqual([7]);
  });

  it("fills, colors and holes", () => {
    const of = (name: string, channels = 3) => augmentRules(recipes.find((one) => one.name === name)!, channels);
    const gray = [128, 128, 128];
    const expected = {
      uda: { padBefore: "reflect", padAfter: "reflect", fill: [0, 0, 0], color: [125, 122, 113], fillIsHole: true },
      fixmatch: { padBefore: "reflect", fill: [0, 0, 0], fillIsHole: true, hole: 127.5 },
      gmpl: { padBefore: "reflect", padAfter: "fill", fill: gray, color: gray, fillIsHole: false },
      kek: { padBefore: "fill", fill: gray, color: gray, fillIsHole: false },
      usb: { padBefore: "reflect", fill: [0, 0, 0], color: [125, 123, 114], fillIsHole: false },
    };
    for (const [name, rules] of Object.entries(expected)) expect(of(name)).toMatchObject(rules);
    expect(of("uda").hole).toBeUndefined();
    expect(of("uda", 1)).toMatchObject({ fill: [0], color: [122] });
  });
});

describe("strong draws", () => {
  it("depend on seed, step and row alone", () => {
    const a = draw({ name: "fixmatch" }, { rows: 50 });
    expect(draw({ name: "fixmatch" }, { rows: 50 })).toEqual(a);
    expect(draw({ name: "fixmatch" }, { rows: 20 })).toEqual(a.slice(0, 20));
    expect(draw({ name: "fixmatch" }, { rows: 50, step: 4 })).not.toEqual(a);
    expect(draw({ name: "fixmatch" }, { rows: 50, step: 3 + 2 ** 32 })).not.toEqual(a);
    expect(draw({ name: "fixmatch" }, { rows: 50, seed: 2 })).not.toEqual(a);
    expect(new Set(a.map((row) => JSON.stringify(row))).size).toBeGreaterThan(45);
  });

  it("on crops of photos lengths grow with the width, and gmpl has those of its ImageNet code", () => {
    const photo = { width: 224, height: 224, photo: true };
    const drawn = (options: StrongOptions) => draw(options, { size: photo });
    const side = ({ values: [x0, , x1] }: Drawn) => x1! - x0!;
    const moves = (options: StrongOptions) => {
      const { translateX, translateY } = geometry(drawn(options));
      return Math.max(...translateX, ...translateY);
    };
    const sides = (options: StrongOptions, op = imageOps.box) =>
      Math.max(
        ...drawn(options)
          .flatMap((row) => middle(row).filter((one) => one.op === op))
          .map(side),
      );
    const last = (name: StrongName) => distinct(drawn({ name }).map((row) => side(row.at(-1)!)));
    // 224 is 7 times 32.
    expect([moves({ name: "fixmatch" }), last("fixmatch")]).toEqual([63, [112]]);
    expect([moves({ name: "uda" }), sides({ name: "uda" }), last("uda")]).toEqual([63, 126, [112]]);
    expect(moves({ name: "kek" })).toBeCloseTo(6.4 * 7, 9);
    expect([sides({ name: "kek" }), last("kek")]).toEqual([43, [85]]);
    expect([moves({ name: "gmpl" }), sides({ name: "gmpl" }), last("gmpl")]).toEqual([160, 128, [0]]);
    // Another width that is no crop of a photo keeps the lengths for 32 pixels.
    expect(
      distinct(draw({ name: "fixmatch" }, { size: { width: 224, height: 224 } }).map((row) => side(row.at(-1)!))),
    ).toEqual([16]);
  });

  it("strongExclude leaves operations out, on both ends of the list", () => {
    const { rotate, translateX, translateY } = geometry(draw({ name: "gmpl", exclude: "rotate, translateX" }));
    expect([rotate, translateX]).toEqual([[], []]);
    expect(translateY.length).toBeGreaterThan(0);
    expect(planOf({ name: "gmpl", exclude: "rotate, translateX" }).ops).toHaveLength(13);
  });

  it("strongExclude that leaves nothing out is refused", () => {
    expect(() => planOf({ name: "fixmatch", exclude: "cutout" })).toThrow(
      /"cutout" leaves nothing out. It has .*posterize/,
    );
    expect(planOf({ name: "fixmatch", exclude: "cutout,rotate" }).ops).toHaveLength(13);
    expect(() => planOf({ name: "gmpl", exclude: "rotat" })).toThrow(/Did you mean "rotate"/);
  });

  it("strongMagnitude takes the place of the recipe's", () => {
    const rows = draw({ name: "gmpl", magnitude: 17 });
    expect(distinct(strengths(rows, imageOps.posterize))).toEqual([6]);
    expect(distinct(strengths(rows, imageOps.solarize))).toEqual([435 - 256]);
    expect(distinct(geometry(rows).rotate)).toEqual([-51, 51]);
    expect(distinct(geometry(draw({ name: "fixmatch", magnitude: 5 })).rotate)).toEqual([-15, 15]);
  });

  it("refuses what makes no sense, saying what would", () => {
    const plan = (options: StrongOptions) => () => planStrong(options);
    expect(plan({ name: "uda", exclude: "rotat" })).toThrow(/Did you mean "rotate"/);
    expect(plan({ name: "usb", magnitude: 5 })).toThrow(/no magnitude.*uda, fixmatch, gmpl, kek/);
    expect(plan({ name: "jitter", magnitude: 5 })).toThrow(UsageError);
    expect(plan({ name: "fixmatch", magnitude: 11 })).toThrow(/0\.\.10/);
    expect(plan({ name: "weak", exclude: "rotate" })).toThrow(/no operations to leave out/);
    const all = planOf({ name: "uda" }).ops.map(([op]) => op);
    expect(plan({ name: "uda", exclude: all.join(",") })).toThrow(/leaves no operation/);
  });
});
