/**
 * Reduced Meta Pseudo Labels (Pham et al., arXiv:2003.10580, Appendix E): the feedback loop without two large networks in
 * memory. A large teacher was trained before and its predictions qBig stored (`fewlabels predictions`); here only the
 * student and a small perceptron R are resident, which corrects them.
 *
 *   q = R(qBig(u));  yhat ~ q;   thS' = optimizer(thS, grad CE(yhat, S(us)));   h = eta <grad L_l(thS'), grad CE(yhat, S(us))>, less its average
 *   thR <- optimizer(thR, grad [ h sum_u H(yhat_u, q_u) + CE(yl, R(qBig(xl))) ])
 *
 * The update of R is our reconstruction from the full method; the paper gives the stages and the role of R. R is residual,
 * softmax(log qBig + MLP(qBig)) starting at the identity, because qBig is already accurate. There is no soft label:
 * H(q, q) has no gradient. Feedback and the fine-tuning at the end are those of meta-pseudo-labels.ts.
 *
 * @see the paper, Appendix E; docs/methods/reduced-meta-pseudo-labels.md; test/methods/reduced-meta-pseudo-labels.test.ts, which computes the same slowly
 */
import { UsageError } from "../errors.js";
import { crossEntropy } from "../losses/index.js";
import { forwardJoint, type PassRequest } from "../nn/index.js";
import { minimize } from "../optim/index.js";
import { boolean, choice, integer, number, path } from "../options.js";
import { createCalibrator, hardLabels, PredictionTable, sampleLabels } from "../targets/index.js";
import { ownRows, world } from "../torch/index.js";
import { defineMethod } from "./method.js";
import { createStudent, studentOptions } from "./parts/feedback-student.js";
import { finetunePhases } from "./parts/finetune.js";

export const reducedMetaPseudoLabels = defineMethod({
  name: "reduced-meta-pseudo-labels",
  paper: "arXiv:2003.10580, Appendix E",
  summary: "Meta Pseudo Labels with a large teacher's stored predictions and a small perceptron that corrects them",
  usesUnlabeled: true,
  options: {
    table: path(undefined, {
      doc: "the large teacher's predictions, a file made by `fewlabels predictions`; required",
    }),
    labelMode: choice(["sample", "argmax"], "sample", {
      doc: "the student's label: drawn from the corrected prediction, or its most probable class",
    }),
    ...studentOptions,
    supervisedWeight: number(1, { min: 0, doc: "weight of the perceptron's cross-entropy on labeled images" }),
    calibratorHidden: integer(128, { min: 1, doc: "units of the perceptron's hidden layers (ImageNet: 512)" }),
    calibratorResidual: boolean(true, {
      doc: "the perceptron adds to log q and starts as the identity; false: it replaces q",
    }),
    calibratorInput: choice(["probs", "logProbs"], "probs", { doc: "what the perceptron sees of the prediction" }),
    calibratorLr: number(1e-3, { min: 0, doc: "the perceptron's learning rate; its schedule is the run's" }),
  },
  views: () => ({ labeled: { image: { augment: "weak" } }, unlabeled: { strong: { augment: "strong" } } }),
  phases: finetunePhases,
  create(setup, options) {
    if (options.table === undefined) {
      throw new UsageError(
        "reduced-meta-pseudo-labels: needs --method.table TABLE, made with `fewlabels predictions RUN --out TABLE` from a trained run",
      );
    }
    const { numClasses, numExamples: rows, dataFingerprint } = setup;
    const table = PredictionTable.open(options.table, { rows, numClasses, dataFingerprint });
    const pupil = createStudent(setup, options);
    const { student, average, finetuneFrom } = pupil;
    const device = student.parameters[0]!.tensor.device;
    const calibrator = createCalibrator({
      numClasses,
      hidden: options.calibratorHidden,
      residual: options.calibratorResidual,
      input: options.calibratorInput,
      rng: setup.rng.split("calibrator"),
      device,
    });
    const calibratorOptimizer = setup.buildOptimizer("calibrator", calibrator, {
      totalSteps: finetuneFrom,
      options: { lr: options.calibratorLr, waitSteps: 0 }, // it learns while the student waits, as the full method's teacher
    });
    const corrected = (rows: Int32Array) =>
      calibrator.forward(table.read(ownRows(rows, world())).toDevice(device), "train");
    return {
      predictor: "studentAverage",
      optimizerAt: pupil.optimizerAt,
      models: { student, studentAverage: average },
      state: { ...pupil.state, calibrator, calibratorOptimizer },
      step({ labeled, unlabeled }, now) {
        const [xl, yl, us] = [labeled.x.image, labeled.y, unlabeled.x.strong];
        if (now.step >= finetuneFrom) return pupil.finetune(xl, yl, now);

        const classification = crossEntropy(corrected(labeled.rows), yl); // CE(yl, R(qBig(xl)))
        const own = classification.mul(options.supervisedWeight);
        if (pupil.waits(now)) {
          minimize(own, calibratorOptimizer, now);
          return { classification };
        }

        // q = R(qBig(u)); yhat ~ q; the student learns from that alone.
        const zu = corrected(unlabeled.rows); // log of q, up to a constant
        const q = zu.detach().softmax(1);
        const yhat =
          options.labelMode === "sample" ? sampleLabels(q, setup.rng.split(`labels:${now.step}`)) : hardLabels(q);
        const [su, sl] = forwardJoint(student, [us, xl], pupil.pass);
        const pseudo = crossEntropy(su, yhat, { smoothing: options.labelSmoothing });
        // thS <- optimizer(thS, grad pseudo), and h = L_l(thS) - L_l(thS'): did yhat help with the true labels?
        const labeledLoss = (pass: PassRequest) => crossEntropy(student.forward(xl, pass), yl);
        const jointLoss = () => crossEntropy(sl, yl);
        const feedback = pupil.descend({ pseudo, labeledLoss, jointLoss }, yl.size(0), now);

        // thR <- optimizer(thR, grad [own + h sum_u H(yhat_u, q_u)])
        minimize(feedback ? own.add(feedback.reward(zu, yhat)) : own, calibratorOptimizer, now);
        return { classification, pseudo, ...feedback?.metrics };
      },
    };
  },
});
