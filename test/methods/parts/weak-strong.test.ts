/** UDA, FixMatch, FlexMatch, FreeMatch, SoftMatch, AdaMatch: every step against slow loops on the logits of the same pass. */
import { expect, test } from "vitest";
import type { Batch, Views } from "../../../src/batch.js";
import { convexMap, flexibleThresholds } from "../../../src/methods/flexmatch.js";
import { fairness } from "../../../src/methods/freematch.js";
import { methods, type Progress } from "../../../src/methods/index.js";
import { gaussianWeight } from "../../../src/methods/softmatch.js";
import { udaLoss } from "../../../src/methods/uda.js";
import type { PassRequest } from "../../../src/nn/index.js";
import { parseOptions } from "../../../src/options.js";
import { cat, noGrad, scope, type Tensor, tensor, uniform } from "../../../src/torch/index.js";
import { describeEngine } from "../../support/engine.js";
import { gradientsOf } from "../../support/gradients.js";
import "../../support/matchers.js";
import {
  gradients,
  numbers,
  saveState,
  snapshot,
  type TinyRun,
  type TinyRunOptions,
  tinyRun,
} from "../../support/method-run.js";
import { labelsTensor, type Rows, rowsTensor, slowKl, softmaxRow } from "../../support/slow.js";
import { type Options, sameDraws } from "../formulas.js";
import {
  debiased,
  type Logits,
  type SlowMethod,
  slowAdamatch,
  slowFixmatch,
  slowFlexmatch,
  slowFreematch,
  slowSoftmatch,
  slowUda,
  type Terms,
} from "../weak-strong-slow.js";

const STEPS = 6;
const still: PassRequest = { mode: "train", updateStatistics: false };

/** Larger logits, so that some rows are confident and some are not. */
function widen(run: TinyRun, factor: number): void {
  for (const { name, tensor: t } of run.student.parameters) if (name.startsWith("fc.")) noGrad(() => t.mul_(factor));
}

const split = (t: Tensor): number[][] => {
  const [n, k] = [t.size(0), t.size(1)];
  const values = t.toNumbers();
  return Array.from({ length: n }, (_, i) => values.slice(i * k, (i + 1) * k));
};

/** The logits the step will see: labeled, weak and strong rows as one batch. */
function passOf(run: TinyRun, { labeled, unlabeled }: Batch<Views, Views>, options: Options, step: number): Tensor[] {
  const parts = [labeled.x.weak!, unlabeled.x.weak!, unlabeled.x.strong!];
  const all = run.student.forward(cat(parts), still);
  let start = 0;
  const [l, w, s] = parts.map((x) => {
    start += x.size(0);
    return all.narrow(0, start - x.size(0), x.size(0));
  });
  if (!options.interpolateLogits) return [l!, w!, s!];
  const alone = run.student.forward(labeled.x.weak!, still);
  const share = uniform(l!.shape, 0, 1, run.setup.rng.split(`interpolation:${step}`));
  return [share.mul(l!).add(share.neg().add(1).mul(alone)), w!, s!];
}

/** d loss / d logits by central differences, in the order l, w, s. */
function numericGradient(loss: (z: Logits) => Terms, at: Logits): number[][] {
  const h = 1e-5;
  return (["l", "w", "s"] as const).map((role) =>
    at[role].flatMap((row, i) =>
      row.map((_, k) => {
        const moved = (shift: number): Logits => {
          const rows = at[role].map((r, j) => (j === i ? r.map((x, c) => (c === k ? x + shift : x)) : r));
          return { ...at, [role]: rows };
        };
        return (loss(moved(h)).loss - loss(moved(-h)).loss) / (2 * h);
      }),
    ),
  );
}

