import { expect, test } from "vitest";
import {
  consistencyCost,
  klDivergence,
  logitDistance,
  softmaxMse,
  softmaxMseBoth,
  tauCost,
  tauScale,
} from "../../src/losses/index.js";
import { scope, type Tensor, tensor, zeros } from "../../src/torch/index.js";
import { describeEngine } from "../support/engine.js";
import { gradientMismatch, gradientsOf } from "../support/gradients.js";
import { randomRows, rowsTensor, slowKl, slowMean, slowMsq, slowTau, softmaxRow } from "../support/slow.js";

const [N, K] = [6, 10];
const logits = randomRows(3, N, K, 1);
const other = randomRows(4, N, K, 1);
const target = other.map(softmaxRow);
const student = { shape: [N, K], data: logits.flat() };
const teacher = { shape: [N, K], data: target.flat() };
const otherLogits = { shape: [N, K], data: other.flat() };
const p = logits.map(softmaxRow);
const value = (f: () => Tensor) => scope(() => f().item());
const norm = (g: readonly number[] | undefined) => (g ? Math.hypot(...g) : 0);

const costs = {
  softmaxMse: (z: Tensor, q: Tensor, options = {}) => softmaxMse(z, q, options),
  klDivergence: (z: Tensor, q: Tensor, options = {}) => klDivergence(z, q, options),
  "tauCost at 0.3": (z: Tensor, q: Tensor, options = {}) => tauCost(z, q, 0.3, options),
  "tauCost at 1": (z: Tensor, q: Tensor, options = {}) => tauCost(z, q, 1, options),
};
const slow: Record<keyof typeof costs, (i: number) => number> = {
  softmaxMse: (i) => slowMsq(p[i]!, target[i]!),
  klDivergence: (i) => slowKl(target[i]!, p[i]!),
  "tauCost at 0.3": (i) => slowTau(p[i]!, target[i]!, 0.3),
  "tauCost at 1": (i) => slowTau(p[i]!, target[i]!, 1),
};

describeEngine("every consistency cost", () => {
  for (const [name, cost] of Object.entries(costs)) {
    const loop = slow[name as keyof typeof costs];
    test(`${name} equals the loop over rows and classes, in every reduction`, () => {
      expect(value(() => cost(rowsTensor(logits), rowsTensor(target)))).toBeCloseTo(slowMean(N, loop), 12);
      const divided = value(() => cost(rowsTensor(logits), rowsTensor(target), { divideBy: 50 }));
      expect(divided).toBeCloseTo(slowMean(N, loop, 50), 12);
      const keep = [0, 1, 1, 0, 1, 0.5];
      const masked = value(() => cost(rowsTensor(logits), rowsTensor(target), { rowMask: tensor(keep, [N]) }));
      expect(masked).toBeCloseTo(
        slowMean(N, (i) => keep[i]! * loop(i)),
        12,
      );
    });
    test(`${name} sends no gradient into its target, unless asked to`, () => {
      const [onStudent, onTarget] = gradientsOf(([z, q]) => cost(z!, q!), [student, teacher]);
      expect(norm(onStudent)).toBeGreaterThan(1e-4);
      expect(onTarget).toBeUndefined();
      const [, asked] = gradientsOf(([z, q]) => cost(z!, q!, { gradToTarget: true }), [student, teacher]);
      expect(norm(asked)).toBeGreaterThan(1e-4);
    });
    test(`${name}: gradients agree with central differences`, () => {
      expect(gradientMismatch(([z]) => cost(z!, rowsTensor(target)), [student])).toBeUndefined();
      const both = ([z, q]: Tensor[]) => cost(z!, q!, { gradToTarget: true });
      expect(gradientMismatch(both, [student, teacher])).toBeUndefined();
    });
    test(`${name} is 0, with zero gradient, where student and target agree, and 0 without rows`, () => {
      const same = ([z]: Tensor[]) => cost(z!, z!.detach().softmax(1));
      expect(norm(gradientsOf(same, [student])[0])).toBeLessThan(1e-12);
      expect(value(() => cost(rowsTensor(logits), rowsTensor(p)))).toBeCloseTo(0, 12);
      expect(value(() => cost(zeros([0, K]), zeros([0, K]), { divideBy: 10 }))).toBe(0);
    });
    test(`${name} stays finite for targets and students in the corners`, () => {
      const corner = [1, ...Array<number>(K - 1).fill(0)];
      const sure = corner.map((x) => 1e4 * x);
      for (const z of [sure, [...sure].reverse()]) {
        const [gradient] = gradientsOf(([t]) => cost(t!, rowsTensor([corner])), [{ shape: [1, K], data: z }]);
        expect(gradient!.every(Number.isFinite)).toBe(true);
        expect(Number.isFinite(value(() => cost(rowsTensor([z]), rowsTensor([corner]))))).toBe(true);
      }
    });
    test(`${name} says what it expected when shapes do not match`, () => {
      scope(() => {
        expect(() => cost(zeros([4, K]), zeros([4, 3]))).toThrow(
          /expected targetProbs \[N, K\] float for logits \[4, 10\]/,
        );
        expect(() => cost(zeros([4]), zeros([4]))).toThrow(/expected logits \[N, K\] float, got \[4\] float32/);
      });
    });
  }
});

