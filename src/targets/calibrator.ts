/**
 * The small teacher of Reduced Meta Pseudo Labels (Pham et al., arXiv:2003.10580, Appendix E): a perceptron of five
 * layers with ReLU that corrects predictions a large teacher made before. It sees distributions, never images.
 */
import { createModel, layer, linear, type Model, type Network, type Pass, sequential } from "../nn/index.js";
import type { Rng } from "../rng.js";
import type { Tensor } from "../torch/index.js";

/** Smallest probability inside a logarithm: float16 tables round less to 0. */
const TINY = 1e-7;

export interface CalibratorOptions {
  readonly numClasses: number;
  /** Units of each of the four hidden layers. */
  readonly hidden: number;
  /** softmax(log q + MLP(q)) with output weights that start at 0: the identity. false: softmax(MLP(q)). */
  readonly residual: boolean;
  /** What the perceptron is fed: probabilities, or their logarithms (not below log 1e-7). */
  readonly input: "probs" | "logProbs";
  readonly rng: Rng;
  readonly device: string;
}

/** A model whose `forward` takes probabilities `[N, K]` float32, not images, and gives logits `[N, K]`. */
export function createCalibrator({ rng, device, ...options }: CalibratorOptions): Model {
  return createModel(perceptron(options), { rng, precision: "fp32", device });
}

function perceptron({ numClasses, hidden, residual, input }: Omit<CalibratorOptions, "rng" | "device">): Network {
  const features = sequential(
    Object.fromEntries(
      [1, 2, 3, 4].flatMap((i) => [
        [`fc${i}`, linear(i === 1 ? numClasses : hidden, hidden)],
        [`relu${i}`, layer((x) => x.relu())],
      ]),
    ),
  );
  const fc5 = linear(hidden, numClasses, residual ? { init: 0 } : {});
  const hiddenOf = (q: Tensor, pass: Pass) => features.forward(input === "probs" ? q : q.clampMin(TINY).log(), pass);
  const forward: Network["forward"] = (q: Tensor, pass) => {
    const logQ = q.clampMin(TINY).log();
    const correction = fc5.forward(hiddenOf(q, pass), pass);
    return residual ? logQ.add(correction) : correction;
  };
  return {
    heads: ["fc5"],
    children: { features, fc5 },
    parameters: {},
    buffers: {},
    forward,
    features: hiddenOf,
    forwardHeads(q, pass) {
      const logits = forward(q, pass);
      return { logits, consistency: logits };
    },
  };
}
