import { describe, expect, test } from "vitest";
import {
  cos7_16,
  cosHalf,
  linearBetween,
  linearUp,
  sigmoidDown,
  sigmoidUp,
  stepUp,
  teDown,
} from "../../src/schedules/index.js";

const close = (got: number, expected: number, relative = 1e-4) =>
  expect(Math.abs(got - expected)).toBeLessThanOrEqual(relative * Math.abs(expected));

describe("sigmoidUp", () => {
  test("has the golden values of a ramp over 5 epochs", () => {
    const golden = [0.0067379, 0.0407622, 0.1652989, 0.449329, 0.8187308, 1];
    for (const [e, value] of golden.entries()) close(sigmoidUp(e, 5), value, 1e-5);
  });
  test("has the golden values of a ramp over 80 epochs", () => {
    const golden = { 0: 0.00674, 1: 0.00763, 10: 0.02175, 20: 0.06005, 40: 0.2865, 60: 0.73162, 79: 0.99922 };
    for (const [x, value] of Object.entries(golden)) close(sigmoidUp(Number(x), 80), value, 1e-3);
  });
  test("is e^-5 before the start, 1 after the end, and 1 everywhere for length 0", () => {
    expect(sigmoidUp(-3, 5)).toBe(Math.exp(-5));
    expect(sigmoidUp(99, 5)).toBe(1);
    expect(sigmoidUp(0, 0)).toBe(1);
  });
  test("satisfies its differential equation f' = 10 (1 - x/L) f / L", () => {
    // A second route to the whole curve: integrate from the start with small steps (midpoint rule).
    const [length, pieces] = [80, 8000];
    let f = Math.exp(-5);
    const slope = (x: number, value: number) => (10 * (1 - x / length) * value) / length;
    for (let i = 0; i < pieces; i++) {
      const [x, h] = [(i * length) / pieces, length / pieces];
      close(f, sigmoidUp(x, length), 1e-5);
      f += h * slope(x + h / 2, f + (h / 2) * slope(x, f));
    }
    close(f, 1, 1e-5);
  });
});

test("linearUp goes from 0 to 1 and stays; length 0 is 1", () => {
  expect([-1, 0, 1, 2, 4, 9].map((x) => linearUp(x, 4))).toEqual([0, 0, 0.25, 0.5, 1, 1]);
  expect(linearUp(0, 0)).toBe(1);
});

test("linearBetween is 0 before its start, linear, and 1 from its end on: Lee's alpha(t)", () => {
  expect([0, 99, 100, 350, 600, 900].map((t) => 3 * linearBetween(t, 100, 600))).toEqual([0, 0, 0, 1.5, 3, 3]);
  expect([3, 4, 5].map((t) => linearBetween(t, 4, 4))).toEqual([0, 1, 1]);
});

test("stepUp is 0 before its length and 1 from there on", () => {
  expect([0, 4, 5, 6].map((x) => stepUp(x, 5))).toEqual([0, 0, 1, 1]);
  expect(stepUp(0, 0)).toBe(1);
});

describe("ramp-downs", () => {
  test("teDown has the golden values for 50 epochs", () => {
    const golden = { 0: 1, 10: 0.606531, 25: 0.043937, 40: 3.3546e-4, 49: 6.1136e-6 };
    for (const [d, value] of Object.entries(golden)) close(teDown(250 + Number(d), 50, 300), value);
  });
  test("sigmoidDown equals teDown for a length of 50, whatever the total", () => {
    for (const total of [50, 300, 1000]) {
      for (let x = 0; x <= total; x++) close(sigmoidDown(x, 50, total), teDown(x, 50, total), 1e-10);
    }
  });
  test("both are 1 until they start, and end where their formulas say", () => {
    expect(sigmoidDown(74, 25, 100)).toBe(1);
    expect(teDown(74, 25, 100)).toBe(1);
    close(sigmoidDown(100, 25, 100), Math.exp(-12.5), 1e-12);
    close(sigmoidDown(999, 25, 100), Math.exp(-12.5), 1e-12);
    close(teDown(100, 25, 100), Math.exp(-25 / 4), 1e-12);
  });
  test("a length of 0 is 1 everywhere, also at the last step", () => {
    for (const x of [0, 99, 100, 101]) expect([sigmoidDown(x, 0, 100), teDown(x, 0, 100)]).toEqual([1, 1]);
  });
});

describe("cosines", () => {
  test("cosHalf is 1 at the start, 1/2 in the middle, 0 at the end and after", () => {
    expect(cosHalf(0, 8)).toBe(1);
    close(cosHalf(4, 8), 0.5, 1e-12);
    expect(cosHalf(8, 8)).toBeCloseTo(0, 15);
    expect(cosHalf(12, 8)).toBeCloseTo(0, 15);
    expect(cosHalf(0, 0)).toBe(1);
  });
  test("cosHalf equals the squared cosine of half the angle", () => {
    for (let x = 0; x < 8; x++) close(cosHalf(x, 8), Math.cos((Math.PI * x) / 16) ** 2, 1e-12);
  });
  test("cos7_16 ends at 0.195090", () => {
    close(cos7_16(1000, 1000), 0.19509, 1e-5);
    expect([cos7_16(0, 1000), cos7_16(0, 0)]).toEqual([1, 1]);
    close(cos7_16(500, 1000), Math.cos((7 * Math.PI) / 32), 1e-12);
  });
});
