/** An evaluation in the course of a run: what is measured, logged and warned of. */
import type { RunConfig } from "../config/resolve.js";
import { collapsedClass } from "../metrics/index.js";
import type { EvaluationEvent, TrainEvent, WarningEvent } from "../run/events.js";
import type { Session } from "../session/session.js";
import { type Evaluation, evaluateSplit, roleResults, type Split } from "./evaluate.js";
import { turn } from "./turn.js";

interface Measured {
  readonly event: EvaluationEvent;
  /** By role, where the test split was measured. */
  readonly test: Readonly<Record<string, Evaluation>> | undefined;
  /** The first of the splits asked for, and what was measured on it, by role. */
  readonly split: Split;
  readonly roles: Readonly<Record<string, Evaluation>>;
}

/** Evaluates every model on the splits; warns where the result's model has collapsed or is worse than another one. */
export async function* evaluation(
  session: Session,
  step: number,
  splits: readonly Split[],
  log: <E extends TrainEvent>(event: E) => E,
): AsyncGenerator<EvaluationEvent | WarningEvent, Measured> {
  const { predictor } = session.method;
  const measured: [Split, Record<string, Evaluation>][] = [];
  for (const split of splits) measured.push([split, await evaluateSplit(session, split)]);
  const parts = Object.fromEntries(measured.map(([split, roles]) => [split, roleResults(roles)]));
  const event = log<EvaluationEvent>({ type: "evaluation", step, ...parts });
  yield event;
  const collapsed = collapsedClass(measured[0]![1][predictor]!.confusion);
  if (collapsed !== undefined) {
    const message = `the ${predictor} takes over 90 % of the images for class "${session.data.classes[collapsed]}": training may have collapsed`;
    yield log({ type: "warning", step, message });
  }
  const worse = worseThan(predictor, event, session.config);
  if (worse !== undefined && step === session.config.steps) yield log({ type: "warning", step, message: worse });
  await turn();
  const [split, roles] = measured[0]!;
  return { event, test: measured.find(([name]) => name === "test")?.[1], split, roles };
}

/** A role this many points better than the result's, and by so many standard errors of the difference, is worth a word. */
const [POINTS, STANDARD_ERRORS] = [3, 3];

/** What to say where another role of the run is clearly better than the one whose error is the result. */
function worseThan(
  predictor: string,
  event: EvaluationEvent,
  { methodOptions, steps }: Pick<RunConfig, "methodOptions" | "steps">,
): string | undefined {
  const split = event.val ? "val" : "test";
  const roles = event[split] ?? {};
  const mine = roles[predictor]!;
  const [best, other] = Object.entries(roles).toSorted(([, a], [, b]) => a.error - b.error)[0] ?? [predictor, mine];
  const chance = (error: number) => error * (100 - error);
  const margin = STANDARD_ERRORS * Math.sqrt((chance(mine.error) + chance(other.error)) / mine.n);
  if (!(mine.error - other.error > Math.max(POINTS, margin))) return undefined;
  const { emaDecay, emaBuffers } = methodOptions as { readonly emaDecay?: number; readonly emaBuffers?: string };
  const remedies = [
    ...("emaDecay" in methodOptions
      ? [`a lower --method.emaDecay (${emaDecay ?? "by default"} here), so that it forgets sooner`]
      : []),
    ...(emaBuffers !== undefined && emaBuffers !== "recompute" ? ["--method.emaBuffers recompute"] : []),
    `more than ${steps} steps`,
  ];
  const images = split === "val" ? "validation" : "test";
  return (
    `the result is the ${predictor}'s, ${mine.error.toFixed(2)} % wrong, but the ${best}'s weights are wrong on ` +
    `${other.error.toFixed(2)} % of the ${images} images: the ${predictor} lags behind. Try ${remedies.join(", ")}`
  );
}
