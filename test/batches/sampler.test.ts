import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createSampler, type Rows, type SamplerOptions } from "../../src/batches/sampler.js";
import { DataError, UsageError } from "../../src/errors.js";
import { Rng } from "../../src/rng.js";

const range = (n: number, from = 0) => Int32Array.from({ length: n }, (_, i) => from + i);
const splitOf = (n: number, m: number) => ({
  labeled: range(m),
  unlabeled: range(n),
  y: range(n).map((i) => (i < m ? i % 10 : -1)),
});
const make = (n: number, m: number, options: SamplerOptions, seed = 1) =>
  createSampler(splitOf(n, m), options, Rng.fromSeed(seed));
const take = (sampler: { next(): Rows }, steps: number) => Array.from({ length: steps }, () => sampler.next());
const json = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T;

describe("two-stream sampler", () => {
  it("shows every unlabeled image at most once a pass, and drops less than a chunk", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 5, max: 60 }),
        fc.integer({ min: 1, max: 12 }),
        fc.integer({ min: 1, max: 5 }),
        (n, m, bu) => {
          const sampler = make(n, Math.min(n, m), { kind: "two-stream", batch: bu + 1, labeledBatch: 1 });
          expect(sampler.stepsPerEpoch).toBe(Math.floor(n / bu));
          for (let pass = 0; pass < 3; pass++) {
            const seen = take(sampler, sampler.stepsPerEpoch).flatMap(({ unlabeled }) => [...unlabeled]);
            expect(new Set(seen).size).toBe(seen.length);
            expect(n - seen.length).toBeLessThan(bu);
            expect(sampler.epoch).toBe(pass + 1);
          }
        },
      ),
    );
  });

  it("shows labeled images equally often: counts differ by at most 1 at any time", () => {
    const sampler = make(50, 7, { kind: "two-stream", batch: 10, labeledBatch: 4 });
    const counts = new Float64Array(7);
    for (let step = 0; step < 200; step++) {
      for (const i of sampler.next().labeled) counts[i]!++;
      const complete = Math.floor(((step + 1) * 4) / 7);
      expect(Math.min(...counts)).toBeGreaterThanOrEqual(complete);
      expect(Math.max(...counts)).toBeLessThanOrEqual(complete + 1);
    }
  });

  it("repeats labels where there are fewer than labeled rows: 40 labels in 64 rows, equally often over time", () => {
    const sampler = make(500, 40, { kind: "two-stream", batch: 128, labeledBatch: 64 });
    const counts = new Float64Array(40);
    for (const { labeled, unlabeled } of take(sampler, 5)) {
      expect([labeled.length, unlabeled.length]).toEqual([64, 64]);
      const times = new Map<number, number>();
      for (const i of labeled) times.set(i, (times.get(i) ?? 0) + 1);
      expect(Math.max(...times.values())).toBeLessThanOrEqual(3); // the end of one permutation, a whole one, the start of a third
      for (const i of labeled) counts[i]!++;
    }
    expect(Math.max(...counts) - Math.min(...counts)).toBe(0); // 5 x 64 = 8 x 40
  });

  it("makes batches of the sizes asked for", () => {
    for (const { labeled, unlabeled } of take(make(50, 7, { kind: "two-stream", batch: 10, labeledBatch: 4 }), 30)) {
      expect([labeled.length, unlabeled.length]).toEqual([4, 6]);
    }
  });

  it("has the published number of steps per pass", () => {
    const steps = (n: number, b: number, bl: number) =>
      make(n, 4000, { kind: "two-stream", batch: b, labeledBatch: bl }).stepsPerEpoch;
    expect(steps(46_000, 512, 124)).toBe(118);
    expect(steps(49_000, 512, 124)).toBe(126);
    expect(steps(1_281_167 - 128_000, 400, 200)).toBe(5_765);
  });

  it("shuffles anew every pass, and by seed", () => {
    const options: SamplerOptions = { kind: "two-stream", batch: 11, labeledBatch: 1 };
    const sampler = make(50, 5, options);
    const [first, second] = [take(sampler, 5), take(sampler, 5)];
    expect(first.map((r) => [...r.unlabeled])).not.toEqual(second.map((r) => [...r.unlabeled]));
    expect(take(make(50, 5, options, 2), 5)).not.toEqual(first);
    expect(take(make(50, 5, options), 5)).toEqual(first);
  });

  it("refuses streams that cannot fill their part of the batch", () => {
    expect(() => make(50, 0, { kind: "two-stream", batch: 10, labeledBatch: 4 })).toThrow(UsageError);
    expect(() => make(5, 4, { kind: "two-stream", batch: 10, labeledBatch: 2 })).toThrow(UsageError);
    expect(() => make(50, 4, { kind: "two-stream", batch: 10, labeledBatch: 10 })).toThrow(/1\.\.9 labeled rows/);
    expect(() => make(50, 4, { kind: "two-stream", batch: 10, labeledBatch: 0 })).toThrow(UsageError);
  });
});

describe("mixed sampler", () => {
  it("passes over everything once, labels as they fall", () => {
    const sampler = make(40, 9, { kind: "mixed", batch: 8, labeledBatch: 0 });
    expect(sampler.stepsPerEpoch).toBe(5);
    const batches = take(sampler, 5);
    const all = batches.flatMap(({ labeled, unlabeled }) => [...labeled, ...unlabeled]);
    expect(all.sort((a, b) => a - b)).toEqual([...range(40)]);
    for (const { labeled, unlabeled } of batches) {
      expect(labeled.length + unlabeled.length).toBe(8);
      expect(labeled.every((i) => i < 9) && unlabeled.every((i) => i >= 9)).toBe(true);
    }
    expect(new Set(batches.map(({ labeled }) => labeled.length)).size).toBeGreaterThan(1);
  });
});