/** Several steps of a method beside the slow one; the weights stay, the batches and the state move. */
function bothWays(name: string, slow: SlowMethod, given: TinyRunOptions, totalSteps = 8): void {
  let seen: ReturnType<typeof gradients> = {};
  const options: Options = given.method ?? {};
  const run = tinyRun(name, { modelOptions: {}, ...given, onStep: () => (seen = gradients(run.student)) });
  widen(run, 25);
  const keptShares = new Set<number>();
  for (let step = 0; step < STEPS; step++) {
    const now: Progress = { step, epoch: 0, totalSteps };
    scope(() => {
      const batch = run.batch(step);
      const expected = sameDraws(run, () => {
        for (const { tensor: t } of run.student.parameters) t.clearGrad();
        const z = passOf(run, batch, options, step);
        const [l, w, s] = z.map(split) as unknown as [Rows, Rows, Rows];
        const context = {
          y: batch.labeled.y.toNumbers(),
          index: batch.unlabeled.index.toNumbers(),
          progress: step / totalSteps,
        };
        const loss = slow.begin({ l, w, s }, context);
        numericGradient(loss, { l, w, s })
          .map((g, i) => z[i]!.mul(tensor(Float32Array.from(g), z[i]!.shape)).sum())
          .reduce((a, b) => a.add(b))
          .backward();
        return { metrics: loss({ l, w, s }), gradients: gradients(run.student) };
      });
      const metrics = numbers(run.method.step(batch, now));
      for (const [key, value] of Object.entries(expected.metrics)) {
        if (key === "loss") continue;
        expect([metrics[key]!], `step ${step}: ${key}`).toBeCloseToTensor([value], { rtol: 1e-3, atol: 1e-5 });
      }
      keptShares.add(expected.metrics.kept!);
      const largest = Math.max(...Object.values(expected.gradients).flatMap((g) => (g ?? []).map(Math.abs)));
      expect(largest).toBeGreaterThan(1e-4);
      for (const [parameter, gradient] of Object.entries(expected.gradients)) {
        expect(seen[parameter]!, `step ${step}: gradient of ${parameter}`).toBeCloseToTensor(gradient!, {
          rtol: 2e-3,
          atol: 2e-4 * largest,
        });
      }
      for (const [owner, values] of Object.entries(slow.state?.() ?? {})) {
        const [held] = Object.values(run.method.state[owner]!.stateDict().tensors);
        expect(held!.toNumbers(), `step ${step}: ${owner}`).toBeCloseToTensor(values, { rtol: 1e-4, atol: 1e-6 });
      }
    });
  }
  // A test in which every row, or none, passes would not see a wrong denominator.
  if ((given.unlabeled ?? 1) > 0) expect([...keptShares].some((kept) => kept > 0 && kept < 1)).toBe(true);
  run.release();
}

/** The fraction of images in the pool that `tinyRun` declares. */
const IMAGES = 40;
const many = { labeled: 6, unlabeled: 12 };

