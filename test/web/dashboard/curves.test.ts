// What the page does to curves before it draws them: smoothing that does not lie, thinning that loses no spike, files that harm nobody.
import { describe, expect, test } from "vitest";
import { Rng } from "../../../src/rng.js";
import { aligned, type Curve, extended, smoothed } from "../../../web/app/dashboard/charts/curves.js";
import { csvCell, csvOf, fileNameOf } from "../../../web/app/dashboard/charts/files.js";

const curve = (values: readonly number[], steps = values.map((_, i) => i + 1)): Curve => ({
  steps: Float64Array.from(steps),
  values: Float64Array.from(values),
});

describe("smoothed", () => {
  test.each([0.5, 0.9, 0.999])("leaves a constant what it is, from its first point to its last (beta %d)", (beta) => {
    for (const value of smoothed(curve(new Array(50).fill(3.7)), beta).values) expect(value).toBeCloseTo(3.7, 10);
  });

  test("is the weighted mean of all before, by the slow formula", () => {
    const values = [3, 1, 4, 1, 5, 9, 2, 6];
    const got = smoothed(curve(values), 0.8).values;
    values.forEach((_, i) => {
      const weights = values.slice(0, i + 1).map((_, k) => 0.8 ** (i - k));
      const sum = weights.reduce((a, w, k) => a + w * values[k]!, 0);
      expect(got[i]).toBeCloseTo(sum / weights.reduce((a, b) => a + b), 12);
    });
  });

  test("does not spread what is not finite", () => {
    const got = smoothed(curve([1, Number.NaN, 1, Number.POSITIVE_INFINITY, 1]), 0.9).values;
    expect([...got].map((value) => (Number.isNaN(value) ? "gap" : Number(value.toFixed(9))))).toEqual([
      1,
      "gap",
      1,
      "gap",
      1,
    ]);
  });
});

describe("aligned", () => {
  test("few points stay as they are, each at its step", () => {
    const { steps, values } = aligned([curve([1, 2, 3], [10, 20, 30]), curve([5, 6], [20, 25])], 0, 40, 100);
    expect(steps).toEqual([10, 20, 25, 30]);
    expect(values).toEqual([
      [1, 2, null, 3],
      [null, 5, 6, null],
    ]);
  });

  test("of many points every spike is seen, and the least and greatest are exact", () => {
    const rng = Rng.fromSeed(1);
    const values = Array.from({ length: 50_000 }, () => rng.float());
    values[31_234] = 99;
    values[7] = -50;
    const { steps, values: columns } = aligned([curve(values)], 1, 50_000, 300);
    expect(steps).toHaveLength(600);
    const shown = columns[0]!.filter((value) => value !== null);
    expect([Math.min(...shown), Math.max(...shown)]).toEqual([-50, 99]);
    const at = steps[columns[0]!.indexOf(99)]!;
    expect(Math.abs(at - 31_235)).toBeLessThan(50_000 / 300);
  });

  test("with logarithmic steps the stretches are as long on the axis: the beginning is not thinned away", () => {
    const all = curve(Array.from({ length: 100_000 }, (_, i) => i));
    const { steps, values } = aligned([all], 1, 100_000, 300, { log: true });
    expect(steps[0]).toBeLessThan(1.02);
    expect(steps[300]! / steps[299]!).toBeCloseTo(steps[599]! / steps[598]!, 6);
    // 3 of 5 decades.
    expect(steps.filter((step, i) => step < 1000 && values[0]![i] !== null).length).toBeGreaterThan(200);
    expect(Math.max(...values[0]!.map(Number))).toBe(99_999);
  });

  test("zoomed in, the points themselves come back, and one beyond each edge", () => {
    const all = curve(Array.from({ length: 50_000 }, (_, i) => i));
    expect(aligned([all], 100, 103, 300).steps).toEqual([99, 100, 101, 102, 103, 104]);
  });
});

test("zoomed in among many points of another curve, what lies beyond the edges stays there", () => {
  const many = curve(new Array(3000).fill(1));
  const few = curve([5, 50, 500], [1000, 2000, 3000]);
  const { steps, values } = aligned([many, few], 900, 1500, 100);
  const shown = steps.flatMap((step, i) => (values[1]![i] === null ? [] : [[step, values[1]![i]]]));
  expect(shown).toHaveLength(3);
  expect(shown.slice(0, 2).every(([step, value]) => value === 5 && Math.abs(step! - 1000) < 6)).toBe(true);
  expect(shown[2]).toEqual([2000, 50]);
  expect([steps[0], values[0]![0], values[1]![0]]).toEqual([899, 1, null]);
  expect(steps.every((step, i) => i === 0 || step > steps[i - 1]!)).toBe(true);
});

test("extended keeps what was there up to a point and adds the rest", () => {
  const { steps, values } = extended(curve([1, 2, 3]), 2, Float64Array.of(9), Float64Array.of(8));
  expect([[...steps], [...values]]).toEqual([
    [1, 2, 9],
    [1, 2, 8],
  ]);
});

describe("csvOf", () => {
  test("has every point, and an empty cell for what is not finite", () => {
    expect(csvOf([{ run: "a", name: "x", steps: [1, 2], values: [0.5, Number.NaN] }])).toBe(
      "run,curve,step,value\na,x,1,0.5\na,x,2,\n",
    );
  });

  test.each([
    ["=1+1", "'=1+1"],
    ["+1", "'+1"],
    ["-1", "'-1"],
    ["@A1", "'@A1"],
    ["\t=1", "'\t=1"],
    ["a,b", '"a,b"'],
    ['a"b', '"a""b"'],
    ["=a\nb", '"\'=a\nb"'],
    ["plain", "plain"],
  ])("writes %j as %j, no formula and no new cell", (text, cell) => {
    expect(csvCell(text)).toBe(cell);
  });

  test("file names hold nothing that a system minds", () => {
    expect(fileNameOf("../error, test (%)")).toBe("error-test");
    expect(fileNameOf("///")).toBe("chart");
  });
});
