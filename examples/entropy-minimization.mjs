/**
 * Entropy minimization (Grandvalet & Bengio, NeurIPS 2004): be right on labeled images, and be decided on unlabeled ones.
 *
 *   L = (1/Bl) sum_labeled H(y, p) + w(t) (1/Bu) sum_unlabeled H(p),  H(p) = -sum_k p_k log p_k
 *
 * A method outside the package, for docs/tutorial-method.md:
 *
 *   fewlabels train --dataset digits --labels 100 --model convnet-tiny --method ./examples/entropy-minimization.mjs
 */
import { crossEntropy, defineMethod, EmaTeacher, entropy, linearUp, minimize, nn, option } from "fewlabels";

export const method = defineMethod({
  name: "entropy-minimization",
  paper: "Grandvalet & Bengio, NeurIPS 2004",
  summary: "cross-entropy on labeled images, low entropy on unlabeled ones",
  usesUnlabeled: true,
  options: {
    entropyWeight: option.number(0.3, { min: 0, doc: "largest weight of the entropy of the unlabeled predictions" }),
    rampUpSteps: option.integer(undefined, {
      min: 0,
      doc: "steps of the linear ramp-up of that weight; if not given, half of the steps",
    }),
    emaDecay: option.number(0.99, { min: 0, max: 1, doc: "share of the old average of the weights at each update" }),
  },
  // One weakly augmented view of every image, under the name "image".
  views: () => ({ labeled: { image: { augment: "weak" } }, unlabeled: { image: { augment: "weak" } } }),
  create(setup, options) {
    const student = setup.buildModel("student");
    const ema = new EmaTeacher(student, setup.buildModel("teacher"), {
      decayAfterRampup: options.emaDecay,
      biasWarmup: "oneMinusOneOverT",
      buffers: "copy",
    });
    const optimizer = setup.buildOptimizer("student", student);
    const rampUpSteps = options.rampUpSteps ?? setup.totalSteps / 2;
    return {
      predictor: "teacher",
      models: { student, teacher: ema.model },
      // Whatever is not in here is forgotten by a checkpoint.
      state: { student, teacher: ema.model, ema, optimizer },
      step({ labeled, unlabeled }, now) {
        const weight = options.entropyWeight * linearUp(now.step, rampUpSteps);
        // One joint pass: batch norm sees all rows. Then the logits come apart again.
        const [zl, zu] = nn.forwardJoint(student, [labeled.x.image, unlabeled.x.image], "train");
        const classification = crossEntropy(zl, labeled.y);
        const undecided = entropy(zu);
        minimize(classification.add(undecided.mul(weight)), optimizer, now);
        ema.update();
        return { classification, entropy: undecided, weight };
      },
    };
  },
});
