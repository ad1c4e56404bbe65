import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { predictRun } from "../../src/inference/prediction-table.js";
import { reducedMetaPseudoLabels } from "../../src/methods/reduced-meta-pseudo-labels.js";
import type { Model } from "../../src/nn/index.js";
import { hardLabels, PredictionTable, sampleLabels } from "../../src/targets/index.js";
import { cat, noGrad, oneHot, scope, tensor } from "../../src/torch/index.js";
import { describeEngine } from "../support/engine.js";
import "../support/matchers.js";
import { CLASSES, gradients, snapshot, type TinyRun, type TinyRunOptions, tinyRun } from "../support/method-run.js";
import { tinyProbs } from "../support/tiny-table.js";
import { configure, removeFolder, temporaryFolder, trainToEnd } from "../support/train-run.js";
import { slowClassification } from "./formulas.js";

const NAME = "reduced-meta-pseudo-labels";
const calibratorOf = (run: TinyRun) => run.method.state.calibrator as Model;
const labeledLossOf = (run: TinyRun) =>
  scope(() =>
    noGrad(() => {
      const batch = run.batch(0);
      return slowClassification(run.student.forward(batch.labeled.x.image!, "probe"), batch, 4).item();
    }),
  );

describeEngine("reduced-meta-pseudo-labels: the step equals the formulas", () => {
  test.each([
    ["sample", {}],
    ["argmax", {}],
    ["sample", { supervisedWeight: 0 }],
    ["argmax", { feedbackWeight: 0 }],
    ["sample", { calibratorResidual: false, calibratorInput: "logProbs" }],
  ])("%s %o", (labelMode, more) => {
    const method = { labelMode, feedbackWeight: 5, feedback: "paired", ...more } as Record<string, unknown>;
    const options: TinyRunOptions = { method, optimizer: { name: "sgd", lr: 0.5 } };
    const [run, twin] = [tinyRun(NAME, options), tinyRun(NAME, options)];
    const metrics = run.steps(1)[0]!;
    const h = 0.99 * (labeledLossOf(twin) - labeledLossOf(run));

    const rows = tinyProbs(40, CLASSES);
    scope(() => {
      const batch = twin.batch(0);
      const [u, l] = [batch.unlabeled.index.toNumbers(), batch.labeled.index.toNumbers()];
      const calibrator = calibratorOf(twin);
      const z = (index: readonly number[]) => {
        const flat = Float32Array.from(index.flatMap((i) => rows[i]!));
        return calibrator.forward(tensor(flat, [index.length, CLASSES]), "train");
      };
      const zu = z(u);
      const p = zu.exp().div(zu.exp().sum([1], true));
      const drawn = () => sampleLabels(p, twin.setup.rng.split("labels:0"));
      const label = oneHot(labelMode === "sample" ? drawn() : hardLabels(p), CLASSES);
      const feedback = label.mul(p.log()).sum().neg(); // the sum over rows
      const classification = slowClassification(z(l), batch, 4);
      const weights = { supervisedWeight: 1, ...method } as unknown as Record<string, number>;
      classification
        .mul(weights.supervisedWeight!)
        .add(feedback.mul(h * weights.feedbackWeight!))
        .backward();
      const su = twin.student.forward(cat([batch.unlabeled.x.strong!, batch.labeled.x.image!]), {
        mode: "train",
        updateStatistics: false,
      });
      const s = su.narrow(0, 0, 6);
      const logs = s.sub(s.exp().sum([1], true).log());
      label
        .mul(0.85)
        .add(0.15 / CLASSES)
        .mul(logs)
        .sum()
        .div(-6)
        .backward();
      expect([metrics.classification!]).toBeCloseToTensor([classification.item()], { rtol: 1e-4 });
    });
    expect([metrics.centeredFeedback!]).toBeCloseToTensor([h], { rtol: 1e-3, atol: 2e-6 });
    expect(Math.abs(h)).toBeGreaterThan(1e-3);
    for (const [got, wanted] of [
      [gradients(calibratorOf(run)), gradients(calibratorOf(twin))],
      [gradients(run.student), gradients(twin.student)],
    ]) {
      for (const [name, values] of Object.entries(wanted!)) {
        const scale = Math.max(...values!.map(Math.abs));
        expect(got![name]!, name).toBeCloseToTensor(values!, { rtol: 1e-3, atol: 1e-4 * scale + 1e-7 });
      }
    }
    for (const one of [run, twin]) one.release();
  });
});

