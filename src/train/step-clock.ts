/** Times the steps of a run: medians, rate, time to go, and whether the machine has become busy. */

/** An interval this many times slower than the best one counts as slow ... */
const SLOW_FACTOR = 3;
/** ... and so many of them in a row are worth a warning. */
const SLOW_INTERVALS = 3;

export class StepClock {
  readonly #began = performance.now();
  readonly #spent: number;
  readonly #medianBefore: number;
  readonly #all: number[] = [];
  #interval: number[] = [];
  #phases: Record<string, number> = {};
  #started = 0;
  #marked = 0;
  #best = Number.POSITIVE_INFINITY;
  /** Last interval's median step over the best one's. */
  #ratio = 0;
  #slow = 0;
  #warned = false;

  /** What earlier parts of a resumed run took altogether, and the median of their steps (NaN: unknown). */
  constructor(spentSeconds = 0, medianBefore = Number.NaN) {
    this.#spent = spentSeconds;
    this.#medianBefore = medianBefore;
  }

  start(): void {
    this.#started = performance.now();
    this.#marked = this.#started;
  }
  /** Ends a phase of the step. */
  mark(phase: string): void {
    const now = performance.now();
    this.#phases[phase] = (this.#phases[phase] ?? 0) + (now - this.#marked) / 1000;
    this.#marked = now;
  }
  stop(): void {
    const seconds = (performance.now() - this.#started) / 1000;
    this.#all.push(seconds);
    this.#interval.push(seconds);
  }

  /** Seconds since the start of the run, evaluations and checkpoints included. */
  elapsed(): number {
    return this.#spent + (performance.now() - this.#began) / 1000;
  }
  /** Median seconds of a step so far; of the part before where a resumed run has no step left. */
  median(): number {
    return this.#all.length > 0 ? median(this.#all) : this.#medianBefore;
  }

  /** What a step event tells; begins a new interval. */
  report(batch: number, stepsToGo: number) {
    const seconds = median(this.#interval);
    const count = this.#interval.length;
    const phases = Object.fromEntries(Object.entries(this.#phases).map(([name, total]) => [name, total / count]));
    const perStep = (performance.now() - this.#began) / 1000 / this.#all.length; // with evaluations, for the time to go
    this.#ratio = seconds / this.#best;
    this.#slow = this.#ratio > SLOW_FACTOR ? this.#slow + 1 : 0;
    this.#best = Math.min(this.#best, seconds);
    [this.#interval, this.#phases] = [[], {}];
    return { imagesPerSecond: batch / seconds, stepSeconds: seconds, etaSeconds: stepsToGo * perStep, phases };
  }

  /** How many times slower than its best the run has been for a while; told once, undefined otherwise. */
  slowdown(): number | undefined {
    if (this.#warned || this.#slow < SLOW_INTERVALS) return undefined;
    this.#warned = true;
    return this.#ratio;
  }
}

function median(values: readonly number[]): number {
  if (values.length === 0) return Number.NaN;
  const sorted = Float64Array.from(values).sort();
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
