/** What the weak views of photos draw: sizes, shapes and strengths against the definition, not pixel values. */
import { describe, expect, it } from "vitest";
import {
  drawPhoto,
  joinPrograms,
  type PhotoDraws,
  type PhotoPlan,
  planWeak,
  type WeakChoice,
  weakNames,
} from "../../src/augment/photo.js";
import { UsageError } from "../../src/errors.js";
import { Rng } from "../../src/rng.js";
import { IMAGE_OP_ARGUMENTS, imageOps } from "../../src/torch/index.js";

const canvas = { width: 256, height: 200 };
const kind = { ...canvas, bytes: true, channels: 3 };
const ROWS = 4000;

function planOf(choice: WeakChoice, of = kind): PhotoPlan {
  const plan = planWeak(choice, of);
  if (plan.kind !== "photo") throw new Error("no photo");
  return plan;
}
const draw = (choice: WeakChoice, { seed = 1, step = 3, rows = ROWS, flips = true, of = kind } = {}): PhotoDraws =>
  drawPhoto(planOf(choice, of), Rng.fromSeed(seed), step, rows, of, flips);
const mean = (values: ArrayLike<number>) => Array.from(values).reduce((a, b) => a + b, 0) / values.length;
/** Boxes as [x0, y0, width, height]. */
const boxesOf = ({ boxes }: PhotoDraws) =>
  Array.from({ length: boxes.length / 4 }, (_, i) => {
    const [x0, y0, x1, y1] = boxes.subarray(4 * i, 4 * i + 4) as unknown as [number, number, number, number];
    return [x0, y0, x1 - x0, y1 - y0] as const;
  });
/** For each row, [operation, first argument] of its slots. */
const colorsOf = ({ colors: { ops, values } }: PhotoDraws) =>
  Array.from({ length: ops.length / 6 }, (_, row) =>
    Array.from({ length: 6 }, (_, slot) => {
      const at = row * 6 + slot;
      return [ops[at]!, values[at * IMAGE_OP_ARGUMENTS]!] as const;
    }),
  );
/** Uniform in low .. high: the ends are nearly reached, and the mean is in the middle. */
function expectUniform(values: readonly number[], low: number, high: number): void {
  const span = high - low;
  expect(Math.min(...values)).toBeGreaterThanOrEqual(low);
  expect(Math.min(...values)).toBeLessThan(low + 0.01 * span);
  expect(Math.max(...values)).toBeLessThanOrEqual(high);
  expect(Math.max(...values)).toBeGreaterThan(high - 0.01 * span);
  expect(Math.abs(mean(values) - (low + high) / 2)).toBeLessThan(0.02 * span);
}

describe("planWeak", () => {
  it("resizes to 256 and judges the middle 224 of it, or 87.5 % of the short side", () => {
    const square = { ...kind, width: 256, height: 256 };
    for (const name of ["imagenet-mt", "imagenet-gmpl"] as const) {
      const { side, evaluation } = planOf({ name }, square);
      expect([side, evaluation.box, evaluation.side]).toEqual([224, [16, 16, 240, 240], 224]);
    }
    expect(planOf({ name: "imagenet-gmpl" }, square).evaluation.interpolation).toBe("bicubic");
    expect(planOf({ name: "imagenet-mt", side: 64 }).evaluation.box).toEqual([41, 13, 216, 188]);
    expect(planOf({ name: "photo", evalCrop: 0.5 }).evaluation.box).toEqual([78, 50, 178, 150]);
    const tiny = planOf({ name: "photo", evalCrop: 0.1 }, { ...kind, width: 4, height: 4 });
    expect(tiny.evaluation.box).toEqual([2, 2, 3, 3]);
  });

  it("makes crops as large as small pictures, and then judges all of them", () => {
    const small = { ...kind, width: 64, height: 64 };
    for (const name of weakNames.slice(1)) {
      const { side, evaluation } = planOf({ name }, small);
      expect([side, evaluation.box]).toEqual([64, [0, 0, 64, 64]]);
    }
    expect(planOf({ name: "photo" }, { ...kind, width: 500, height: 500 }).side).toBe(500);
  });

  it("refuses what means nothing: crops of translate, pixels that are no bytes, two channels", () => {
    expect(planWeak({ name: "translate" }, kind)).toEqual({ kind: "translate" });
    expect(() => planWeak({ name: "translate", side: 24 }, kind)).toThrow(/has no crop.*photo/);
    expect(() => planWeak({ name: "translate", rotation: 3 }, kind)).toThrow(UsageError);
    expect(() => planWeak({ name: "photo" }, { ...kind, bytes: false })).toThrow(/--normalize zca/);
    expect(() => planWeak({ name: "photo" }, { ...kind, channels: 2 })).toThrow(/2 channels/);
    expect(() => planWeak({ name: "photo", side: 3 }, kind)).toThrow(/4\.\.4096/);
  });
});

