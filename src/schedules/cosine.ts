/** Cosine decays. */

/**
 * 0.5 (1 + cos(pi x / length)): 1 at x = 0, 0 at x = length. x is clipped to 0 .. length, so that it never rises again.
 * `length` 0 is 1.
 */
export function cosHalf(x: number, length: number): number {
  if (length === 0) return 1;
  return 0.5 * (1 + Math.cos((Math.PI * Math.min(Math.max(x, 0), length)) / length));
}

/** cos(7 pi x / (16 total)): 1 at x = 0, 0.1951 at x = total (and after). `total` 0 is 1. UDA, FixMatch. */
export function cos7_16(x: number, total: number): number {
  return total === 0 ? 1 : Math.cos((7 * Math.PI * Math.min(Math.max(x, 0), total)) / (16 * total));
}
