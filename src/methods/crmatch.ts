/**
 * CRMatch (Fan, Kukleva, Dai, Schiele, arXiv:2112.05825): FixMatch whose features should differ where its classes agree, and tell how a
 * picture was turned.
 *
 *   q = sg softmax(f(a(u)));  mask_u = [max q_u >= threshold];  g: a linear layer on the features h that the head is given
 *   Ld = (1/Bu) sum_u mask_u max(0, cos(g(h(A(u))), g(h(a(u)))))
 *   L  = (1/Bl) sum_l H(y_l, p_l) + lambda (1/Bu) sum_u mask_u H(argmax q_u, softmax(f(A(u)))) + ld Ld + lr mean_u H(r, pr(turn(a(u), r)))
 *
 * Deviations: g reads the features of the head, after the mean over pixels, where the paper's reads the last maps; each weak view is turned
 * by one angle, a quarter of the rows each, in a pass of its own that updates no statistics.
 *
 * @see the paper, Section 3; docs/methods/crmatch.md; test/methods/crmatch.test.ts, which computes the same slowly
 */
import { UsageError } from "../errors.js";
import { crossEntropy } from "../losses/index.js";
import { linear, splitRows } from "../nn/index.js";
import { number } from "../options.js";
import { confidenceMask, hardLabels } from "../targets/index.js";
import { cat, type Tensor } from "../torch/index.js";
import { defineMethod } from "./method.js";
import { averagedStudent } from "./parts/averaged-student.js";
import { guessing } from "./parts/pseudo-labels/guess.js";
import { counts, meanOrZero } from "./parts/rows.js";
import { rotationTask } from "./parts/side-tasks/rotation.js";
import { sideHead } from "./parts/side-tasks/side-head.js";
import { weakStrongOptions, weakStrongViews } from "./parts/weak-strong.js";

/** Cosines `[N]` of the rows of two `[N, D]`. */
function cosines(a: Tensor, b: Tensor): Tensor {
  const length = (t: Tensor) => t.pow(2).sum([1]).add(1e-12).sqrt();
  return a
    .mul(b)
    .sum([1])
    .div(length(a).mul(length(b)));
}

export const crmatch = defineMethod({
  name: "crmatch",
  paper: "arXiv:2112.05825",
  summary: "FixMatch with features that differ between the views, and turned pictures",
  usesUnlabeled: true,
  options: {
    threshold: number(0.95, {
      min: 0,
      max: 1,
      doc: "a row counts if its largest weak probability reaches this",
    }),
    distanceWeight: number(1, { min: 0, doc: "ld, weight of the cosine between the features of both views" }),
    rotationWeight: number(1, {
      min: 0,
      doc: "lr, weight of telling by how many quarters a picture was turned; 0: no pass for it",
    }),
    ...weakStrongOptions,
  },
  views: () => weakStrongViews,
  create(setup, options) {
    const { student, rest, descend, device } = averagedStudent(setup, options);
    const guess = guessing(setup, options, device);
    const projection = sideHead(setup, student, "crmatch", "projection", (size) => linear(size, size));
    const rotation = options.rotationWeight > 0 ? rotationTask(setup, student, "crmatch", { deep: true }) : undefined;
    const beside = [projection.optimizer, ...(rotation ? [rotation.optimizer] : [])];
    const owned = { projection: projection.head, projectionOptimizer: projection.optimizer, ...rotation?.state };
    return {
      ...rest,
      state: { ...rest.state, ...owned, ...guess.state },
      step(batch, now) {
        const { weak, strong } = batch.unlabeled.x;
        const [bl, bu] = counts(batch);
        const all = cat([batch.labeled.x.weak, weak, strong]);
        const { logits, features } = student.forwardHeads(all, { mode: "train", withFeatures: true });
        if (!features) throw new UsageError("crmatch: needs the features of whole batches. Use --accumulate 1");
        const [zl, zw, zs] = splitRows(logits, [bl, bu, bu] as const);
        const [, hw, hs] = splitRows(projection.head.forward(features.float(), "train"), [bl, bu, bu] as const);
        const q = guess.target(zw, batch.unlabeled, now).softmax(1);
        const mask = confidenceMask(q, options.threshold);
        const classification = crossEntropy(zl, batch.labeled.y);
        const consistency = crossEntropy(guess.learned(zs), hardLabels(q), { rowMask: mask });
        const distance = meanOrZero(cosines(hs, hw).clampMin(0).mul(mask));
        const turned = rotation && bu > 0 ? rotation.loss(weak, now) : undefined;
        const agreed = classification.add(consistency.mul(options.consistencyWeight));
        const loss = agreed.add(distance.mul(options.distanceWeight));
        for (const optimizer of beside) optimizer.zeroGrad();
        descend(turned ? loss.add(turned.mul(options.rotationWeight)) : loss, now);
        for (const optimizer of beside) optimizer.step(now);
        const metrics = { classification, consistency, distance, kept: meanOrZero(mask), ...guess.metrics(now) };
        return turned ? { ...metrics, rotation: turned } : metrics;
      },
    };
  },
});
