/** Minimizes a smooth function of many numbers. */

export interface Smooth {
  readonly value: number;
  readonly gradient: Float64Array;
}

export interface LbfgsOptions {
  /** Pairs of steps and changes of the gradient that are kept. Default 10. */
  readonly memory?: number;
  /** Default 200. */
  readonly iterations?: number;
  /** Ends where no entry of the gradient is larger. Default 1e-6. */
  readonly tolerance?: number;
}

const dot = (a: Float64Array, b: Float64Array): number => {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
};
/** a + factor b */
const plus = (a: Float64Array, b: Float64Array, factor: number) => a.map((v, i) => v + factor * b[i]!);

/**
 * The limited-memory BFGS method with halving of steps until Armijo's condition holds. Returns where it came to.
 *
 * @see Nocedal and Wright, Numerical Optimization, Algorithm 7.4
 */
export function lbfgs(f: (x: Float64Array) => Smooth, start: Float64Array, options: LbfgsOptions = {}): Float64Array {
  const { memory = 10, iterations = 200, tolerance = 1e-6 } = options;
  const pairs: { s: Float64Array; y: Float64Array; sy: number }[] = [];
  let x = start;
  let now = f(x);
  for (let iteration = 0; iteration < iterations; iteration++) {
    if (now.gradient.every((g) => Math.abs(g) <= tolerance)) break;
    let q = now.gradient;
    const factors: number[] = [];
    for (const { s, y, sy } of pairs) {
      const factor = dot(s, q) / sy;
      factors.push(factor);
      q = plus(q, y, -factor);
    }
    const [newest] = pairs;
    const scale = newest ? newest.sy / dot(newest.y, newest.y) : 1 / Math.max(1, Math.sqrt(dot(q, q)));
    let step = q.map((v) => v * scale);
    for (let i = pairs.length - 1; i >= 0; i--) {
      const { s, y, sy } = pairs[i]!;
      step = plus(step, s, factors[i]! - dot(y, step) / sy);
    }
    const slope = -dot(now.gradient, step);
    if (slope >= 0) break; // no way down is left to rounding
    let length = 1;
    let there = plus(x, step, -length);
    let next = f(there);
    while (next.value > now.value + 1e-4 * length * slope && length > 1e-10) {
      length /= 2;
      there = plus(x, step, -length);
      next = f(there);
    }
    if (!(next.value < now.value)) break;
    const [s, y] = [plus(there, x, -1), plus(next.gradient, now.gradient, -1)];
    const sy = dot(s, y);
    if (sy > 1e-12 * dot(y, y)) pairs.unshift({ s, y, sy });
    if (pairs.length > memory) pairs.pop();
    [x, now] = [there, next];
  }
  return x;
}
