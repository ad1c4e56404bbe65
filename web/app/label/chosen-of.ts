/** Which pictures an answer is for. */

/** Of the chosen pictures those that are shown, in the order of the list. */
export function chosenOf(selected: ReadonlySet<number>, list?: readonly number[]): readonly number[] {
  return list ? list.filter((row) => selected.has(row)) : [...selected];
}
