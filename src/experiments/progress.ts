/** How far an experiment is, over all its runs, and how long it still takes. */
import { RunFolder } from "../run/index.js";
import type { PlannedRun } from "./plan.js";
import type { RunAllEvent } from "./run-all.js";
import { stateOf } from "./run-state.js";

export interface ProgressState {
  readonly done: number;
  readonly total: number;
  /** Share of all steps, by their cost where it is known. */
  readonly share: number;
  /** NaN until something has been measured. */
  readonly etaSeconds: number;
}

/** Follows events; a step of an arm that has not run yet is taken to cost what the others' steps do. */
export class ExperimentProgress {
  readonly #runs: readonly PlannedRun[];
  readonly #jobs: number;
  readonly #steps = new Map<string, number>();
  readonly #seconds = new Map<string, { steps: number; seconds: number }>();
  /** Arms of which a run is finished: that says more than one under way. */
  readonly #known = new Set<string>();
  readonly #since = new Map<string, { at: number; step: number }>();
  readonly #resumed = new Set<string>();
  readonly #finished = new Set<string>();
  readonly #failed = new Set<string>();

  constructor(runs: readonly PlannedRun[], jobs: number) {
    this.#runs = runs;
    this.#jobs = jobs;
    for (const run of runs) {
      if (stateOf(run) !== "finished") continue;
      this.#finished.add(run.key);
      this.#measure(run, stepsOf(run), elapsedOf(run));
    }
  }

  event(event: RunAllEvent): void {
    const { run } = event;
    if (event.type === "started" && event.resumed) this.#resumed.add(run.key);
    if (event.type === "failed") this.#failed.add(run.key);
    if (event.type === "step") {
      const since = this.#since.get(run.key);
      this.#steps.set(run.key, event.step);
      // A run that goes on takes back what it logged after its checkpoint.
      if (!since || event.step < since.step) this.#since.set(run.key, { at: Date.now(), step: event.step });
      else this.#measure(run, event.step - since.step, (Date.now() - since.at) / 1000, false);
    }
    if (event.type !== "finished") return;
    this.#finished.add(run.key);
    // The seconds of one that went on are those of its rest.
    this.#measure(run, stepsOf(run), this.#resumed.has(run.key) ? elapsedOf(run) : event.seconds);
  }

  state(): ProgressState {
    const known = [...this.#seconds.values()];
    const mean =
      known.reduce((sum, { seconds }) => sum + seconds, 0) / known.reduce((sum, { steps }) => sum + steps, 0);
    let [all, left] = [0, 0];
    for (const run of this.#runs) {
      if (this.#failed.has(run.key) || this.#failed.has(run.needs ?? "")) continue; // not run in this call any more
      const own = this.#seconds.get(run.arm.key);
      const cost = own ? own.seconds / own.steps : Number.isFinite(mean) ? mean : 1;
      const done = this.#finished.has(run.key) ? stepsOf(run) : (this.#steps.get(run.key) ?? 0);
      all += cost * stepsOf(run);
      left += cost * Math.max(0, stepsOf(run) - done);
    }
    return {
      done: this.#finished.size,
      total: this.#runs.length,
      share: all === 0 ? 1 : 1 - left / all,
      etaSeconds: Number.isFinite(mean) ? left / this.#jobs : Number.NaN,
    };
  }

  #measure(run: PlannedRun, steps: number, seconds: number, final = true): void {
    if (!(steps > 0) || !(seconds > 0)) return;
    if (final) this.#known.add(run.arm.key);
    else if (this.#known.has(run.arm.key)) return;
    this.#seconds.set(run.arm.key, { steps, seconds });
  }
}

/** Seconds of all parts of a finished run. */
function elapsedOf({ folder }: PlannedRun): number {
  return RunFolder.open(folder).result<{ elapsedSeconds: number }>()?.elapsedSeconds ?? Number.NaN;
}

export const stepsOf = (run: PlannedRun) => Number(run.given.get("steps") ?? 10_000);
