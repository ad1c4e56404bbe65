import { afterEach, expect, test } from "vitest";
import { philox, Rng } from "../../src/rng.js";
import {
  addGaussianNoise,
  dropout,
  noGrad,
  normal,
  ones,
  scope,
  setThreads,
  type Tensor,
  tensor,
  uniform,
} from "../../src/torch/index.js";
import { describeEngine } from "../support/engine.js";
import "../support/matchers.js";

const numbers = (f: () => Tensor) => scope(() => f().toNumbers());
const mean = (v: readonly number[]) => v.reduce((a, b) => a + b, 0) / v.length;
const moment = (v: readonly number[], k: number) => mean(v.map((x) => x ** k));
const fresh = () => Rng.fromSeed(11);

/** Word w of a block of generator `rng`. */
const word = (rng: Rng, block: number, w: number) =>
  philox(rng.key[0], rng.key[1], block >>> 0, Math.floor(block / 2 ** 32), 0, 0)[w]!;

/** Whether element e survives: 128 draws of 16 bits from 16 blocks, the lower halves of all words first. */
function keeps(rng: Rng, first: number, e: number, p: number): boolean {
  const [group, i] = [Math.floor(e / 128), e % 128];
  const half = Math.floor(i / 16);
  const bits = word(rng, first + group * 16 + (i % 16), half % 4);
  return (half < 4 ? bits & 0xffff : bits >>> 16) >= Math.round(p * 65536);
}

/** Word that serves element e of a fill: 64 numbers from 16 blocks. */
function wordOf(rng: Rng, first: number, e: number, shift = 0): number {
  const i = e % 64;
  return word(rng, first + Math.floor(e / 64) * 16 + (i % 16), Math.floor(i / 16) + shift);
}

function slowNormal(rng: Rng, first: number, e: number): number {
  const second = Math.floor((e % 64) / 16) % 2; // words 0 and 1 make the first two of four, words 2 and 3 the others
  const u = ((wordOf(rng, first, e, -second) >>> 8) + 1) / 2 ** 24;
  const angle = (2 * Math.PI * (wordOf(rng, first, e, 1 - second) >>> 8)) / 2 ** 24;
  return Math.sqrt(-2 * Math.log(u)) * (second ? Math.sin(angle) : Math.cos(angle));
}

