import { expect, test } from "vitest";
import { Rng } from "../../src/rng.js";
import { drawMixUp, type MixUpOptions, mixRows } from "../../src/targets/index.js";
import { scope, tensor } from "../../src/torch/index.js";
import { describeEngine } from "../support/engine.js";
import "../support/matchers.js";
import { gradientMismatch } from "../support/gradients.js";
import { randomRows } from "../support/slow.js";

const half: MixUpOptions = { alpha: 0.5, per: "row", partner: "shuffled" };
const draw = (rows: number, options: Partial<MixUpOptions> = {}, seed = 1) =>
  scope(() => {
    const { share, partner } = drawMixUp(Rng.fromSeed(seed), rows, { ...half, ...options });
    return { share: share.toNumbers(), partner: partner.toNumbers() };
  });

describeEngine("drawMixUp", () => {
  test("shares are max(beta, 1 - beta): never below a half, with the folded distribution's mean", () => {
    const { share } = draw(20_000);
    expect(Math.min(...share)).toBeGreaterThanOrEqual(0.5);
    expect(Math.max(...share)).toBeLessThanOrEqual(1);
    // E max(beta, 1 - beta) of the arcsine distribution: 1/2 + 1/pi. Its standard deviation is 0.15.
    const mean = share.reduce((a, b) => a + b, 0) / share.length;
    expect(Math.abs(mean - (0.5 + 1 / Math.PI))).toBeLessThan(0.005);
  });

  test("per row: a share for each; per batch: one for all", () => {
    expect(new Set(draw(50).share).size).toBe(50);
    expect(new Set(draw(50, { per: "batch" }).share).size).toBe(1);
    expect(draw(50, { per: "batch" }, 2).share[0]).not.toBe(draw(50, { per: "batch" }).share[0]);
  });

  test("partners: a permutation, another for another generator; or the rows in reverse", () => {
    const { partner } = draw(30);
    expect([...partner].sort((a, b) => a - b)).toEqual(Array.from({ length: 30 }, (_, i) => i));
    expect(partner).not.toEqual(draw(30, {}, 2).partner);
    expect(draw(4, { partner: "reversed" }).partner).toEqual([3, 2, 1, 0]);
  });

  test("alpha 0 leaves every row as it is", () => {
    expect(draw(5, { alpha: 0 }).share).toEqual([1, 1, 1, 1, 1]);
  });
});

describeEngine("mixRows", () => {
  const x = randomRows(3, 5, 6);
  const shares = [0.5, 0.9, 1, 0.7, 0.6];
  const partners = [4, 2, 0, 3, 1];
  const mixture = () => ({
    share: tensor(Float64Array.from(shares), [5]),
    partner: tensor(Int32Array.from(partners), [5]),
  });

  test("is share_i x_i + (1 - share_i) x_partner(i), whatever the shape of a row", () => {
    const expected = x.flatMap((row, i) => row.map((v, k) => shares[i]! * v + (1 - shares[i]!) * x[partners[i]!]![k]!));
    for (const shape of [
      [5, 6],
      [5, 1, 2, 3],
    ]) {
      scope(() => {
        const mixed = mixRows(tensor(Float64Array.from(x.flat()), shape), mixture());
        expect(mixed).toBeCloseToTensor({ shape, data: expected }, { rtol: 1e-12 });
      });
    }
  });

  test("gradients reach both rows", () => {
    const weights = randomRows(4, 5, 6).flat();
    const f = ([t]: Parameters<Parameters<typeof gradientMismatch>[0]>[0]) =>
      mixRows(t!, mixture())
        .mul(tensor(Float64Array.from(weights), [5, 6]))
        .sum();
    expect(gradientMismatch(f, [{ shape: [5, 6], data: x.flat() }])).toBeUndefined();
  });
});