const cases: Record<string, readonly [(o: Options) => SlowMethod, readonly TinyRunOptions[]]> = {
  uda: [
    slowUda,
    [
      { method: { threshold: 0.7 } },
      { method: { threshold: 0.7, consistencyWeight: 5, temperature: 1 } },
      { method: { threshold: 0.9, maskOn: "sharpened", temperature: 0.5 } },
      { method: { threshold: 0.7, entropyWeight: 0.7 } },
      { method: { threshold: 0.7, entropyWeight: 0.7, debias: 0.8, debiasDecay: 0.5 } },
      { method: { threshold: 0.7, tsa: "linear" } },
      { method: { threshold: 0.7, tsa: "exp" } },
      { method: { threshold: 0.7, tsa: "log" } },
      { method: { threshold: 0.7 }, labeled: 0 },
      { method: { threshold: 0.7, tsa: "log" }, unlabeled: 0 },
    ],
  ],
  fixmatch: [
    slowFixmatch,
    [
      { method: { threshold: 0.7 } },
      { method: { threshold: 0.8, consistencyWeight: 3 } },
      { method: { threshold: 0.7, debias: 0.8, debiasDecay: 0.5 } },
      { method: { threshold: 0.7, debias: 0.8, debiasDecay: 0.5, debiasMargin: 0.3 } },
      { method: { debias: 0.8, debiasDecay: 0.5 }, unlabeled: 0 },
      { method: { threshold: 0.7 }, labeled: 0 },
      { method: {}, unlabeled: 0 },
    ],
  ],
  flexmatch: [
    (o) => slowFlexmatch(o, IMAGES),
    [
      { method: { threshold: 0.9, consistencyWeight: 2 }, unlabeled: 30 },
      { method: { threshold: 0.9, thresholdWarmUp: false } },
      { method: { threshold: 0.9, thresholdWarmUp: false, debias: 0.8, debiasDecay: 0.5 } },
      { method: { threshold: 0.9 }, labeled: 0, unlabeled: 30 },
      { method: { threshold: 0.7 }, unlabeled: 0 },
    ],
  ],
  freematch: [
    slowFreematch,
    [
      { method: { thresholdDecay: 0.6, fairnessWeight: 0.5 } },
      { method: { thresholdDecay: 0.6, fairnessWeight: 0, consistencyWeight: 2 } },
      { method: { thresholdDecay: 0.6, fairnessWeight: 0, debias: 0.8, debiasDecay: 0.5 } },
      { method: { thresholdDecay: 0.6, fairnessWeight: 1, minThreshold: 0.8, maxThreshold: 0.85 } },
      { method: { thresholdDecay: 0.3, fairnessWeight: 1, maxThreshold: 0.8 }, labeled: 0 },
      { method: { thresholdDecay: 0.5 }, unlabeled: 0 },
    ],
  ],
  softmatch: [
    slowSoftmatch,
    [
      { method: { averageDecay: 0.5 } },
      { method: { averageDecay: 0.9, sigmas: 5, consistencyWeight: 2 } },
      { method: { averageDecay: 0.5, alignDistribution: false } },
      { method: { averageDecay: 0.5, debias: 0.8, debiasDecay: 0.5 } },
      { method: { averageDecay: 0.5 }, labeled: 0 },
      { method: { averageDecay: 0.5 }, unlabeled: 0 },
    ],
  ],
  adamatch: [
    slowAdamatch,
    [
      { method: { alignmentDecay: 0.5 } },
      { method: { alignmentDecay: 0.9, labels: "soft", threshold: 0.9, consistencyWeight: 2 } },
      { method: { alignmentDecay: 0.5, warmUp: true } },
      { method: { alignmentDecay: 0.5, debias: 0.8, debiasDecay: 0.5 } },
      { method: { alignmentDecay: 0.5, interpolateLogits: true } },
      { method: { alignmentDecay: 0.5, threshold: 0.7 }, labeled: 0 },
      { method: { alignmentDecay: 0.5 }, unlabeled: 0 },
    ],
  ],
};

for (const [name, [slow, variants]] of Object.entries(cases)) {
  describeEngine(`${name}: metrics, state and gradient of six steps equal the formula's`, () => {
    for (const variant of variants) {
      test(JSON.stringify(variant), () =>
        bothWays(name, debiased(slow(variant.method), variant.method), { ...many, ...variant }),
      );
    }
  });
}

describeEngine("defaults are the published ones", () => {
  const published: Record<string, readonly [(o: Options) => SlowMethod, Options]> = {
    uda: [slowUda, { threshold: 0.8, temperature: 0.4, consistencyWeight: 1, entropyWeight: 0, emaDecay: 0.9999 }],
    fixmatch: [slowFixmatch, { threshold: 0.95, consistencyWeight: 1, emaDecay: 0.999 }],
    flexmatch: [(o) => slowFlexmatch(o, IMAGES), { threshold: 0.95, thresholdWarmUp: true, consistencyWeight: 1 }],
    freematch: [slowFreematch, { thresholdDecay: 0.999, fairnessWeight: 0.001, minThreshold: 0, maxThreshold: 1 }],
    softmatch: [slowSoftmatch, { sigmas: 2, averageDecay: 0.999, alignDistribution: true, consistencyWeight: 1 }],
    adamatch: [slowAdamatch, { threshold: 0.95, labels: "hard", alignmentDecay: 0.999, warmUp: false }],
  };
  for (const [name, [, wanted]] of Object.entries(published)) {
    test(name, () => {
      const end = (method: Options) => {
        const run = tinyRun(name, { method });
        widen(run, 25);
        run.steps(3);
        const owned = Object.values(run.method.state).map((owner) =>
          Object.values(owner.stateDict().tensors).map((t) => t.toNumbers()),
        );
        run.release();
        return owned;
      };
      expect(end(wanted)).toEqual(end({}));
    });
  }
});