describeEngine("random kernels", () => {
  afterEach(() => setThreads(1));

  test("dropout keeps exactly the elements whose Philox draw says so, and scales them by 1 / (1 - p)", () => {
    for (const p of [0.1, 0.5, 0.9]) {
      const rng = fresh();
      rng.uint32(); // the kernel starts at the next whole block
      const got = numbers(() => dropout(ones([300]), p, rng));
      const want = got.map((_, e) => (keeps(rng, 1, e, p) ? Math.fround(1 / (1 - p)) : 0));
      expect(got).toEqual(want);
    }
  });

  test("the block counter passes 2^32", () => {
    const first = 2 ** 32 - 5;
    const rng = new Rng({ key: [3, 4], drawn: first * 4 });
    const got = numbers(() => dropout(ones([128]), 0.5, rng));
    expect(got).toEqual(got.map((_, e) => (keeps(rng, first, e, 0.5) ? 2 : 0)));
  });

  test("dropout has the share of zeros, mean and variance that its p asks for", () => {
    const n = 200_000;
    for (const p of [0.25, 0.5]) {
      const v = numbers(() => dropout(ones([n]), p, fresh()));
      const tolerance = 5 / Math.sqrt(n);
      expect(Math.abs(v.filter((x) => x === 0).length / n - p)).toBeLessThan(tolerance);
      expect(Math.abs(mean(v) - 1)).toBeLessThan(tolerance * 2);
      expect(Math.abs(moment(v, 2) - 1 - p / (1 - p))).toBeLessThan(tolerance * 5);
    }
  });

  test("the gradient of dropout is its mask, also in bfloat16 and channels_last", () => {
    for (const dtype of ["float32", "bfloat16"] as const) {
      scope(() => {
        const x = ones([3, 5, 4, 7]).contiguous("channelsLast").to(dtype).requiresGrad_();
        const y = dropout(x, 0.5, fresh());
        y.sum().backward();
        expect(x.grad!.toNumbers()).toEqual(y.toNumbers());
        expect(new Set(y.toNumbers())).toEqual(new Set([0, 2]));
      });
    }
  });

  test("p = 0 keeps all, p = 1 nothing, forward and backward; other p are errors", () => {
    scope(() => {
      const data = Float32Array.from({ length: 500 }, (_, i) => i - 250);
      const x = tensor(data, [500]).requiresGrad_();
      expect(dropout(x, 0, fresh()).toNumbers()).toEqual(Array.from(data));
      const none = dropout(x, 1, fresh());
      none.sum().backward();
      expect(new Set([...none.toNumbers(), ...x.grad!.toNumbers()].map(Math.abs))).toEqual(new Set([0]));
      expect(() => dropout(x, 1.5, fresh())).toThrow(/0\.\.1/);
    });
  });

  test("any number of threads gives the same bits", () => {
    const kernels: ((rng: Rng) => Tensor)[] = [
      (rng) => dropout(ones([50_001]), 0.3, rng),
      (rng) => dropout(ones([50_001]).to("bfloat16"), 0.3, rng),
      (rng) => addGaussianNoise(ones([50_001]), 0.5, rng),
      (rng) => normal([50_001], 0, 1, rng),
      (rng) => uniform([50_001], 0, 1, rng),
    ];
    for (const kernel of kernels) {
      const [one, two, three] = [1, 2, 3].map((threads) => {
        setThreads(threads);
        return numbers(() => kernel(fresh()));
      });
      expect(two).toEqual(one);
      expect(three).toEqual(one);
    }
  });

  test("one pass over a long tensor equals the stream: reserving moves the generator past what was used", () => {
    const rng = fresh();
    const [a, b] = [numbers(() => dropout(ones([100]), 0.5, rng)), numbers(() => dropout(ones([100]), 0.5, rng))];
    expect(a).not.toEqual(b);
    const long = numbers(() => dropout(ones([256]), 0.5, fresh()));
    expect([a, b]).toEqual([long.slice(0, 100), long.slice(128, 228)]);
  });

  test("draws follow memory order: a transposed input is masked in its own row order, channels_last in channel order", () => {
    const flat = numbers(() => dropout(ones([6 * 50]), 0.5, fresh()));
    const crossed = numbers(() => dropout(ones([50, 6]).transpose(0, 1), 0.5, fresh()));
    expect(crossed).toEqual(flat);
    const last = numbers(() =>
      dropout(ones([1, 6, 5, 10]).contiguous("channelsLast"), 0.5, fresh()).permute([0, 2, 3, 1]),
    );
    expect(last).toEqual(flat);
    const part = numbers(() => dropout(ones([20, 100]).narrow(1, 10, 15), 0.5, fresh()));
    expect(part).toEqual(flat);
  });

  test("float64 gets the same mask", () => {
    const single = numbers(() => dropout(ones([300]), 0.5, fresh()));
    expect(numbers(() => dropout(ones([300], { dtype: "float64" }), 0.5, fresh()))).toEqual(single);
  });

  test("normal equals Box-Muller of the Philox words", () => {
    const rng = fresh();
    const got = numbers(() => normal([200], 1, 2, rng));
    expect(got).toBeCloseToTensor(
      got.map((_, e) => 1 + 2 * slowNormal(rng, 0, e)),
      { rtol: 1e-5, atol: 1e-5 },
    );
  });

  test("normal has the moments of a normal", () => {
    const n = 200_000;
    const v = numbers(() => normal([n], 0, 1, fresh()));
    const near = (k: number, want: number, deviation: number) =>
      expect(Math.abs(moment(v, k) - want), `moment ${k}`).toBeLessThan((5 * deviation) / Math.sqrt(n));
    near(1, 0, 1);
    near(2, 1, Math.sqrt(2));
    near(3, 0, Math.sqrt(15));
    near(4, 3, Math.sqrt(96));
    expect(v.every((x) => Math.abs(x) < 6)).toBe(true);
    expect(Math.abs(mean(v.slice(16).map((x, i) => x * v[i]!)))).toBeLessThan(5 / Math.sqrt(n));
  });

  test("Gaussian noise adds those normals, with the identity as its gradient", () => {
    scope(() => {
      const x = uniform([2, 3, 4, 4], 0, 1, Rng.fromSeed(1));
      const noise = normal([96], 0, 0.5, fresh());
      const quiet = noGrad(() => addGaussianNoise(x, 0.5, fresh()));
      expect(quiet).toBeCloseToTensor(x.add(noise.reshape([2, 3, 4, 4])));
      const leaf = x.clone().requiresGrad_();
      const loud = addGaussianNoise(leaf, 0.5, fresh());
      expect(loud).toBeCloseToTensor(quiet);
      loud.sum().backward();
      expect(new Set(leaf.grad!.toNumbers())).toEqual(new Set([1]));
    });
  });

  test("uniform is the upper 24 bits of each word, scaled to [low, high)", () => {
    const rng = fresh();
    const got = numbers(() => uniform([150], 0, 1, rng));
    expect(got).toEqual(got.map((_, e) => (wordOf(rng, 0, e) >>> 8) / 2 ** 24));
    const wide = numbers(() => uniform([100_000], -3, 5, fresh()));
    expect(wide.every((v) => v >= -3 && v < 5)).toBe(true);
    expect(Math.abs(mean(wide) - 1)).toBeLessThan((5 * 8) / Math.sqrt(12 * 100_000));
  });
});
