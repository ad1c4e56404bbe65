/**
 * ReMixMatch (Berthelot et al., arXiv:1911.09785): MixMatch whose guesses come from a weak view alone, have the class frequencies of the
 * labels, and anchor K strong views; pictures are turned, too.
 *
 *   q = sharpen(norm(p(a(u)) freq / p~), T), no gradient;   p~ <- m p~ + (1 - m) mean_u p(a(u)), after it was used
 *   X = (A(x), y);  U = (A_1(u), q), ..., (A_K(u), q), (a(u), q);   X', U' = MixUp of X and U with a permutation of both
 *   L = mean_X' H(y', p(x')) + w(t) mean_U' H(q', p(u')) + w1(t) mean_u H(q, p(A_1(u))) + wr mean_u H(r, pr(turn(A_1(u), r)))
 *
 * freq: class frequencies of the labeled images; r: 0 to 3 quarters. The mixed rows go through the network in K + 2 interleaved sub-batches,
 * of which the first alone updates running statistics, as do no other passes. Deviations: every (K + 2)-th row makes a sub-batch (see
 * mixmatch.ts); p~ is an exponential average as old as the paper's mean of 128 batches; the page has the others.
 *
 * @see the paper, Section 3 and Algorithm 1; docs/methods/remixmatch.md; test/methods/remixmatch.test.ts, which computes the same slowly
 */
import type { ViewSpec } from "../batch.js";
import { crossEntropy } from "../losses/index.js";
import { splitRows } from "../nn/index.js";
import { boolean, integer, needThat, number } from "../options.js";
import { alignDistribution, drawMixUp, mixRows, RunningMean, sharpen } from "../targets/index.js";
import { cat, noGrad, oneHot, tensor, world } from "../torch/index.js";
import { defineMethod } from "./method.js";
import { averagedStudent } from "./parts/averaged-student.js";
import { interleavedForward } from "./parts/interleaved.js";
import { classCost, counts, forwardRows } from "./parts/rows.js";
import {
  evaluationEmaOptions,
  labeledReductionOption,
  linearRampOptions,
  linearRampWeight,
  mixUpOptions,
} from "./parts/shared-options.js";
import { rotationTask } from "./parts/side-tasks/rotation.js";

/** Share of the run in which the weights ramp up: 2^20 of 2^26 images (the authors' code). */
const RAMP = 1 / 64;
const GUESSED = "the cross-entropy to the guesses of mixed unlabeled rows; anchorWeight grows with it";
/** The labeled rows, the strong views and the weak one. */
const subBatches = ({ strongViews }: { readonly strongViews: number }) => strongViews + 2;
const rolesOf = (k: number) => Array.from({ length: k }, (_, i) => `strong${i + 1}`);

