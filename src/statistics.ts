/** Median, mean, spread, intervals and paired comparisons of a handful of numbers; NaN where there are none. */

/** The `q` quantile, 0..1, by linear interpolation between neighbors. */
export function quantile(values: ArrayLike<number>, q: number): number {
  const sorted = Float64Array.from(values).sort();
  const at = (sorted.length - 1) * q;
  const [low, high] = [sorted[Math.floor(at)] ?? Number.NaN, sorted[Math.ceil(at)] ?? Number.NaN];
  return low + (high - low) * (at - Math.floor(at));
}

/** The middle one, or the mean of the two in the middle. */
export function median(values: ArrayLike<number>): number {
  const sorted = Float64Array.from(values).sort();
  const middle = sorted.length >> 1;
  if (sorted.length === 0) return Number.NaN;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Standard deviation of a sample: the squares are divided by n - 1; 0 for one value. */
export function spread(values: readonly number[]): number {
  if (values.length === 0) return Number.NaN;
  const center = mean(values);
  return Math.sqrt(values.reduce((sum, value) => sum + (value - center) ** 2, 0) / Math.max(1, values.length - 1));
}

export interface Share {
  /** Hits of n; NaN for n = 0, where the interval is 0 .. 1. */
  readonly share: number;
  readonly low: number;
  readonly high: number;
}

/** A share and its 95 % interval by Wilson's score (JASA 22, 1927, p. 209): never empty, never outside 0 .. 1, also of 0 hits and of few. */
export function wilson(hits: number, n: number): Share {
  if (n === 0) return { share: Number.NaN, low: 0, high: 1 };
  const z2 = 1.959964 ** 2;
  const share = hits / n;
  const center = (share + z2 / (2 * n)) / (1 + z2 / n);
  const half = Math.sqrt(z2 * ((share * (1 - share)) / n + z2 / (4 * n * n))) / (1 + z2 / n);
  return { share, low: hits === 0 ? 0 : center - half, high: hits === n ? 1 : center + half };
}

export interface Spread {
  readonly n: number;
  readonly mean: number;
  /** Sample standard deviation, denominator n - 1; NaN for one value. */
  readonly sd: number;
  /** Half of the 95 % interval of the mean, by Student's t; NaN for one value. */
  readonly half95: number;
}

/**
 * Mean, standard deviation and interval of at least one value; NaN where there is none. `shared`: n_test / n_train where the values come of
 * folds that share training examples; the variance of the mean is then sd^2 (1 / n + shared) (Nadeau and Bengio, Machine Learning 52, 2003).
 */
export function spreadOf(values: readonly number[], shared = 0): Spread {
  const n = values.length;
  const sd = n > 1 ? spread(values) : Number.NaN;
  return {
    n,
    mean: mean(values),
    sd,
    half95: n > 1 ? tQuantile(0.975, n - 1) * sd * Math.sqrt(1 / n + shared) : Number.NaN,
  };
}

export interface PairedTest {
  readonly n: number;
  /** Mean of first minus second. */
  readonly difference: number;
  readonly half95: number;
  /** Two-sided p of the paired t test; NaN for fewer than two pairs. */
  readonly pT: number;
  /** Two-sided p of the exact sign-flip test of the mean difference; NaN for more than 20 pairs. */
  readonly pSignFlip: number;
}

/** Compares two arms seed by seed: `first[i]` and `second[i]` share everything but the arm. `shared` as in `spreadOf`; pSignFlip does not know it. */
export function pairedTest(first: readonly number[], second: readonly number[], shared = 0): PairedTest {
  const differences = first.map((value, i) => value - second[i]!);
  const { n, mean: difference, sd, half95 } = spreadOf(differences, shared);
  // Without spread there is no t: equal arms are no evidence, a constant difference is as much as can be.
  const pT =
    n < 2
      ? Number.NaN
      : sd === 0
        ? difference === 0
          ? 1
          : 0
        : tTwoSided(difference / sd / Math.sqrt(1 / n + shared), n - 1);
  return { n, difference, half95, pT, pSignFlip: signFlip(differences) };
}

/** The share of the 2^n ways to swap the arms of a pair whose mean difference is at least as large. */
function signFlip(differences: readonly number[]): number {
  const n = differences.length;
  if (n === 0 || n > 20) return Number.NaN;
  const seen = Math.abs(differences.reduce((sum, value) => sum + value, 0));
  let extreme = 0;
  for (let signs = 0; signs < 2 ** n; signs++) {
    let sum = 0;
    for (let i = 0; i < n; i++) sum += (signs >> i) & 1 ? differences[i]! : -differences[i]!;
    if (Math.abs(sum) >= seen - 1e-9 * Math.max(1, seen)) extreme++;
  }
  return extreme / 2 ** n;
}

/** P(|T| >= |t|) with `df` degrees of freedom. */
export function tTwoSided(t: number, df: number): number {
  return incompleteBeta(df / (df + t * t), df / 2, 0.5);
}

/** The t with P(T <= t) = p, for p in (0.5, 1), by bisection. */
export function tQuantile(p: number, df: number): number {
  let [low, high] = [0, 1];
  const above = (t: number) => tTwoSided(t, df) / 2 > 1 - p;
  while (above(high)) high *= 2;
  for (let i = 0; i < 200 && high - low > 1e-12 * high; i++) {
    const middle = (low + high) / 2;
    if (above(middle)) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** Regularized incomplete beta function, by its continued fraction (Lentz's method). */
function incompleteBeta(x: number, a: number, b: number): number {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  if (x > (a + 1) / (a + b + 2)) return 1 - incompleteBeta(1 - x, b, a);
  const front = Math.exp(a * Math.log(x) + b * Math.log(1 - x) + logGamma(a + b) - logGamma(a) - logGamma(b)) / a;
  const tiny = 1e-300;
  const guard = (value: number) => (Math.abs(value) < tiny ? tiny : value);
  let c = 1;
  let d = 1 / guard(1 - ((a + b) * x) / (a + 1));
  let fraction = d;
  for (let m = 1; m < 500; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / guard(1 + even * d);
    c = guard(1 + even / c);
    fraction *= c * d;
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / guard(1 + odd * d);
    c = guard(1 + odd / c);
    fraction *= c * d;
    if (Math.abs(c * d - 1) < 1e-15) break;
  }
  return front * fraction;
}

/** ln Gamma(x) for x > 0: Stirling's series after moving x above 10. */
function logGamma(x: number): number {
  let shift = 0;
  let at = x;
  for (; at < 10; at++) shift -= Math.log(at);
  const inverse = 1 / (at * at);
  const series = (1 / 12 - inverse * (1 / 360 - inverse * (1 / 1260 - inverse / 1680))) / at;
  return shift + (at - 0.5) * Math.log(at) - at + 0.5 * Math.log(2 * Math.PI) + series;
}
