/** What fits into a time: how many steps each method gets, and which methods are left out. */
import { badValue, UsageError } from "../../errors.js";

export interface Cost {
  readonly method: string;
  readonly secondsPerStep: number;
  /** Of a run, besides its steps: start, reading the pictures, the evaluation at its end. */
  readonly fixedSeconds: number;
}

export interface StepPlan {
  /** The same for all that run. 0 where none fits. */
  readonly steps: number;
  readonly methods: readonly string[];
}

/** Share of what is left that is planned: machines slow down. */
const PLANNED = 0.85;

/**
 * The most steps, up to `wanted`, that `runs` runs of every method have in `left` seconds; where that is under `least`, the last method of
 * `costs` (cheapest first) is left out, and so on.
 */
export function planSteps(
  costs: readonly Cost[],
  {
    left,
    runs,
    wanted,
    least,
  }: { readonly left: number; readonly runs: number; readonly wanted: number; readonly least: number },
): StepPlan {
  for (let count = costs.length; count > 0; count--) {
    const some = costs.slice(0, count);
    const sum = (of: (cost: Cost) => number) => some.reduce((total, cost) => total + of(cost), 0);
    const fit = (PLANNED * left) / runs - sum(({ fixedSeconds }) => fixedSeconds);
    const steps = Math.min(wanted, Math.floor(fit / sum(({ secondsPerStep }) => secondsPerStep)));
    if (steps >= least) return { steps, methods: some.map(({ method }) => method) };
  }
  return { steps: 0, methods: [] };
}

/** "90s", "30m", "2h", "1h30m" in seconds. Throws UsageError. */
export function secondsOf(text: string, who: string, name: string): number {
  const [whole, hours = "0", minutes = "0", seconds = "0"] =
    /^(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?$/.exec(text) ?? [];
  const total = 3600 * Number(hours) + 60 * Number(minutes) + Number(seconds);
  if (!whole || !(total > 0)) throw new UsageError(badValue(who, name, "a time such as 90s, 30m or 1h30m", text));
  return total;
}