describeEngine("softmaxMseBoth", () => {
  test("has the value of softmaxMse, and gradients that agree with central differences on both sides", () => {
    const expected = slowMean(N, (i) => slowMsq(p[i]!, target[i]!));
    expect(value(() => softmaxMseBoth(rowsTensor(logits), rowsTensor(other)))).toBeCloseTo(expected, 12);
    expect(gradientMismatch(([a, b]) => softmaxMseBoth(a!, b!), [student, otherLogits])).toBeUndefined();
  });
  test("gives each branch the gradient the one-sided form gives it", () => {
    const [first, second] = gradientsOf(([a, b]) => softmaxMseBoth(a!, b!), [student, otherLogits]);
    const [alone] = gradientsOf(([a]) => softmaxMse(a!, rowsTensor(target)), [student]);
    const [mirrored] = gradientsOf(([b]) => softmaxMse(b!, rowsTensor(p)), [otherLogits]);
    for (let i = 0; i < N * K; i++) {
      expect(first![i]).toBeCloseTo(alone![i]!, 12);
      expect(second![i]).toBeCloseTo(mirrored![i]!, 12);
    }
  });
});

describeEngine("the cost family", () => {
  test("has the golden multipliers at K = 10", () => {
    expect(tauScale(1, 10)).toBeCloseTo(0.02, 12);
    expect(tauScale(0.5, 10)).toBeCloseTo(0.08, 12);
    expect(tauScale(1, 10, true)).toBeCloseTo(0.018, 12);
    expect(tauScale(0.5, 10, true)).toBeCloseTo(0.072, 12);
    expect(1 / tauScale(1, 10, true)).toBeCloseTo(55.5556, 3);
  });
  test("is the squared error exactly at tau 0, and within 0.5 % of it at tau 0.001", () => {
    const squared = value(() => softmaxMse(rowsTensor(logits), rowsTensor(target)));
    expect(value(() => tauCost(rowsTensor(logits), rowsTensor(target), 0))).toBe(squared);
    const near = value(() => tauCost(rowsTensor(logits), rowsTensor(target), 1e-3));
    expect(near).not.toBe(squared);
    expect(Math.abs(near / squared - 1)).toBeLessThan(5e-3);
  });
  test("keeps that precision for float32 logits, whose result is float32", () => {
    scope(() => {
      const [z, q] = [rowsTensor(logits, K, "float32"), rowsTensor(target, K, "float32")];
      const near = tauCost(z, q, 1e-3);
      expect(near.dtype).toBe("float32");
      expect(Math.abs(near.item() / softmaxMse(z, q).item() - 1)).toBeLessThan(5e-3);
    });
  });
  test("legacyScale multiplies by 1 - 1/K, but not at tau 0", () => {
    for (const tau of [0.25, 1]) {
      const paper = value(() => tauCost(rowsTensor(logits), rowsTensor(target), tau));
      const legacy = value(() => tauCost(rowsTensor(logits), rowsTensor(target), tau, { legacyScale: true }));
      expect(legacy / paper).toBeCloseTo(0.9, 12);
    }
    const squared = value(() => softmaxMse(rowsTensor(logits), rowsTensor(target)));
    expect(value(() => tauCost(rowsTensor(logits), rowsTensor(target), 0, { legacyScale: true }))).toBe(squared);
  });
  test("consistencyCost picks its member by name, and passes the reduction on", () => {
    const cost = (options: Parameters<typeof consistencyCost>[2]) =>
      value(() => consistencyCost(rowsTensor(logits), rowsTensor(target), options));
    const kl = slowMean(N, slow.klDivergence);
    expect(cost({ cost: "mse" })).toBeCloseTo(slowMean(N, slow.softmaxMse), 12);
    expect(cost({ cost: "kl" })).toBeCloseTo(kl, 12);
    expect(cost({ cost: "tau", tau: 1 })).toBeCloseTo((2 / K ** 2) * kl, 12); // a weight W is 2 W / K^2 of kl
    expect(cost({ cost: "tau", tau: 0.3, divideBy: 50 })).toBeCloseTo(slowMean(N, slow["tauCost at 0.3"], 50), 12);
    expect(cost({ cost: "tau" })).toBe(cost({ cost: "mse" }));
    expect(() => cost({ cost: "tau", tau: 1.5 })).toThrow("expected tau in 0..1, got 1.5");
    expect(() => cost({ cost: "l1" as "mse" })).toThrow(/unknown cost "l1"\. Valid: mse, kl, tau/);
  });
});

describeEngine("logitDistance", () => {
  const loop = (i: number) => logits[i]!.reduce((total, z, k) => total + (z - other[i]![k]!) ** 2, 0);
  test("equals the loop, as a class sum or K times less as a class mean", () => {
    const sum = value(() => logitDistance(rowsTensor(logits), rowsTensor(other), { classes: "sum" }));
    expect(sum).toBeCloseTo(slowMean(N, loop), 10);
    expect(value(() => logitDistance(rowsTensor(logits), rowsTensor(other)))).toBeCloseTo(sum / K, 10);
    expect(value(() => logitDistance(zeros([0, K]), zeros([0, K])))).toBe(0);
  });
  test("sends opposite gradients into both heads, which agree with central differences", () => {
    expect(gradientMismatch(([a, b]) => logitDistance(a!, b!), [student, otherLogits])).toBeUndefined();
    const [a, b] = gradientsOf(([x, y]) => logitDistance(x!, y!), [student, otherLogits]);
    expect(b).toEqual(a!.map((g) => -g));
  });
  test("is computed in float32 for half-precision heads", () => {
    scope(() => {
      const half = (rows: number[][]) => rowsTensor(rows).to("bfloat16");
      expect(logitDistance(half(logits), half(other)).dtype).toBe("float32");
    });
  });
});
