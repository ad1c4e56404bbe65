/**
 * What a weak view's prediction becomes before it is a label: less the lean to frequent classes (`debias`), and early in the run more of
 * what was known before it (`prior`).
 *
 *   z~_u = z_u - lambda log p + w(t) log r(u),   w(t) = priorPower max(0, 1 - t / priorSteps)
 *
 * r is a stored prediction, of label propagation on features for instance; softmax(z~) is the prediction times r^w, made to sum to 1.
 *
 * @see Wen, Pizarro, Williams, Active Self-Semi-Supervised Learning for Few Labeled Samples, arXiv:2203.04560 (prior pseudo-labels);
 *   docs/warm-start.md, docs/debias.md
 */
import { integer, needThat, number, path } from "../../../options.js";
import { linearUp } from "../../../schedules/index.js";
import { PredictionTable } from "../../../targets/index.js";
import type { Tensor } from "../../../torch/index.js";
import type { Metrics, Part, Progress, Setup } from "../../method.js";
import { debiasing, debiasOptions, type GivenDebias } from "./debias.js";

const withTable = [needThat("method.prior", "given", (table) => table !== undefined, {})];

export const guessOptions = {
  ...debiasOptions,
  prior: path(undefined, {
    value: "file",
    doc: "warm start: predictions stored by `fewlabels predictions`, of a label-propagation run for instance, that pseudo-labels are mixed with early on",
  }),
  priorPower: number(1, {
    min: 0,
    max: 10,
    needs: withTable,
    doc: "power of those predictions at the first step; it falls to 0 linearly",
  }),
  priorSteps: integer(undefined, {
    min: 1,
    needs: withTable,
    doc: "step from which they count no more; if not given, 3/10 of the steps",
  }),
};

export interface GivenGuess extends GivenDebias {
  readonly prior: string | undefined;
  readonly priorPower: number;
  readonly priorSteps: number | undefined;
}

/** Stored probabilities below this count as this, so that a network that is sure can overrule them. */
const LEAST = 1e-3;

/** Throws DataError where the table of `prior` is of other data or classes. */
export function guessing(setup: Setup, options: GivenGuess, device: string) {
  const { numClasses, numExamples: rows, dataFingerprint, totalSteps } = setup;
  const debias = debiasing(options, { numClasses, device });
  const { prior: file, priorPower, priorSteps = Math.max(1, Math.round(0.3 * totalSteps)) } = options;
  const table = file === undefined ? undefined : PredictionTable.open(file, { rows, numClasses, dataFingerprint });
  const weightAt = ({ step }: Progress) => (table ? priorPower * (1 - linearUp(step, priorSteps)) : 0);
  return {
    state: debias.state,
    learned: debias.learned,
    /** `[Bu, K]` logits of the weak views of `images` -> those that labels and masks are made of, without a gradient. */
    target(logits: Tensor, { rows }: Pick<Part, "rows">, now: Progress): Tensor {
      const z = debias.target(logits);
      const weight = weightAt(now);
      if (!table || weight === 0 || z.size(0) === 0) return z;
      const known = table.read(rows).toDevice(device);
      return z.add(known.clampMin(LEAST).log(), weight);
    },
    metrics: (now: Progress): Metrics => ({ ...debias.metrics(), ...(table ? { priorPower: weightAt(now) } : {}) }),
  };
}
