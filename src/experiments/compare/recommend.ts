/** What the folds say: errors with intervals, paired differences, and one recommendation. */
import { type PairedTest, pairedTest, spreadOf } from "../../statistics.js";

export interface Measured {
  readonly method: string;
  readonly label: string;
  /** By fold, in percent; of the folds that are done. */
  readonly errors: readonly number[];
  /** Mean of a run. */
  readonly seconds: number;
  readonly steps: number;
}

export interface Ranked extends Measured {
  readonly mean: number;
  /** Half of the 95 % interval; NaN of one fold. */
  readonly half95: number;
  /** Against the lowest mean, over folds; undefined for that one, and where folds are missing. */
  readonly behind?: PairedTest;
  readonly complete: boolean;
}

export interface Recommendation {
  readonly method: string;
  readonly reason: string;
}

export interface Ranking {
  readonly rows: readonly Ranked[];
  readonly recommendation?: Recommendation;
}

/** Runs that take no longer than this many times the cheapest are about as cheap: the clock of a busy machine decides nothing. */
const ABOUT = 2;

/**
 * Recommends, of the methods that are not shown to be worse than the one with the lowest mean error, the cheapest; of those about as cheap
 * the one with the lowest mean. Shown: the 95 % interval of the paired difference leaves 0 out. Folds share training pictures, so a variance of a mean is (1/n + 1/(n - 1)) times that of a fold
 * (Nadeau, Bengio: Inference for the Generalization Error, Machine Learning 52 (2003), eq. 9, with n_test/n_train = 1/(n - 1)).
 */
export function rank(measured: readonly Measured[], folds: number): Ranking {
  const shared = sharedBy(folds);
  const done = measured.filter(({ errors }) => errors.length > 0);
  const complete = done.filter(({ errors }) => errors.length === folds);
  const meanOf = ({ errors }: Measured) => spreadOf(errors).mean;
  const best = complete.reduce<Measured | undefined>(
    (a, b) => (a === undefined || meanOf(b) < meanOf(a) ? b : a),
    undefined,
  );
  const rows = done.map((one): Ranked => {
    const { mean, half95 } = spreadOf(one.errors, shared);
    const whole = one.errors.length === folds;
    const compared = best !== undefined && whole && one !== best;
    return {
      ...one,
      mean,
      half95,
      complete: whole,
      ...(compared && { behind: pairedTest(one.errors, best.errors, shared) }),
    };
  });
  if (best === undefined) return { rows };
  const candidates = rows.filter((row) => row.complete).sort((a, b) => a.seconds - b.seconds);
  const lowest = candidates.find(({ method }) => method === best.method)!;
  const good = candidates.filter(({ behind }) => behind === undefined || !shownWorse(behind));
  const chosen = good
    .filter(({ seconds }) => seconds <= ABOUT * good[0]!.seconds)
    .reduce((a, b) => (b.mean < a.mean ? b : a));
  return { rows, recommendation: { method: chosen.method, reason: reasonOf(chosen, lowest, candidates, folds) } };
}

/** n_test / n_train. */
export const sharedBy = (folds: number) => 1 / (folds - 1);

export function shownWorse({ difference, half95 }: PairedTest): boolean {
  return difference - half95 > 0;
}

function reasonOf(chosen: Ranked, lowest: Ranked, candidates: readonly Ranked[], folds: number): string {
  const percent = (value: number) => `${value.toFixed(1)} %`;
  const points = ({ difference, half95 }: PairedTest) => `${difference.toFixed(1)} ± ${half95.toFixed(1)} points`;
  if (candidates.length === 1)
    return `it is the only one that finished all ${folds} folds: error ${percent(chosen.mean)}`;
  const worse = candidates
    .filter(({ seconds, behind }) => seconds < chosen.seconds && behind !== undefined && shownWorse(behind))
    .map((one) => `${one.method} (${percent(one.mean)}, ${points(one.behind!)} above the lowest)`);
  const cheaper = worse.length === 0 ? "" : `; cheaper, and shown to be worse: ${worse.join(", ")}`;
  if (chosen !== lowest) {
    return (
      `the lowest error is that of ${lowest.method}, ${percent(lowest.mean)} against ${percent(chosen.mean)}, but over ${folds} folds the difference of ` +
      `${points(chosen.behind!)} is not shown to be more than chance, so the cheaper one is recommended${cheaper}`
    );
  }
  const others = candidates.filter(({ behind }) => behind !== undefined);
  const unclear = others.filter(({ behind }) => !shownWorse(behind!)).map(({ method }) => method);
  const clear =
    unclear.length === 0
      ? "every other one is shown to be worse"
      : `no difference is shown to ${unclear.join(", ")}, none of which is clearly cheaper`;
  return `it has the lowest error over ${folds} folds, ${percent(chosen.mean)}; ${clear}${cheaper}`;
}
