/** Training signal annealing: labeled rows that the network has already learned stop teaching it, early on. */

export const TSA_SCHEDULES = ["none", "linear", "exp", "log"] as const;

export type TsaSchedule = (typeof TSA_SCHEDULES)[number];

/**
 * The largest probability of the correct class with which a labeled row still counts at progress r = step / totalSteps:
 * 1/K + (1 - 1/K) c(r), with c(r) = r (`linear`), e^(5 (r - 1)) (`exp`: most of the release at the end) or 1 - e^(-5 r)
 * (`log`: most at the start). `none` is 1. r is clipped to 0 .. 1; `exp` starts at c = 0.0067 and `log` ends at 0.9933.
 *
 * @see Xie et al., arXiv:1904.12848, training signal annealing; golden values in the tests
 */
export function tsaThreshold(schedule: TsaSchedule, r: number, numClasses: number): number {
  const x = Math.min(Math.max(r, 0), 1);
  const released = { none: 1, linear: x, exp: Math.exp(5 * (x - 1)), log: 1 - Math.exp(-5 * x) }[schedule];
  return 1 / numClasses + (1 - 1 / numClasses) * released;
}
