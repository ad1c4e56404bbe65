/** Ramp-ups: from (nearly) 0 to 1 over the first `length` units of `x`. Units are the caller's: steps or epochs. */

/**
 * exp(-5 (1 - x / length)^2), with x clipped to 0 .. length. Starts at e^-5 = 0.0067, not at 0; reaches 1 at
 * `length` and stays there; `length` 0 is 1 everywhere.
 *
 * @see Laine & Aila, arXiv:1610.02242, appendix A; docs/schedules-and-losses.md
 */
export function sigmoidUp(x: number, length: number): number {
  if (length === 0) return 1;
  const rest = 1 - Math.min(Math.max(x, 0), length) / length;
  return Math.exp(-5 * rest * rest);
}

/** x / length: 0 at x = 0 (and before), 1 from `length` on; `length` 0 is 1 everywhere. */
export function linearUp(x: number, length: number): number {
  return length === 0 || x >= length ? 1 : Math.max(x, 0) / length;
}

/** 0 while x < length, then 1. */
export function stepUp(x: number, length: number): number {
  return x < length ? 0 : 1;
}

/** 0.5 (1 - cos(pi x / length)): 0 at x = 0 (and before), 1 from `length` on; `length` 0 is 1 everywhere. AdaMatch. */
export function cosineUp(x: number, length: number): number {
  return length === 0 ? 1 : 0.5 * (1 - Math.cos((Math.PI * Math.min(Math.max(x, 0), length)) / length));
}

/** 0 before `start`, then linear, 1 from `end` on; where the two are equal, a step. Lee's alpha(t). */
export function linearBetween(x: number, start: number, end: number): number {
  return x < start ? 0 : linearUp(x - start, Math.max(0, end - start));
}
