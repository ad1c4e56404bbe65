/** What a trained run says of the pictures, and which labels it doubts. */
import { labelErrors } from "../../features/confident.js";
import { rowsOf } from "../../features/logistic.js";
import { outOfFold } from "../../features/out-of-fold.js";
import { openRunModel, type PictureModel } from "../../inference/picture-model.js";
import { openPredictor } from "../../inference/predict.js";
import { oneLinearHead } from "../../methods/parts/feature-head.js";
import type { Rng } from "../../rng.js";
import { linear, noGrad, scope, tensor } from "../../torch/index.js";
import type { Features } from "./features.js";

export interface Guesses {
  /** Names of the run's classes. */
  readonly classes: readonly string[];
  /** `[rows]`: the most probable class and its probability; -1 where the picture could not be read. */
  readonly best: Int32Array;
  readonly confidence: Float32Array;
}

/**
 * Of the pictures of `features`. Where the run is a last layer on the very network the features come from, by one product; else through the
 * run's network. Throws as `openRunModel`.
 */
export async function guessesOf(
  run: string,
  features: Features,
  paths: readonly string[],
  threads?: number,
): Promise<Guesses> {
  const options = threads === undefined ? {} : { threads };
  const model = await openRunModel(run, options);
  const { classes } = model.record;
  const K = classes.length;
  const n = features.rows.length;
  const best = new Int32Array(n).fill(-1);
  const confidence = new Float32Array(n);
  const note = (row: number, p: ArrayLike<number>) => {
    for (let k = 0; k < K; k++)
      if (best[row] === -1 || p[k]! > confidence[row]!) [best[row], confidence[row]] = [k, p[k]!];
  };
  if (features.model && sameEyes(model, features.model)) {
    const all = noGrad(() =>
      scope(() => {
        const { weight, bias } = oneLinearHead(model.model, "label");
        const x = tensor(features.values, [n, features.size]);
        return linear(x, weight.detach(), bias.detach()).softmax(1).toArray() as Float32Array;
      }),
    );
    for (let row = 0; row < n; row++) note(row, all.subarray(row * K, (row + 1) * K));
    return { classes, best, confidence };
  }
  const predictor = await openPredictor(run, options);
  let at = 0;
  for await (const item of predictor.predict(Array.from(features.rows, (row) => paths[row]!))) {
    if (!("error" in item)) note(at, item.probabilities);
    at++;
  }
  return { classes, best, confidence };
}

/** The same network, the last layer apart, that sees pictures in the same way. */
function sameEyes(run: PictureModel, source: PictureModel): boolean {
  const way = ({ record: { decoding, evaluation, normalize, scale, offset, input } }: PictureModel) =>
    JSON.stringify({ decoding, evaluation, normalize, scale, offset, input });
  if (way(run) !== way(source)) return false;
  const body = ({ model }: PictureModel) => [
    ...model.parameters.filter(({ part }) => part !== "head"),
    ...model.buffers,
  ];
  const [own, theirs] = [body(run), new Map(body(source).map(({ name, tensor: t }) => [name, t]))];
  const heads = run.model.parameters.filter(({ part }) => part === "head");
  return (
    heads.length === 2 &&
    own.length === theirs.size &&
    own.every(({ name, tensor: t }) =>
      scope(() => {
        const other = theirs.get(name);
        if (!other || other.shape.join() !== t.shape.join()) return false;
        const [a, b] = [t.toArray(), other.toArray()];
        return a.every((v, i) => v === b[i]);
      }),
    )
  );
}

export interface LabelDoubt {
  readonly row: number;
  /** The class it probably has. */
  readonly suggested: number;
  readonly margin: number;
}

/** Smaller differences are no news: with few labels the classifiers are often wrong themselves. */
const LEAST_MARGIN = 0.5;
/** Fewest labels of a class that are judged. */
const FEWEST = 3;
const FOLDS = 5;

/** Labels that classifiers fitted without the picture contradict, the surest first. `labels[i]` below 0: none. */
export function doubtsOf(features: Features, labels: Int32Array, numClasses: number, rng: Rng): LabelDoubt[] {
  const counts = new Int32Array(numClasses);
  for (const k of labels) if (k >= 0) counts[k]!++;
  const rows = [...labels.keys()].filter((row) => labels[row]! >= 0 && counts[labels[row]!]! >= FEWEST);
  const classes = [...new Set(rows.map((row) => labels[row]!))];
  if (classes.length < 2) return [];
  const y = labels.map((k) => classes.indexOf(k));
  const examples = rowsOf({ features: features.values, size: features.size, y, numClasses: classes.length }, rows);
  const groups = Int32Array.from(rows.keys());
  const { probabilities } = outOfFold(examples, groups, FOLDS, rng);
  const { doubts } = labelErrors({ probabilities, y: examples.y, numClasses: classes.length });
  return doubts
    .filter(({ margin }) => margin >= LEAST_MARGIN)
    .map(({ row, suggested, margin }) => ({ row: rows[row]!, suggested: classes[suggested]!, margin }));
}
