/** The words of `--device`. */
export const deviceNames = ["auto", "cpu", "cuda", "mps"] as const;

/** One GPU of several, by its number from 0. */
export const nthCard = /^cuda:\d{1,3}$/;
