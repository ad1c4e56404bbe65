/**
 * Self-training in stages, with a teacher that is fixed while its student learns ("Pseudo Labels" in Meta Pseudo Labels,
 * arXiv:2003.10580, Section 1; with strong views the loop of Noisy Student, arXiv:1911.04252).
 *
 *   teacher    T on L alone:                L = (1/Bl) sum H(y, p(x))
 *   student-r  T labels the pool, q_u, once, in mode eval, and a filter sets m_u; then a fresh S on both:
 *              L = labeledWeight (1/Bl) sum H(y, p(x)) + pseudoWeight (1/Bu) sum m_u H(q_u, p(u));   T <- S, again
 *   fine-tune  S on L alone, from where it is (optional)
 *
 * The mean is over all unlabeled rows, those filtered out too. Every stage starts its learning rate and optimizer anew. T
 * is the moving average of the weights of the stage before, the model that is evaluated; once the labels are in the
 * table no network of it is kept. Labeled images in the unlabeled stream (`--unlabeled all`) are labeled by T there.
 *
 * @see the paper, Section 1; docs/methods/self-training.md; test/methods/self-training.test.ts, which computes the same slowly
 */
import { crossEntropy } from "../losses/index.js";
import { splitRows } from "../nn/index.js";
import { minimize, StagedOptimizer } from "../optim/index.js";
import { choice, integer, needPositive, number } from "../options.js";
import { PseudoLabelTable } from "../targets/index.js";
import { cat } from "../torch/index.js";
import { defineMethod } from "./method.js";
import { averageOf } from "./parts/average.js";
import { labelPool, POOL_LABELS } from "./parts/label-pool.js";
import { meanOrZero } from "./parts/rows.js";
import { evaluationEmaOptions, rampUpLength } from "./parts/shared-options.js";
import { stagesOf, startAfresh } from "./parts/stages.js";

export const selfTraining = defineMethod({
  name: "self-training",
  paper: "arXiv:2003.10580 (Pseudo Labels), arXiv:1911.04252 (with strong views)",
  summary: "a teacher trained on the labels labels the pool, a fresh student learns from both, and so on",
  usesUnlabeled: true,
  needsWholePool: true,
  options: {
    rounds: integer(1, { min: 1, doc: "students after the first teacher; each one labels the pool for the next" }),
    teacherShare: number(undefined, {
      min: 0,
      max: 1,
      doc: "share of the steps for the first teacher; if not given, as many as each student gets",
    }),
    fineTuneShare: number(0, { min: 0, max: 1, doc: "share of the steps, at the end, on labeled images alone" }),
    fineTuneLr: number(undefined, {
      min: 0,
      needs: [needPositive("method.fineTuneShare", 0.3)],
      doc: "largest learning rate there; if not given, the run's",
    }),
    labels: choice(POOL_LABELS, "argmax", {
      doc: "the teacher's labels: most probable class, a class drawn by its probabilities, or the probabilities",
    }),
    confidenceThreshold: number(0, { min: 0, max: 1, doc: "least largest probability of an image that is kept" }),
    topPerClass: integer(0, { min: 0, doc: "keep only so many images a class, the most confident; 0: no limit" }),
    view: choice(["weak", "strong"], "weak", {
      doc: "augmentation of the pseudo-labeled images the student sees; strong: Noisy Student",
    }),
    pseudoWeight: number(1, { min: 0, doc: "weight of the pseudo-labeled term" }),
    labeledWeight: number(1, { min: 0, doc: "weight of the labeled term beside it; 0: pseudo-labels alone" }),
    labelSmoothing: number(0, { min: 0, max: 1, doc: "share of labeled targets spread evenly over all classes" }),
    ...evaluationEmaOptions,
  },
  views: ({ view }) => ({
    labeled: { image: { augment: "weak" } },
    unlabeled: { image: { augment: view } },
  }),
  phases: (options, totalSteps) =>
    stagesOf(options, totalSteps).map(({ name, steps, both }) => ({ name, steps, rows: both ? "both" : "labeled" })),
  create(setup, options) {
    const { labels, confidenceThreshold: threshold, topPerClass, labelSmoothing: smoothing } = options;
    const stages = stagesOf(options, setup.totalSteps);
    const student = setup.buildModel("student");
    const longest = Math.max(...stages.map(({ steps }) => steps));
    const length = { totalSteps: longest, rampUpSteps: rampUpLength(undefined, longest) };
    const average = averageOf(setup, student, "teacher", options, length);
    const { ema } = average;
    const optimizer = new StagedOptimizer((stage) => {
      const { start, steps, name } = stages[stage]!;
      const lr = name === "fine-tune" && options.fineTuneLr !== undefined ? { lr: options.fineTuneLr } : {};
      return setup.buildOptimizer("student", student, { startStep: start, totalSteps: steps, options: lr });
    });
    const table = new PseudoLabelTable({
      numExamples: setup.numExamples,
      numClasses: setup.numClasses,
      soft: labels === "soft",
      device: student.parameters[0]!.tensor.device,
      dataFingerprint: setup.dataFingerprint,
    });

    /** T labels the pool and makes room for a fresh S; fine-tuning goes on with the weights there are. */
    const enter = (stage: number) => {
      if (stages[stage]!.both) {
        const rng = setup.rng.split(`labels:${stage}`);
        labelPool(setup, ema.model, table, { labels, threshold, topPerClass, rng });
        startAfresh(student, setup.buildModel(`student:${stage}`));
        if (options.emaStart === "random") startAfresh(ema.model, setup.buildModel(`teacher:${stage}`));
        ema.restart();
      }
      optimizer.enter(stage);
    };

    return {
      predictor: "teacher",
      models: { student, teacher: ema.model },
      state: { student, teacher: ema.model, ema, optimizer, table },
      step({ labeled, unlabeled }, now) {
        const stage = stages.findLastIndex(({ start }) => now.step >= start);
        while (optimizer.stage < stage) enter(optimizer.stage + 1);
        const { both } = stages[stage]!;
        const parts = both ? [labeled, unlabeled] : [labeled];
        const rows = parts.map(({ index }) => index.size(0));
        const nothing = { classification: 0, pseudo: 0, kept: 0, stage };
        // Mixed sampling can draw no labeled row: the first stage then has nothing to learn from.
        if (rows.every((n) => n === 0)) {
          average.follow(now);
          return nothing;
        }
        const [zl, zu] = splitRows(student.forward(cat(parts.map(({ x }) => x.image)), "train"), rows);
        const classification = crossEntropy(zl!, labeled.y, { smoothing });
        const { target, rowMask } = table.of(unlabeled.index); // q_u, m_u
        const pseudo = zu && crossEntropy(zu, target, { rowMask });
        const supervised = classification.mul(both ? options.labeledWeight : 1);
        minimize(pseudo ? supervised.add(pseudo.mul(options.pseudoWeight)) : supervised, optimizer, now);
        average.follow(now);
        return { ...nothing, classification, ...(pseudo && { pseudo, kept: meanOrZero(rowMask) }) };
      },
    };
  },
});