describeEngine("at the threshold exactly", () => {
  // With the last layer at 0 every probability is 1/4.
  const kept = (name: string, method: Options) => {
    const run = tinyRun(name, { method });
    widen(run, 0);
    const [metrics] = run.steps(1);
    run.release();
    return metrics!.kept;
  };
  test("UDA leaves a row out, FixMatch and FlexMatch let it pass", () => {
    expect(kept("uda", { threshold: 0.25 })).toBe(0);
    expect(kept("uda", { threshold: 0.2499 })).toBe(1);
    expect(kept("fixmatch", { threshold: 0.25 })).toBe(1);
    expect(kept("fixmatch", { threshold: 0.2501 })).toBe(0);
    expect(kept("flexmatch", { threshold: 0 })).toBe(1);
  });
  test("FreeMatch and AdaMatch let it pass: tau starts at 1/K, c = 1", () => {
    expect(kept("freematch", {})).toBe(1);
    expect(kept("freematch", { minThreshold: 0.2501 })).toBe(0);
    expect(kept("adamatch", { threshold: 1 })).toBe(1);
  });
});

describeEngine("udaLoss", () => {
  const [labeled, weak, strong] = [
    [
      [1, 0, 0],
      [0, 2, 1],
    ],
    [
      [3, 0, 0],
      [0.5, 0, 0],
    ],
    [
      [0, 1, 0],
      [0, 0, 1],
    ],
  ];
  const now: Progress = { step: 1, epoch: 0, totalSteps: 4 };
  const options = { consistencyWeight: 1, threshold: 0.8, temperature: 0.4 };
  const inputs = [labeled, weak, strong].map((rows) => ({ shape: [2, 3], data: rows!.flat() }));
  const lossOf = (extra: Options) => (t: Tensor[]) =>
    udaLoss({ labeled: t[0]!, weak: t[1]!, strong: t[2]! }, labelsTensor([0, 2]), { ...options, ...extra }, now).loss;
  const metricsOf = (extra: Options) =>
    scope(() => {
      const [l, w, s] = [labeled!, weak!, strong!].map((rows) => rowsTensor(rows));
      const logits = { labeled: l!, weak: w!, strong: s! };
      return numbers(udaLoss(logits, labelsTensor([0, 2]), { ...options, ...extra }, now).metrics);
    });

  test("sends no gradient into the weak logits, through neither target nor mask", () => {
    const [l, w, s] = gradientsOf(lossOf({}), inputs);
    expect(w?.every((g) => g === 0) ?? true).toBe(true);
    for (const g of [l!, s!]) expect(Math.hypot(...g)).toBeGreaterThan(0.01);
  });
  test("sends one through the entropy term alone", () => {
    const [, w] = gradientsOf(lossOf({ entropyWeight: 0.5, consistencyWeight: 0 }), inputs);
    expect(Math.hypot(...w!)).toBeGreaterThan(0.01);
  });
  test("divides by all unlabeled rows, the masked one too, and sharpens the target", () => {
    const q = softmaxRow(weak![0]!.map((z) => z / 0.4));
    expect(metricsOf({}).consistency).toBeCloseTo(slowKl(q, softmaxRow(strong![0]!)) / 2, 6);
    expect(metricsOf({}).kept).toBe(0.5);
  });
  test("maskOn sharpened compares the sharpened probability: 0.45 raw is 0.64 at temperature 0.4", () => {
    expect(softmaxRow(weak![1]!)[0]).toBeCloseTo(0.4519, 4);
    expect(softmaxRow(weak![1]!.map((z) => z / 0.4))[0]).toBeCloseTo(0.6357, 4);
    expect(metricsOf({ threshold: 0.6 }).kept).toBe(0.5);
    expect(metricsOf({ threshold: 0.6, maskOn: "sharpened" }).kept).toBe(1);
  });
  test("strict false counts a probability equal to the threshold", () => {
    const flat = (strict: boolean) =>
      scope(() => {
        const zeros = () => rowsTensor([[0, 0]]);
        const logits = { labeled: zeros(), weak: zeros(), strong: zeros() };
        return numbers(udaLoss(logits, labelsTensor([0]), { ...options, threshold: 0.5, strict }, now).metrics).kept;
      });
    expect([flat(true), flat(false)]).toEqual([0, 1]);
  });
  test("training signal annealing looks at the correct class, not the largest probability", () => {
    // eta(1/4) linear, K = 3: 1/3 + 2/3 * 1/4 = 1/2. Row 0 has p(y) = 0.58 and goes; row 1 is wrong with max 0.67, p(y) = 0.24.
    const [first, second] = labeled!.map((row) => softmaxRow(row));
    expect(first![0]).toBeGreaterThan(0.5);
    expect(second![1]).toBeGreaterThan(0.5);
    expect(metricsOf({ tsa: "linear" }).classification).toBeCloseTo(-Math.log(second![2]!), 6);
    expect(metricsOf({ tsa: "linear" }).keptLabeled).toBe(0.5);
  });
  test("a batch whose labeled rows are all annealed away has a labeled loss of 0, not NaN", () => {
    expect(metricsOf({ tsa: "exp" }).keptLabeled).toBe(0.5);
    const sure = scope(() => {
      const row = rowsTensor([[9, 0, 0]]);
      const logits = { labeled: row, weak: rowsTensor(weak!), strong: rowsTensor(strong!) };
      return numbers(udaLoss(logits, labelsTensor([0]), { ...options, tsa: "exp" }, now).metrics).classification;
    });
    expect(sure).toBe(0);
  });
  test("labelSmoothing moves the labeled target to (1 - s) onehot + s / K", () => {
    const slow = [0, 2].map((y, i) => {
      const p = softmaxRow(labeled![i]!);
      return -p.reduce((total, x, k) => total + ((k === y ? 0.7 : 0) + 0.1) * Math.log(x), 0);
    });
    expect(metricsOf({ labelSmoothing: 0.3 }).classification).toBeCloseTo((slow[0]! + slow[1]!) / 2, 6);
  });
});

