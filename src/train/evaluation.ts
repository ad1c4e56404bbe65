/** An evaluation in the course of a run: what is measured, logged and warned of. */
import { collapsedClass } from "../metrics/index.js";
import type { EvaluationEvent, TrainEvent, WarningEvent } from "../run/events.js";
import type { Session } from "../session/session.js";
import { type Evaluation, evaluateSplit, roleResults, type Split } from "./evaluate.js";
import { turn } from "./turn.js";

interface Measured {
  readonly event: EvaluationEvent;
  /** By role, where the test split was measured. */
  readonly test: Readonly<Record<string, Evaluation>> | undefined;
}

/** Evaluates every model on the splits; warns when nearly all images are taken for one class. */
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
  await turn();
  return { event, test: measured.find(([split]) => split === "test")?.[1] };
}
