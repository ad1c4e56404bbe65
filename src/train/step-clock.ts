/** Times the steps of a run: medians, rate, time to go, and whether the machine has become busy. */
import { median } from "../statistics.js";

/** An interval this many times slower than the best one counts as slow ... */
const SLOW_FACTOR = 3;
/** ... and so many of them in a row are worth a warning. */
const SLOW_INTERVALS = 3;
/** Times kept for the run's median; of a longer run every second, fourth, ... step. */
const MOST_TIMES = 100_000;

export class StepClock {
  readonly #began = performance.now();
  readonly #spent: number;
  readonly #medianBefore: number;
  #all: number[] = [];
  #steps = 0;
  /** One of so many steps is kept in `#all`. */
  #stride = 1;
  #interval: number[] = [];
  /** Steps of the interval whose work on the device is done. */
  #settled = 0;
  #phases: Record<string, number> = {};
  #started = 0;
  #marked = 0;
  /** What makes steps comparable, and whether those of the interval are of one kind. */
  #kind: string | undefined;
  #mixed = false;
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

  /** `kind`: the phase and the rows of the batch, say. Steps of another kind than those before may take longer by right. */
  start(kind = ""): void {
    if (this.#kind !== undefined && kind !== this.#kind) {
      [this.#best, this.#slow] = [Number.POSITIVE_INFINITY, 0];
      this.#mixed = this.#interval.length > 0;
    }
    this.#kind = kind;
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
    this.#interval.push((performance.now() - this.#started) / 1000);
  }

  /** Runs `body`, which waits for work that the steps since the last call left to the device; they share the time. */
  waitFor<T>(body: () => T): T {
    this.#marked = performance.now();
    const result = body();
    const share = (performance.now() - this.#marked) / 1000 / (this.#interval.length - this.#settled);
    this.mark("step");
    for (let i = this.#settled; i < this.#interval.length; i++) {
      this.#interval[i]! += share;
      if (this.#steps++ % this.#stride === 0) this.#all.push(this.#interval[i]!);
    }
    this.#settled = this.#interval.length;
    if (this.#all.length >= MOST_TIMES) {
      this.#all = this.#all.filter((_, i) => i % 2 === 0);
      this.#stride *= 2;
    }
    return result;
  }

  /** Seconds since the start of the run, evaluations and checkpoints included. */
  elapsed(): number {
    return this.#spent + (performance.now() - this.#began) / 1000;
  }
  /** Median seconds of a step so far; of the part before where a resumed run has no step left. */
  median(): number {
    return this.#all.length > 0 ? median(this.#all) : this.#medianBefore;
  }

  /** What a step event tells, after `waitFor`; begins a new interval. */
  report(batch: number, stepsToGo: number) {
    const seconds = median(this.#interval);
    const count = this.#interval.length;
    const phases = Object.fromEntries(Object.entries(this.#phases).map(([name, total]) => [name, total / count]));
    const perStep = (performance.now() - this.#began) / 1000 / this.#steps; // with evaluations, for the time to go
    this.#ratio = seconds / this.#best;
    this.#slow = this.#ratio > SLOW_FACTOR ? this.#slow + 1 : 0;
    if (!this.#mixed) this.#best = Math.min(this.#best, seconds);
    this.#mixed = false;
    [this.#interval, this.#phases, this.#settled] = [[], {}, 0];
    return { imagesPerSecond: batch / seconds, stepSeconds: seconds, etaSeconds: stepsToGo * perStep, phases };
  }

  /** How many times slower than its best the run has been for a while; told once, undefined otherwise. */
  slowdown(): number | undefined {
    if (this.#warned || this.#slow < SLOW_INTERVALS) return undefined;
    this.#warned = true;
    return this.#ratio;
  }
}