describeEngine("thresholds and weights", () => {
  const row = (values: readonly number[]) => tensor(Float64Array.from(values), [values.length]);
  test("FlexMatch's M has its golden value 1/3 at 1/2, and keeps 0 and 1", () => {
    expect(scope(() => convexMap(row([0, 0.5, 1])).toNumbers())).toBeCloseToTensor([0, 0.33333, 1], { atol: 1e-5 });
  });
  test("FlexMatch's thresholds are 0 at first, and all the same once all classes are learned alike", () => {
    const at = (counts: readonly number[], images: number, thresholdWarmUp = true) =>
      scope(() => flexibleThresholds(row(counts), images, { threshold: 0.9, thresholdWarmUp }).toNumbers());
    expect(at([0, 0, 0], 30)).toEqual([0, 0, 0]);
    expect(at([0, 0, 0], 30, false)).toEqual([0, 0, 0]);
    expect(at([10, 10, 10], 30)).toBeCloseToTensor([0.9, 0.9, 0.9]);
    // 20 of 30 images without a label: beta = n_c / 20 = 0.25, 0.15, 0.1; without warm-up n_c / 5.
    expect(at([5, 3, 2], 30)).toBeCloseToTensor([0.9 * (0.25 / 1.75), 0.9 * (0.15 / 1.85), 0.9 * (0.1 / 1.9)]);
    expect(at([5, 3, 2], 30, false)).toBeCloseToTensor([0.9, 0.9 * (0.6 / 1.4), 0.9 * (0.4 / 1.6)]);
  });
  test("FlexMatch's unlabeled pool, not the whole training set, says how many images never had a label", () => {
    const run = tinyRun("flexmatch", { ...many, method: { threshold: 0 } });
    const { flexmatch } = Object.fromEntries(methods.map((m) => [m.name, m]));
    const threshold = (pool: number) => {
      const setup = { ...run.setup, unlabeledRows: new Int32Array(pool) };
      const options = parseOptions(flexmatch!.options, { threshold: 0.5 }, "flexmatch");
      const method = flexmatch!.create(setup, options);
      widen({ ...run, student: method.models.student! }, 1000);
      const step = (at: number) =>
        scope(() => numbers(method.step(run.batch(at), { step: at, epoch: 0, totalSteps: 9 })).threshold!);
      return [step(0), step(1)];
    };
    const [small, large] = [threshold(12), threshold(1000)];
    expect([small[0], large[0]]).toEqual([0, 0]);
    expect(small[1]).toBeGreaterThan(5 * large[1]!);
    expect(large[1]).toBeGreaterThan(0);
    run.release();
  });
  test("SoftMatch's weight one standard deviation below the mean is e^-2 for n = 2, and 1 from the mean on", () => {
    const found = scope(() => {
      const scalar = (x: number) => tensor(Float64Array.of(x), []);
      return gaussianWeight(row([0.6, 0.7, 0.9]), scalar(0.7), scalar(0.01), 2).toNumbers();
    });
    expect(found).toBeCloseToTensor([0.13534, 1, 1], { atol: 1e-5 });
  });
  test("FreeMatch's fairness is 0 without a masked row, with a gradient of 0 and no NaN", () => {
    const quarter = () => row([0.25, 0.25, 0.25, 0.25]);
    const input = { shape: [2, 4], data: [3, 0, 0, 0, 0, 2, 0, 1] };
    const f = (mask: readonly number[]) => (t: Tensor[]) => fairness(t[0]!, row(mask), quarter(), quarter());
    expect(scope(() => f([0, 0])([rowsTensor([input.data.slice(0, 4), input.data.slice(4)])]).item())).toBe(-0);
    expect(gradientsOf(f([0, 0]), [input])[0]!.map(Math.abs)).toEqual(Array(8).fill(0));
    const gradient = gradientsOf(f([1, 1]), [input])[0]!;
    expect(gradient.every(Number.isFinite)).toBe(true);
    expect(Math.hypot(...gradient)).toBeGreaterThan(1e-3);
  });
});

