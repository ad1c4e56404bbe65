/** Something that is done when a time is over, however long that is. */

/** A timer takes so many milliseconds, some 25 days; with more it goes off at once. */
const LONGEST_MS = 2 ** 31 - 1;

/** Calls `late` when `secondsLeft()` has come down to 0; returns what takes it back. */
export function whenOver(secondsLeft: () => number, late: () => void): () => void {
  let timer: NodeJS.Timeout | undefined;
  const wait = () => {
    timer = setTimeout(
      () => (secondsLeft() > 0 ? wait() : late()),
      Math.min(LONGEST_MS, Math.max(0, Math.ceil(1000 * secondsLeft()))),
    );
  };
  wait();
  return () => clearTimeout(timer);
}
