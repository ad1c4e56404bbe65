/** Ramp-downs: 1 until the last `length` units of a run of `total`, then falling. */

/**
 * exp(-12.5 (1 - max(0, total - x) / length)^2) once x >= total - length, 1 before. Starts at 1, ends at
 * e^-12.5 = 3.7e-6 for x >= total. `length` 0 is 1 everywhere (the formula would be 0 / 0 at x = total).
 *
 * @see Tarvainen & Valpola, arXiv:1703.01780, appendix B; docs/schedules-and-losses.md
 */
export function sigmoidDown(x: number, length: number, total: number): number {
  if (length === 0 || x < total - length) return 1;
  const gone = 1 - Math.max(0, total - x) / length;
  return Math.exp(-12.5 * gone * gone);
}

/**
 * exp(-(0.5 d)^2 / length) with d = x - (total - length) once d >= 0, 1 before: Temporal Ensembling's form, in epochs.
 * Starts at 1, ends at exp(-length / 4); the same as `sigmoidDown` when length is 50. `length` 0 is 1 everywhere.
 *
 * @see Laine & Aila, arXiv:1610.02242, appendix A; docs/schedules-and-losses.md
 */
export function teDown(x: number, length: number, total: number): number {
  const d = x - (total - length);
  return length === 0 || d < 0 ? 1 : Math.exp(-((0.5 * d) ** 2) / length);
}
