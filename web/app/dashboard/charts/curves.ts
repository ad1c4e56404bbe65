/** Curves: what a page keeps of them, smoothing, and thinning to what a screen can show. */

/** Ascending steps and their values; NaN where the run had no finite number. */
export interface Curve {
  readonly steps: Float64Array;
  readonly values: Float64Array;
}

export const emptyCurve: Curve = { steps: new Float64Array(0), values: new Float64Array(0) };

/** `curve` cut to its first `from` points, with the new ones behind. */
export function extended(curve: Curve, from: number, steps: Float64Array, values: Float64Array): Curve {
  const joined = (a: Float64Array, b: Float64Array) => {
    const all = new Float64Array(from + b.length);
    all.set(a.subarray(0, from));
    all.set(b, from);
    return all;
  };
  return { steps: joined(curve.steps, steps), values: joined(curve.values, values) };
}

/**
 * Exponential mean with its start corrected (as Adam does it): s = beta s + (1 - beta) v, shown as s / (1 - beta^n). A constant stays that
 * constant, the first point is the first value, and what is not finite is left out of the mean.
 */
export function smoothed({ steps, values }: Curve, beta: number): Curve {
  if (beta <= 0) return { steps, values };
  const out = new Float64Array(values.length);
  let [sum, weight] = [0, 0];
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (Number.isFinite(value)) {
      sum = beta * sum + (1 - beta) * value;
      weight = beta * weight + (1 - beta);
    }
    out[i] = Number.isFinite(value) ? sum / weight : Number.NaN;
  }
  return { steps, values: out };
}

/** First index with steps[i] >= step. */
export function lowerBound(steps: Float64Array, step: number): number {
  let [low, high] = [0, steps.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (steps[middle]! < step) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** First index with steps[i] > step. */
function upperBound(steps: Float64Array, step: number): number {
  const at = lowerBound(steps, step);
  return steps[at] === step ? at + 1 : at;
}

/** A common axis and, for each curve, its values on it: null where it has no point there. */
export interface Aligned {
  readonly steps: number[];
  readonly values: (number | null)[][];
}

/**
 * The curves between `from` and `to` on one axis. As they are, where that takes at most `buckets` different steps for each curve; otherwise
 * each of `buckets` stretches has two places, for the least and the greatest value in it, in the order they come: no spike is lost. Stretches are
 * as long as each other on the axis: with `log` (`from` above 0) each is by the same factor further on. The nearest point beyond each edge
 * keeps its own step.
 */
export function aligned(
  curves: readonly Curve[],
  from: number,
  to: number,
  buckets: number,
  { log = false }: { readonly log?: boolean } = {},
): Aligned {
  const ranges = curves.map(({ steps }) => {
    // One point beyond each side, so that lines go on to the edge.
    const [first, end] = [lowerBound(steps, from), lowerBound(steps, to)];
    return [Math.max(0, first - 1), Math.min(steps.length, end + 2)] as const;
  });
  if (ranges.every(([first, end]) => end - first <= 2 * buckets)) return joined(curves, ranges);
  const [place, step] = log ? [Math.log, Math.exp] : [Number, Number];
  const width = (place(to) - place(from)) / buckets || 1;
  const steps = Array.from({ length: 2 * buckets }, (_, i) => step(place(from) + ((i + 0.5) / 2) * width));
  const stretchOf = (at: number) => Math.min(buckets - 1, Math.floor((place(at) - place(from)) / width));
  const within = curves.map((curve) => [lowerBound(curve.steps, from), upperBound(curve.steps, to)] as const);
  const beyond = (indexOf: (k: number) => number) => {
    const own = curves.map((curve, k) => curve.steps[indexOf(k)] ?? Number.NaN);
    const places = [...new Set(own)].filter((at) => (log ? at > 0 : !Number.isNaN(at))).sort((a, b) => a - b);
    const ownValue = (k: number) => curves[k]!.values[indexOf(k)] ?? Number.NaN;
    const shown = (k: number, at: number) => (own[k] === at && !Number.isNaN(ownValue(k)) ? ownValue(k) : null);
    return { places, of: (k: number) => places.map((at) => shown(k, at)) };
  };
  const [left, right] = [beyond((k) => within[k]![0] - 1), beyond((k) => within[k]![1])];
  const values = curves.map((curve, k) => [
    ...left.of(k),
    ...thinned(curve, within[k]!, stretchOf, buckets),
    ...right.of(k),
  ]);
  return { steps: [...left.places, ...steps, ...right.places], values };
}

function thinned(
  { steps, values }: Curve,
  [first, end]: readonly [number, number],
  stretchOf: (step: number) => number,
  buckets: number,
): (number | null)[] {
  const out: (number | null)[] = new Array(2 * buckets).fill(null);
  let [bucket, least, most, leastAt, mostAt] = [-1, 0, 0, 0, 0];
  const close = () => {
    if (bucket < 0 || bucket >= buckets) return;
    out[2 * bucket] = leastAt <= mostAt ? least : most;
    out[2 * bucket + 1] = leastAt <= mostAt ? most : least;
  };
  for (let i = first; i < end; i++) {
    const value = values[i]!;
    if (Number.isNaN(value)) continue;
    const own = stretchOf(steps[i]!);
    if (own < 0) continue;
    if (own !== bucket) {
      close();
      [bucket, least, most, leastAt, mostAt] = [own, value, value, i, i];
    } else if (value < least) [least, leastAt] = [value, i];
    else if (value > most) [most, mostAt] = [value, i];
  }
  close();
  return out;
}

function joined(curves: readonly Curve[], ranges: readonly (readonly [number, number])[]): Aligned {
  const places = new Map<number, number>();
  const all = new Set<number>();
  curves.forEach(({ steps }, k) => {
    for (let i = ranges[k]![0]; i < ranges[k]![1]; i++) all.add(steps[i]!);
  });
  const steps = [...all].sort((a, b) => a - b);
  for (const [place, step] of steps.entries()) places.set(step, place);
  const values = curves.map((curve, k) => {
    const own: (number | null)[] = new Array(steps.length).fill(null);
    for (let i = ranges[k]![0]; i < ranges[k]![1]; i++) {
      const value = curve.values[i]!;
      own[places.get(curve.steps[i]!)!] = Number.isNaN(value) ? null : value;
    }
    return own;
  });
  return { steps, values };
}
