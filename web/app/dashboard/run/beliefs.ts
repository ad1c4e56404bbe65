/** What the gallery says of each picture, computed from what the run recorded. */
import type { SeenPictures, SeenStep } from "../../../../src/web/dashboard/api.js";

export interface Guess {
  readonly class: number;
  readonly probability: number;
}

/** One unlabeled picture at one evaluation. */
export interface Seeing {
  /** Its place in the sheet. */
  readonly place: number;
  /** Position in the training set. */
  readonly index: number;
  /** True class, where the data set knows it. */
  readonly truth: number | undefined;
  /** The result's model, likeliest first. */
  readonly belief: readonly Guess[];
  /** What the other model takes it for, where there is one. */
  readonly other: Guess | undefined;
  /** Of the result's model, at every evaluation up to this one. */
  readonly history: readonly (Guess & { readonly step: number })[];
  readonly changed: boolean;
}

export const filters = ["all", "unsure", "changed its mind", "student and teacher disagree", "wrong"] as const;
export type Filter = (typeof filters)[number];

/** `steps`: evaluations in order; the last of them up to `step` is shown. */
export function seeings(pictures: SeenPictures, steps: readonly SeenStep[], step: number): Seeing[] {
  const until = steps.filter((one) => one.step <= step);
  const now = until.at(-1);
  const { predictor } = pictures;
  if (!now?.beliefs[predictor]) return [];
  const other = Object.keys(now.beliefs).find((role) => role !== predictor);
  const guess = (seen: SeenStep, role: string, place: number, rank = 0): Guess => {
    const at = place * seen.top + rank;
    return { class: seen.beliefs[role]!.classes[at]!, probability: seen.beliefs[role]!.probabilities[at]! };
  };
  return pictures.index.map((index, place) => {
    const history = until.flatMap((one) =>
      one.beliefs[predictor] ? [{ step: one.step, ...guess(one, predictor, place) }] : [],
    );
    const truth = pictures.truth[place] ?? -1;
    return {
      place,
      index,
      truth: truth < 0 ? undefined : truth,
      belief: Array.from({ length: now.top }, (_, rank) => guess(now, predictor, place, rank)),
      other: other === undefined ? undefined : guess(now, other, place),
      history,
      changed: new Set(history.map((one) => one.class)).size > 1,
    };
  });
}

/** `threshold`: below this probability the model is unsure. `predicted`: only those taken for this class. */
export function kept(
  all: readonly Seeing[],
  filter: Filter,
  threshold: number,
  predicted: number | undefined,
): readonly Seeing[] {
  const wanted = (one: Seeing): boolean => {
    const [best] = one.belief;
    if (!best || (predicted !== undefined && best.class !== predicted)) return false;
    switch (filter) {
      case "all":
        return true;
      case "unsure":
        return best.probability < threshold;
      case "changed its mind":
        return one.changed;
      case "student and teacher disagree":
        return one.other !== undefined && one.other.class !== best.class;
      case "wrong":
        return one.truth !== undefined && one.truth !== best.class;
    }
  };
  return all.filter(wanted);
}

export interface PseudoLabels {
  /** Pictures taken for each class: all, and those the model is sure of. */
  readonly taken: readonly number[];
  readonly counts: readonly number[];
  readonly sure: number;
  readonly all: number;
  /** Share of the sure ones that is right, among those whose true class is known; undefined where none is. */
  readonly precision: number | undefined;
  /** The class that has taken over, if one has. */
  readonly collapsed: number | undefined;
}

/** A class that this share of the pictures is taken for, and this many times its share of the labels, has taken over. */
const [COLLAPSE_SHARE, COLLAPSE_TIMES] = [0.5, 2];

export function pseudoLabels(all: readonly Seeing[], prior: readonly number[], threshold: number): PseudoLabels {
  const sure = all.filter(({ belief }) => (belief[0]?.probability ?? 0) >= threshold);
  const byClass = (some: readonly Seeing[]) =>
    prior.map((_, k) => some.filter(({ belief }) => belief[0]?.class === k).length);
  const [taken, counts] = [byClass(all), byClass(sure)];
  const known = sure.filter(({ truth }) => truth !== undefined);
  const right = known.filter(({ truth, belief }) => belief[0]!.class === truth).length;
  const collapsed = taken.findIndex((count, k) => {
    const share = count / Math.max(1, all.length);
    return all.length >= 10 && share > COLLAPSE_SHARE && share > COLLAPSE_TIMES * prior[k]!;
  });
  return {
    taken,
    counts,
    sure: sure.length,
    all: all.length,
    precision: known.length > 0 ? right / known.length : undefined,
    collapsed: collapsed < 0 ? undefined : collapsed,
  };
}
