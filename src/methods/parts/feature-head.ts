/** Methods that leave the network as it is and fit its last layer to the features of the training images, once. */
import { UsageError } from "../../errors.js";
import type { Examples, LinearHead } from "../../features/logistic.js";
import { noGrad, scope, tensor } from "../../torch/index.js";
import type { Method, Metrics, Setup } from "../method.js";

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

/**
 * The method whose first step fits the student's last layer by `solve`; further steps change nothing. Throws UsageError where the network's
 * head is more than one linear layer.
 */
export function featureHead(setup: Setup, who: string, solve: (sources: Sources) => Fitted): Method {
  const student = setup.buildModel("student");
  const head = student.parameters.filter(({ part }) => part === "head");
  const weight = head.find(({ tensor: t }) => t.shape.length === 2)?.tensor;
  const bias = head.find(({ tensor: t }) => t.shape.length === 1)?.tensor;
  if (head.length !== 2 || !weight || !bias) {
    throw new UsageError(
      `${who}: fits a head of one linear layer, and this network's has ${head.map(({ name }) => name).join(", ") || "no tensors"}. Use --model.heads 1 or another network`,
    );
  }
  const size = weight.size(1);
  const featuresOf = (rows: Int32Array) => {
    const out = new Float32Array(rows.length * size);
    for (let start = 0; start < rows.length; start += CHUNK) {
      const part = rows.subarray(start, start + CHUNK);
      noGrad(() =>
        scope(() => out.set(student.features(setup.trainingImages(part)).toArray() as Float32Array, start * size)),
      );
    }
    return out;
  };
  let metrics: Metrics | undefined;
  return {
    step() {
      if (metrics) return metrics;
      const { rows, y } = setup.labeled;
      const labeled = { features: featuresOf(rows), size, y, numClasses: setup.numClasses };
      const found = solve({ labeled, featuresOf });
      noGrad(() =>
        scope(() => {
          weight.copy_(tensor(found.weight, weight.shape));
          bias.copy_(tensor(found.bias, bias.shape));
        }),
      );
      metrics = found.metrics;
      return metrics;
    },
    predictor: "student",
    models: { student },
    state: { student },
  };
}
