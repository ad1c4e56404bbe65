/**
 * The labeled images nearest in the features of a pretrained network vote, the nearer the more. Nothing is trained.
 *
 *   s_i = cos(f(x), f(x_i));   w_i = exp(s_i / T);   p(x)_c = sum over the k nearest labeled i of w_i [y_i = c] / sum of their w_i
 *
 * k is the one that is wrong least often on folds of the labeled images. Deviations: the protocol has k = 200 for 1.28 million labels;
 * each class gets a millionth of the nearest's vote, so that logarithms are finite.
 *
 * @see the paper, Section 3.4; docs/methods/knn.md; test/methods/knn.test.ts, which computes the same slowly
 */
import { chooseNeighbors, K_PATH } from "../features/neighbors.js";
import { unitRows } from "../features/propagate.js";
import { keepNeighbors, NEIGHBORS, neighbors, withHead } from "../nn/index.js";
import { integer, needThat, number } from "../options.js";
import { noGrad, scope, tensor } from "../torch/index.js";
import { defineMethod } from "./method.js";
import { featuresBy, oneLinearHead, onlyOnce } from "./parts/feature-head.js";

export const knn = defineMethod({
  name: "knn",
  paper: "arXiv:1805.01978, Section 3.4",
  summary: "the labeled images nearest in the features of a network that stays as it is vote",
  usesUnlabeled: false,
  onFeatures: true,
  options: {
    k: integer(undefined, {
      min: 1,
      doc: `neighbors that vote, at the most all labeled images; if not given, the best of ${K_PATH.join(", ")} on folds of the labeled images`,
    }),
    temperature: number(0.07, {
      min: 1e-3,
      max: 100,
      doc: "T, divides the cosines before the exponential: the smaller, the more the nearest count",
    }),
    folds: integer(5, {
      min: 2,
      max: 20,
      needs: [needThat("method.k", "not given", (k) => k === undefined, {})],
      doc: "folds for the choice of k",
    }),
  },
  views: () => ({ labeled: {}, unlabeled: {} }),
  create(setup, { k: given, temperature, folds }) {
    const network = setup.buildModel("student");
    const size = oneLinearHead(network, "knn").weight.size(1);
    const { labeled, numClasses } = setup;
    const count = labeled.rows.length;
    const most = Math.min(given ?? K_PATH.at(-1)!, count);
    const head = neighbors({ count, size, numClasses, most });
    const student = withHead(network, NEIGHBORS, head);
    const read = featuresBy(network, setup, size);
    return onlyOnce(student, read, () => {
      const features = read.labeled();
      const { y } = labeled;
      const chosen = () =>
        chooseNeighbors({ features, size, y, numClasses }, temperature, { folds, rng: setup.rng.split("folds") });
      const { k, error } = given === undefined ? chosen() : { k: most, error: undefined };
      const unit = unitRows(features, size);
      keepNeighbors(head, { features: unit, y, k, temperature });
      return { k, labeledError: errorAmong(unit), ...(error === undefined ? {} : { foldError: error }) };
    });

    /** Error in percent on the labeled images, each of which is its own nearest neighbor. */
    function errorAmong(unit: Float32Array): number {
      const found = noGrad(() =>
        scope(() =>
          head
            .forward(tensor(unit, [count, size]).toDevice(head.buffers.features!.device), {
              mode: "eval",
              rng: setup.rng,
            })
            .argmax(1)
            .toNumbers(),
        ),
      );
      return (100 * found.filter((c, i) => c !== labeled.y[i]).length) / count;
    }
  },
});
