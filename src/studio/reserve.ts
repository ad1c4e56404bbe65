/**
 * The honest test set. Some pictures are drawn at random, before anybody has seen them, and put in a row; they never train and are never
 * suggested for training. One in five pictures that a person is asked about is the next of that row. The first of them that all have an
 * answer are a sample drawn at random of all pictures, whatever else was labeled in between.
 */
import type { Rng } from "../rng.js";
import type { Answer } from "./answers.js";

/** More would make the interval hardly narrower, and cost labels. */
const MOST = 500;

/** Names, in the order in which they are asked: round(share n) of the n pictures that have no label yet, `MOST` at the most. */
export function drawReserve(open: readonly string[], share: number, rng: Rng): string[] {
  const order = rng.split("reserve").shuffle([...open]);
  return order.slice(0, Math.min(MOST, Math.round(share * open.length)));
}

export interface TestSet {
  /** Pictures with a label. */
  readonly rows: readonly { readonly name: string; readonly class: string }[];
  /** Pictures that belong into no class, and that were skipped: they are in the sample, but not in the error. */
  readonly none: number;
  readonly skipped: number;
}

/** The beginning of the row up to the first picture without an answer; pictures that are no longer there are passed over. */
export function testSet(
  reserve: readonly string[],
  isThere: (name: string) => boolean,
  answerOf: (name: string) => Answer | undefined,
): TestSet {
  const rows: { name: string; class: string }[] = [];
  let [none, skipped] = [0, 0];
  for (const name of reserve) {
    if (!isThere(name)) continue;
    const answer = answerOf(name);
    if (answer === undefined) break;
    if (answer.kind === "label") rows.push({ name, class: answer.class });
    else if (answer.kind === "none") none++;
    else skipped++;
  }
  return { rows, none, skipped };
}