describe("labeled sampler", () => {
  it("keeps the batch full with fewer labels than rows, and counts passes by rows", () => {
    const sampler = make(50, 4, { kind: "labeled", batch: 10, labeledBatch: 0 });
    const { labeled, unlabeled } = sampler.next();
    expect([labeled.length, unlabeled.length]).toEqual([10, 0]);
    const counts = [0, 1, 2, 3].map((i) => labeled.filter((j) => j === i).length);
    expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
    expect(sampler.stepsPerEpoch).toBe(0.4);
    expect(sampler.epoch).toBe(2.5);
  });
  it("refuses to run without labels", () => {
    expect(() => make(50, 0, { kind: "labeled", batch: 10, labeledBatch: 0 })).toThrow(UsageError);
  });
});

describe.each<SamplerOptions>([
  { kind: "two-stream", batch: 7, labeledBatch: 3 },
  { kind: "mixed", batch: 7, labeledBatch: 0 },
  { kind: "labeled", batch: 7, labeledBatch: 0 },
])("the state of a $kind sampler", (options) => {
  it("continues bit for bit from any step, through JSON", () => {
    const whole = make(31, 5, options);
    const states = [];
    const batches = [];
    for (let step = 0; step < 40; step++) {
      states.push(json(whole.stateDict().values));
      batches.push(whole.next());
    }
    for (let step = 0; step < 40; step++) {
      const resumed = make(31, 5, options);
      resumed.next(); // whatever it did before must not matter
      resumed.loadStateDict({ tensors: {}, values: states[step]! });
      expect(take(resumed, 40 - step)).toEqual(batches.slice(step));
      expect(resumed.epoch).toBe(whole.epoch);
    }
  });

  it("is refused if it is damaged, of another seed or of other data", () => {
    const { values } = json(make(31, 5, options).stateDict());
    const load = (state: unknown, sampler = make(31, 5, options)) =>
      sampler.loadStateDict({ tensors: {}, values: state as never });
    const [stream] = Object.keys(values);
    expect(() => load({})).toThrow(DataError);
    expect(() => load({ ...values, [stream!]: null })).toThrow(/damaged/);
    expect(() => load({ ...values, [stream!]: { ...(values[stream!] as object), cursor: 1e9 } })).toThrow(DataError);
    expect(() => load(values, make(31, 5, options, 2))).toThrow(/another seed/);
    expect(() => load(values, make(29, 4, options))).toThrow(DataError);
  });
});

describe("class-balanced sampling", () => {
  // 12 labels of class 0, 3 of class 1, 1 of class 2.
  const y = range(40).map((i) => (i < 12 ? 0 : i < 15 ? 1 : i < 16 ? 2 : -1));
  const split = { labeled: range(16), unlabeled: range(40), y };
  const balanced = (kind: "two-stream" | "labeled", seed = 1) =>
    createSampler(
      split,
      { kind, batch: kind === "labeled" ? 4 : 9, labeledBatch: 4, classBalanced: true },
      Rng.fromSeed(seed),
    );

  it.each(["two-stream", "labeled"] as const)(
    "%s: every class as often as every other, whatever its labels",
    (kind) => {
      const rows = take(balanced(kind), 60).flatMap(({ labeled }) => [...labeled]);
      expect(rows).toHaveLength(240);
      for (let round = 0; round < 240; round += 3) {
        expect(
          rows
            .slice(round, round + 3)
            .map((i) => y[i]!)
            .sort(),
        ).toEqual([0, 1, 2]);
      }
      const counts = (k: number) =>
        range(16)
          .filter((i) => y[i] === k)
          .map((i) => rows.filter((row) => row === i).length);
      for (const n of counts(0)) expect(Math.abs(n - 80 / 12)).toBeLessThan(1);
      for (const n of counts(1)) expect(Math.abs(n - 80 / 3)).toBeLessThan(1);
      expect([...counts(2)]).toEqual([80]);
      // The classes come in no fixed order.
      const orders = new Set(
        Array.from({ length: 80 }, (_, r) =>
          rows
            .slice(3 * r, 3 * r + 3)
            .map((i) => y[i])
            .join(),
        ),
      );
      expect(orders.size).toBe(6);
    },
  );

  it("leaves the unlabeled stream as it is, and is off by default", () => {
    const plain = createSampler(split, { kind: "two-stream", batch: 9, labeledBatch: 4 }, Rng.fromSeed(1));
    const [a, b] = [take(balanced("two-stream"), 20), take(plain, 20)];
    expect(a.map(({ unlabeled }) => unlabeled)).toEqual(b.map(({ unlabeled }) => unlabeled));
    expect(b.flatMap(({ labeled }) => [...labeled]).filter((i) => y[i] === 2).length).toBe(5); // 80 rows of 16
  });

  it.each([0, 1, 5, 31])("goes on after %i batches exactly where it was", (at) => {
    const [whole, first, second] = [balanced("two-stream"), balanced("two-stream"), balanced("two-stream")];
    const wanted = take(whole, at + 20).slice(at);
    take(first, at);
    second.loadStateDict(json(first.stateDict()));
    expect(take(second, 20)).toEqual(wanted);
    expect(second.epoch).toBe(whole.epoch);
  });

  it("refuses the mixed sampler, and a state that was saved without it", () => {
    expect(() =>
      createSampler(split, { kind: "mixed", batch: 9, labeledBatch: 4, classBalanced: true }, Rng.fromSeed(1)),
    ).toThrow(UsageError);
    const plain = createSampler(split, { kind: "two-stream", batch: 9, labeledBatch: 4 }, Rng.fromSeed(1));
    expect(() => balanced("two-stream").loadStateDict(json(plain.stateDict()))).toThrow(/not class-balanced/);
  });
});