describeEngine("the methods' place among the others", () => {
  for (const name of Object.keys(cases)) {
    test(`${name} asks for weak labeled, weak and strong unlabeled views`, () => {
      const { views, options } = methods.find((m) => m.name === name)!;
      const asked = views(parseOptions(options, {}, name));
      expect(asked.labeled).toEqual({ weak: { augment: "weak" } });
      expect(asked.unlabeled).toEqual({ weak: { augment: "weak" }, strong: { augment: "strong" } });
    });

    test(`${name} is judged by the average of its weights, which teaches nobody`, () => {
      const runs = [{}, { emaDecay: 0.1 }].map((method) => {
        const run = tinyRun(name, { method });
        run.steps(3);
        return run;
      });
      expect(runs[0]!.method.predictor).toBe("teacher");
      expect(snapshot(runs[1]!.student)).toEqual(snapshot(runs[0]!.student));
      expect(snapshot(runs[1]!.method.models.teacher!)).not.toEqual(snapshot(runs[0]!.method.models.teacher!));
      for (const run of runs) run.release();
    });

    test(`${name} resumes bit for bit with every average and bank filled`, () => {
      const some = "threshold" in methods.find((m) => m.name === name)!.options ? { threshold: 0.6 } : {};
      const method = { ...some, debias: 0.5, debiasDecay: 0.7 };
      const [whole, resumed] = [tinyRun(name, { ...many, method }), tinyRun(name, { ...many, method })];
      widen(whole, 25);
      whole.steps(3);
      const saved = saveState(whole.method);
      whole.steps(3, 3);
      for (const [owner, state] of Object.entries(saved)) resumed.method.state[owner]!.loadStateDict(state);
      resumed.steps(3, 3);
      const all = ({ method: { state } }: TinyRun) =>
        Object.entries(state).map(([owner, stateful]) => {
          const { tensors, values } = stateful.stateDict();
          return [owner, values, Object.values(tensors).map((t) => t.toNumbers())];
        });
      expect(all(resumed)).toEqual(all(whole));
      whole.release();
      resumed.release();
    });
  }
});