describe("drawPhoto", () => {
  it("crops shares of the area from the least to all, 3:4 to 4:3, anywhere inside", () => {
    // On a square nine in ten tries fit at once, so the shares are close to uniform; on a strip few do.
    const square = { ...kind, width: 400, height: 400 };
    const boxes = boxesOf(draw({ name: "imagenet-mt", cropScale: 0.08 }, { of: square }));
    const shares = boxes.map(([, , w, h]) => (w * h) / 160_000);
    expect(Math.min(...shares)).toBeGreaterThan(0.079);
    expect(Math.min(...shares)).toBeLessThan(0.09);
    expect(Math.max(...shares)).toBeGreaterThan(0.97);
    const small = boxes.filter((_, i) => shares[i]! < 0.5);
    expect(Math.abs(mean(small.map(([, , w, h]) => (w * h) / 160_000)) - 0.29)).toBeLessThan(0.01);
    // Below half the area every ratio fits: its logarithm is uniform.
    const limit = Math.log(4 / 3);
    expectUniform(
      small.map(([, , w, h]) => Math.max(-limit, Math.min(limit, Math.log(w / h)))),
      -limit,
      limit,
    );
    expectUniform(
      small.map(([x0, , w]) => x0 / (400 - w)),
      0,
      1,
    );
    expectUniform(
      small.map(([, y0, , h]) => y0 / (400 - h)),
      0,
      1,
    );
    // The last place is reached as well as the first.
    for (const [at, extent] of [
      [0, 2],
      [1, 3],
    ] as const) {
      expect(boxes.some((box) => box[at]! > 0 && box[at]! + box[extent]! === 400)).toBe(true);
      expect(boxes.some((box) => box[at] === 0 && box[extent]! < 400)).toBe(true);
    }
    for (const [x0, y0, w, h] of boxes) {
      expect(Math.min(x0, y0, 400 - x0 - w, 400 - y0 - h)).toBeGreaterThanOrEqual(0);
    }
    expect(Math.min(...boxesOf(draw({ name: "photo" })).map(([, , w, h]) => (w * h) / 51_200))).toBeGreaterThan(0.295);
  });

  it("takes the largest allowed middle where no crop fits", () => {
    const strip = { ...kind, width: 300, height: 30 };
    const boxes = boxesOf(draw({ name: "photo", cropScale: 1 }, { of: strip, rows: 5 }));
    for (const box of boxes) expect(box).toEqual([130, 0, 40, 30]);
    const tall = boxesOf(draw({ name: "photo", cropScale: 1 }, { of: { ...kind, width: 30, height: 300 }, rows: 5 }));
    for (const box of tall) expect(box).toEqual([0, 130, 30, 40]);
  });

  it("turns by up to 10 degrees to either side in imagenet-mt, and not at all elsewhere", () => {
    expectUniform([...draw({ name: "imagenet-mt" }).degrees], -10, 10);
    for (const name of ["photo", "imagenet-gmpl"] as const)
      expect(draw({ name }).degrees.every((d) => d === 0)).toBe(true);
  });

  it("mirrors half of the rows, or none where pictures may not be", () => {
    expect(Math.abs(mean(draw({ name: "photo" }).flip) - 0.5)).toBeLessThan(0.03);
    expect(draw({ name: "photo" }, { flips: false }).flip.some((bit) => bit === 1)).toBe(false);
  });

  it("jitters by 0.4, 0.4, 0.4 and 0.1 in every order, in imagenet-mt", () => {
    const rows = colorsOf(draw({ name: "imagenet-mt" }));
    const strength = (op: number) =>
      rows.flatMap((row) => row.filter(([code]) => code === op).map(([, value]) => value));
    for (const op of [imageOps.brightness, imageOps.contrast, imageOps.color]) expectUniform(strength(op), 0.6, 1.4);
    const hues = strength(imageOps.hue);
    expect([Math.min(...hues), Math.max(...hues)]).toEqual([-25, 25]); // a tenth of 255, cut off
    const orders = new Map<string, number>();
    for (const row of rows) {
      const key = row.map(([op]) => op).join();
      orders.set(key, (orders.get(key) ?? 0) + 1);
    }
    expect(orders.size).toBe(24);
    for (const n of orders.values()) expect(Math.abs(n - ROWS / 24)).toBeLessThan(5 * Math.sqrt(ROWS / 24));
    expect(strength(imageOps.blur)).toHaveLength(0);
  });

  it("has no color at all in imagenet-gmpl, and factors that never fall below 0", () => {
    expect(
      colorsOf(draw({ name: "imagenet-gmpl" }))
        .flat()
        .every(([op]) => op === imageOps.nothing),
    ).toBe(true);
    const factors = colorsOf(draw({ name: "photo", colorJitter: 1 })).flatMap((row) => row.slice(0, 4));
    expectUniform(
      factors.filter(([op]) => op === imageOps.contrast).map(([, value]) => value),
      0,
      2,
    );
  });

  it("takes color from a share of the rows, and blurs another, by 0.1 to 2 pixels at 224", () => {
    const rows = colorsOf(
      draw({ name: "imagenet-gmpl", grayProbability: 0.2, blurProbability: 0.5 }, { of: { ...kind, height: 256 } }),
    );
    const gray = rows.filter((row) => row[4]![0] === imageOps.color && row[4]![1] === 0);
    expect(Math.abs(gray.length / ROWS - 0.2)).toBeLessThan(0.03);
    const blurred = rows.filter((row) => row[5]![0] === imageOps.blur);
    expect(Math.abs(blurred.length / ROWS - 0.5)).toBeLessThan(0.03);
    expect(Math.abs(gray.filter((row) => blurred.includes(row)).length / ROWS - 0.1)).toBeLessThan(0.02);
    expectUniform(
      blurred.map((row) => row[5]![1]),
      0.1,
      2,
    );
  });

  it("depends on key, step and row alone, and an operation left out leaves the others as they were", () => {
    const first = draw({ name: "imagenet-mt" }, { rows: 50 });
    expect(draw({ name: "imagenet-mt" }, { rows: 50 })).toEqual(first);
    const longer = draw({ name: "imagenet-mt" }, { rows: 90 });
    expect(longer.boxes.slice(0, 200)).toEqual(first.boxes);
    expect(draw({ name: "imagenet-mt" }, { rows: 50, step: 4 }).boxes).not.toEqual(first.boxes);
    expect(draw({ name: "imagenet-mt" }, { rows: 50, seed: 2 }).boxes).not.toEqual(first.boxes);
    const upright = draw({ name: "imagenet-mt", rotation: 0 }, { rows: 50 });
    expect([upright.boxes, upright.flip, upright.colors]).toEqual([first.boxes, first.flip, first.colors]);
  });
});

describe("joinPrograms", () => {
  it("puts the second program's operations after the first's, row by row", () => {
    const program = (ops: number[]) => ({
      ops: Int32Array.from(ops),
      values: Float64Array.from(
        { length: ops.length * IMAGE_OP_ARGUMENTS },
        (_, i) => ops[Math.floor(i / IMAGE_OP_ARGUMENTS)]!,
      ),
    });
    const joined = joinPrograms(program([1, 2]), program([3, 4, 5, 6]), 2);
    expect(joined).toEqual(program([1, 3, 4, 2, 5, 6]));
  });
});
