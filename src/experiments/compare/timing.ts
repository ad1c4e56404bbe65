/** What the methods that train would take. */
import { type Catalog, choose } from "../../config/catalog.js";
import { resolveConfig } from "../../config/resolve.js";
import { withoutIdle } from "../../config/without-idle.js";
import { resolveDevice } from "../../session/device.js";
import { photoDefaults } from "../../session/photos/photo-defaults.js";
import { estimateArms } from "../estimate.js";
import type { Arm, Plan } from "../plan.js";
import type { Cost } from "./budget.js";
import type { Folds } from "./folds.js";
import type { CompareOptions } from "./options.js";

const TIMED = 3;

/** What a run of these pictures would take by default, or what was given. */
export async function wantedSteps({ given }: Arm, catalog: Catalog): Promise<number> {
  const config = resolveConfig(withoutIdle(given, catalog), catalog);
  const { dataSet, method } = choose(config, catalog);
  return (await photoDefaults(config, dataSet, method, resolveDevice(config.device))).config.steps;
}

/** Times a few steps of each; one that cannot be timed is left out. */
export async function timed(
  arms: readonly Arm[],
  plan: Plan,
  folds: Folds,
  { threads, catalog, onEvent }: CompareOptions,
  stop: AbortSignal,
  leave: (method: string, why: string) => void,
): Promise<Cost[]> {
  const costs: Cost[] = [];
  for (const arm of arms) {
    if (stop.aborted) break;
    const method = arm.row.name;
    onEvent({ type: "timing", method });
    const started = performance.now();
    const [found] = await estimateArms(
      { ...plan, arms: [arm] },
      { threads, timing: true, steps: TIMED, catalog, signal: stop },
    );
    const wall = (performance.now() - started) / 1000;
    if (found?.secondsPerStep === undefined) {
      leave(
        method,
        stop.aborted
          ? "the budget was spent, or it was interrupted, while its steps were timed"
          : (found?.remark ?? "not timed"),
      );
      continue;
    }
    const { secondsPerStep } = found;
    // A pass over the held-out pictures costs about a third of a step over as many.
    const batch = Number(arm.given.get("batch") ?? 100);
    const evaluation = (folds.labeled.length / folds.count / batch / 3) * secondsPerStep;
    costs.push({ method, secondsPerStep, fixedSeconds: Math.max(0, wall - (TIMED + 1) * secondsPerStep) + evaluation });
  }
  return costs;
}