describeEngine("reduced-meta-pseudo-labels", () => {
  test("holds no second network: student, its average and the perceptron", () => {
    const run = tinyRun(NAME);
    const models = Object.entries(run.method.state).filter(([, owner]) => "parameters" in owner);
    expect(models.map(([role]) => role).sort()).toEqual(["calibrator", "student", "studentAverage"]);
    run.release();
  });

  test("the perceptron learns from the labels alone too, every layer of it", () => {
    const run = tinyRun(NAME, { method: { feedbackWeight: 0 } });
    const before = snapshot(calibratorOf(run));
    run.steps(4);
    const after = snapshot(calibratorOf(run));
    for (const name of Object.keys(before)) expect(after[name], name).not.toEqual(before[name]);
    run.release();
  });

  test("without a table it says how to make one; a table of other data is refused", () => {
    expect(() => tinyRun(NAME, { method: { table: undefined } })).toThrow(/fewlabels predictions RUN --out TABLE/);
    expect(() => tinyRun(NAME, { method: { table: "/nowhere/table" } })).toThrow(/cannot be opened/);
  });

  test("the path of the table is kept absolute, so that a run can be resumed from anywhere", () => {
    const given = { method: NAME, "method.table": "large.table" };
    expect(configure("run", given).methodOptions.table).toBe(resolve("large.table"));
  });

  describe("every option changes something:", () => {
    const rows: Record<string, readonly [unknown, TinyRunOptions?]> = {
      labelMode: ["argmax"],
      feedback: ["cosine"],
      feedbackSign: ["newMinusOld"],
      feedbackWeight: [3],
      feedbackReduction: ["mean"],
      baseline: ["none"],
      baselineDecay: [0.5],
      supervisedWeight: [2],
      labelSmoothing: [0],
      studentWaitSteps: [1],
      studentDropout: [0.1],
      calibratorHidden: [16],
      calibratorResidual: [false],
      calibratorInput: ["logProbs"],
      calibratorLr: [0.1],
      emaDecay: [0.5, { method: { emaWarmup: "none" } }],
      emaStart: ["zeros"],
      emaWarmup: ["none"],
      emaBuffers: ["copy"],
      finetuneSteps: [2],
      finetuneLr: [0.1, { method: { finetuneSteps: 2 } }],
    };
    test("and each has its row here", () => {
      expect([...Object.keys(rows), "finetuneBatch", "table"].sort()).toEqual(
        Object.keys(reducedMetaPseudoLabels.options).sort(),
      );
    });
    const end = (options: TinyRunOptions) => {
      const run = tinyRun(NAME, { ...options, totalSteps: 4 });
      run.steps(4);
      const values = [...Object.values(run.method.models), calibratorOf(run)].map(snapshot);
      run.release();
      return values;
    };
    test.each(Object.entries(rows))("%s", (option, [value, needs = {}]) => {
      expect(end({ ...needs, method: { ...needs.method, [option]: value } })).not.toEqual(end(needs));
    });
  });
});

describeEngine("reduced-meta-pseudo-labels, all four stages", () => {
  let folder: string;
  beforeAll(() => {
    folder = temporaryFolder();
  });
  afterAll(() => removeFolder(folder));

  test("a trained run, its table, the reduced run with its fine-tuning; another data set is refused", async () => {
    const [large, table] = [join(folder, "large"), join(folder, "large.table")];
    await trainToEnd(configure(large, { method: "supervised", steps: 6, "method.emaDecay": 0.5 }));
    const seen: number[] = [];
    const made = await predictRun(large, {
      out: table,
      dtype: "float32",
      batch: 50,
      onProgress: (done) => seen.push(done),
    });
    expect(made).toMatchObject({ rows: 120, classes: 10, predictor: "teacher" });
    expect(seen).toEqual([50, 100, 120]);

    const stored = PredictionTable.open(table, { rows: 120, numClasses: 10, dataFingerprint: made.dataFingerprint });
    expect(stored.info.source).toBe(large);
    const again = join(folder, "again.table");
    await predictRun(large, { out: again, dtype: "float16", batch: 7 });
    const half = PredictionTable.open(again, { rows: 120, numClasses: 10, dataFingerprint: made.dataFingerprint });
    scope(() => {
      const index = Array.from({ length: 120 }, (_, i) => i);
      // One row after another or many at once, the prediction of an image is the same: mode eval.
      expect(half.read(index)).toBeCloseToTensor(stored.read(index).toNumbers(), { rtol: 1e-3, atol: 1e-4 });
    });

    const given = { method: NAME, steps: 5, "method.finetuneSteps": 2, "method.table": table, strong: "weak" };
    const { result } = await trainToEnd(configure(join(folder, "reduced"), given));
    expect(result!.predictor).toBe("studentAverage");
    const other = configure(join(folder, "other"), { ...given, "dataset.train": 130 });
    await expect(trainToEnd(other)).rejects.toThrow(/holds predictions for 120 images .* but the run has 130/);
  });

  test("a student taught by the table alone learns what the large teacher knows: two moons", async () => {
    const common = {
      dataset: "two-moons",
      "dataset.train": 500,
      "dataset.test": 500,
      "dataset.noise": 0.05,
      model: "mlp",
      "model.width": undefined,
      "model.hidden": 32,
      "model.activation": "relu",
      labels: 10,
      batch: 60,
      labeledBatch: 10,
      steps: 600,
      logEvery: 100,
      "optimizer.lr": 0.02,
      "optimizer.schedule": "constant",
      "optimizer.warmupSteps": 0,
    };
    const [large, table] = [join(folder, "moons"), join(folder, "moons.table")];
    const fast = { "method.emaDecay": 0.8 };
    const uda = { method: "uda", "method.consistencyWeight": 2, "method.threshold": 0.55, ...fast };
    const teacher = await trainToEnd(configure(large, { ...common, ...uda }));
    await predictRun(large, { out: table, dtype: "float16" });
    const reduced = {
      method: NAME,
      "method.table": table,
      "method.finetuneSteps": 0,
      "method.labelSmoothing": 0,
      ...fast,
    };
    const student = await trainToEnd(configure(join(folder, "moons-reduced"), { ...common, ...reduced }));
    expect(teacher.result!.error).toBeLessThan(4);
    expect(student.result!.error).toBeLessThan(teacher.result!.error + 2);
  }, 60_000);
});