export const remixmatch = defineMethod({
  name: "remixmatch",
  paper: "arXiv:1911.09785",
  summary:
    "MixMatch with aligned class frequencies, guesses of a weak view that anchor strong ones, and turned pictures",
  usesUnlabeled: true,
  options: {
    strongViews: integer(8, {
      min: 1,
      max: 32,
      doc: "K, strong views of each unlabeled image, a pass each (paper: 8; its runs with 40 labels: 1)",
    }),
    ...labeledReductionOption,
    ...linearRampOptions(1.5, GUESSED, RAMP, "2^20 of 2^26 images"),
    anchorWeight: number(0.5, { min: 0, doc: "weight of that cross-entropy for the first strong view, before mixing" }),
    rotationWeight: number(0.5, {
      min: 0,
      doc: "weight of telling by how many quarters a picture was turned (paper's runs with 40 labels: 2); 0: no pass for it",
    }),
    temperature: number(0.5, { min: 1e-3, max: 1, doc: "sharpening temperature T of the guesses; 1: not sharpened" }),
    alignDistribution: boolean(true, { doc: "give guesses the class frequencies of the labeled images" }),
    alignmentDecay: number(0.985, {
      min: 0,
      max: 1,
      needs: [needThat("method.alignDistribution", "true", (value) => value !== false, {})],
      doc: "m, share of the old value in the mean of predictions (paper: the last 128 batches)",
    }),
    ...mixUpOptions,
    mixAlpha: number(0.75, { min: 0, doc: mixUpOptions.mixAlpha.doc }),
    ...evaluationEmaOptions,
  },
  views({ strongViews }) {
    const strong = rolesOf(strongViews).map((role): [string, ViewSpec] => [role, { augment: "strong" }]);
    const unlabeled: Readonly<Record<string, ViewSpec>> = { weak: { augment: "weak" }, ...Object.fromEntries(strong) };
    return { labeled: { image: { augment: "strong" } }, unlabeled };
  },
  subBatches,
  create(setup, options) {
    const { numClasses: k, totalSteps, rng, labeled: known } = setup;
    const { student, rest, descend, device } = averagedStudent(setup, options, { rampShare: RAMP });
    const rotation = options.rotationWeight > 0 ? rotationTask(setup, student, "remixmatch") : undefined;
    const weightAt = linearRampWeight(options, totalSteps, RAMP);
    const anchorAt = linearRampWeight({ ...options, consistencyWeight: options.anchorWeight }, totalSteps, RAMP);
    const predicted = new RunningMean({ decay: options.alignmentDecay, shape: [k], start: 1 / k, device });
    const share = new Float32Array(k);
    for (const c of known.y) share[c]! += 1 / known.y.length;
    const frequencies = tensor(share, [k]).toDevice(device).keep();
    const apart = { mode: "train", updateStatistics: false } as const;
    return {
      ...rest,
      state: { ...rest.state, predicted, ...rotation?.state },
      step({ labeled, unlabeled }, now) {
        const weak = unlabeled.x.weak!;
        const strong = rolesOf(options.strongViews).map((role) => unlabeled.x[role]!);
        const p = noGrad(() => forwardRows(student, weak, apart, k).softmax(1));
        const aligned = options.alignDistribution ? alignDistribution(p, frequencies, predicted.value, 1e-6) : p;
        const guess = sharpen(aligned, options.temperature);
        if (p.size(0) > 0) predicted.update(p.mean([0]));

        const x = world().gather(cat([labeled.x.image, ...strong, weak]));
        const y = cat([oneHot(labeled.y, k), ...strong.map(() => guess), guess]);
        const { mixAlpha: alpha, mixPer: per } = options;
        const draw = { alpha, per, partner: "shuffled" } as const;
        const mixture = drawMixUp(rng.split(`mix-up:${now.step}`), x.size(0), draw, device);
        const [bl, bu] = counts({ labeled, unlabeled });
        const rows = [bl, (strong.length + 1) * bu] as const; // X' and U'
        const [zl, zu] = splitRows(interleavedForward(student, mixRows(x, mixture), subBatches(options)), rows);
        const [yl, yu] = splitRows(mixRows(y, mixture), rows);

        const [first] = strong as [typeof weak];
        const [weight, anchorWeight] = [weightAt(now.step), anchorAt(now.step)];
        const classification = classCost(zl, yl, { labeled, unlabeled }, options);
        const consistency = crossEntropy(zu, yu);
        const anchor = crossEntropy(forwardRows(student, first, apart, k), guess);
        const metrics = { classification, consistency, anchor, weight };
        const guessed = consistency.mul(weight).add(anchor.mul(anchorWeight));
        if (!rotation || first.size(0) === 0) {
          descend(classification.add(guessed), now);
          return metrics;
        }
        const turned = rotation.loss(first, now);
        rotation.optimizer.zeroGrad();
        descend(classification.add(guessed).add(turned.mul(options.rotationWeight)), now);
        rotation.optimizer.step(now);
        return { ...metrics, rotation: turned };
      },
    };
  },
});
