/** Which pictures an answer is for, and which have one that the server has not told of yet. */

/** Of the chosen pictures those that are shown, in the order of the list. */
export function chosenOf(selected: ReadonlySet<number>, list?: readonly number[]): readonly number[] {
  return list ? list.filter((row) => selected.has(row)) : [...selected];
}

/**
 * Of the pictures answered on this page those that the server still has open. What it has told of goes by its codes from then on: a picture
 * that somebody opens again is open here as well. The same set where nothing has changed.
 */
export function untold(answered: ReadonlySet<number>, codes: ArrayLike<number>): ReadonlySet<number> {
  const left = [...answered].filter((row) => codes[row] === -1);
  return left.length === answered.size ? answered : new Set(left);
}
