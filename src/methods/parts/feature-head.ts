/** Methods that leave the network as it is and fit its last layer to the features of the training images, once. */
import { UsageError } from "../../errors.js";
import type { Examples, LinearHead } from "../../features/logistic.js";
import type { Model } from "../../nn/index.js";
import { noGrad, scope, type Tensor, tensor } from "../../torch/index.js";
import type { Method, Metrics, Setup } from "../method.js";
import { type Chunks, inHeldChunks, inSharedChunks } from "./shared-chunks.js";

/** Images a pass. */
const CHUNK = 64;

export interface Fitted extends LinearHead {
  readonly metrics: Metrics;
}

/** What a method fits with: the labeled images' features, and those of other images where it wants them. */
export interface Sources {
  readonly labeled: Examples;
  /** Features of these training images, `[rows.length, D]` row by row. */
  featuresOf(rows: Int32Array): Float32Array;
}

/** The one linear layer that is the head of `model`. Throws UsageError where the head is more than that. */
export function oneLinearHead({ parameters }: Model, who: string): { readonly weight: Tensor; readonly bias: Tensor } {
  const head = parameters.filter(({ part }) => part === "head");
  const weight = head.find(({ tensor: t }) => t.shape.length === 2)?.tensor;
  const bias = head.find(({ tensor: t }) => t.shape.length === 1)?.tensor;
  if (head.length === 2 && weight && bias) return { weight, bias };
  throw new UsageError(
    `${who}: fits a head of one linear layer, and this network's has ${head.map(({ name }) => name).join(", ") || "no tensors"}. Use --model.heads 1 or another network`,
  );
}

/** Features of training images, `[rows.length, size]` row by row; several processes share them out. */
export interface Features {
  /** Those of images that are in memory. */
  of(rows: Int32Array): Float32Array;
  /** The labeled images': what `prepare` has read, without it as `of`. */
  labeled(): Float32Array;
  /** Reads those of the labeled images, which may have to be decoded for it. */
  prepare(): Promise<void>;
}

export function featuresBy(model: Model, setup: Setup, size: number): Features {
  const { device } = model.parameters[0]!.tensor;
  const { rows: known } = setup.labeled;
  let read: Float32Array | undefined;
  const compute = (part: Int32Array) => model.features(setup.trainingImages(part));
  const chunksOf = (rows: Int32Array): Chunks => ({ rows, size: CHUNK, width: size, device, compute });
  const into = (out: Float32Array) => (features: Tensor, start: number) =>
    out.set(features.contiguous().toArray() as Float32Array, start * size);
  const of = (rows: Int32Array) => {
    const out = new Float32Array(rows.length * size);
    inSharedChunks(chunksOf(rows), into(out));
    return out;
  };
  return {
    of,
    labeled: () => read ?? of(known),
    async prepare() {
      const out = new Float32Array(known.length * size);
      await inHeldChunks(chunksOf(known), setup.holdImages, into(out));
      read = out;
    },
  };
}

/** The method whose first step fits the head of `student` by `solve`; further steps change nothing. */
export function onlyOnce(student: Model, { prepare }: Features, solve: () => Metrics): Method {
  let metrics: Metrics | undefined;
  return {
    prepare,
    step() {
      metrics ??= solve();
      return metrics;
    },
    predictor: "student",
    models: { student },
    state: { student },
  };
}

/** The method that fits the student's last layer by `solve`. Throws UsageError where the network's head is more than one linear layer. */
export function featureHead(setup: Setup, who: string, solve: (sources: Sources) => Fitted): Method {
  const student = setup.buildModel("student");
  const { weight, bias } = oneLinearHead(student, who);
  const size = weight.size(1);
  const features = featuresBy(student, setup, size);
  return onlyOnce(student, features, () => {
    const { y } = setup.labeled;
    const labeled = { features: features.labeled(), size, y, numClasses: setup.numClasses };
    const found = solve({ labeled, featuresOf: features.of });
    noGrad(() =>
      scope(() => {
        weight.copy_(tensor(found.weight, weight.shape));
        bias.copy_(tensor(found.bias, bias.shape));
      }),
    );
    return found.metrics;
  });
}
