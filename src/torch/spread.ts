/** How the rows of a batch are shared out among processes: row j of process `rank` is row j size + rank of the whole batch. */
export interface Spread {
  readonly rank: number;
  readonly size: number;
}

/** Of something that one process has whole, or every process alike. */
export const whole: Spread = { rank: 0, size: 1 };

/** Where row `row` of this process lies in the whole batch: what its random draws are named by. */
export function placeInBatch(row: number, { rank, size }: Spread): number {
  return row * size + rank;
}

/** Those of `rows` (a whole batch's) that are this process's. */
export function ownRows(rows: Int32Array, { rank, size }: Spread): Int32Array {
  return size === 1 ? rows : rows.filter((_, i) => i % size === rank);
}
