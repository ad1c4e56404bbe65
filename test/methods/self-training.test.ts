import { expect, test } from "vitest";
import { UsageError } from "../../src/errors.js";
import { selfTraining } from "../../src/methods/self-training.js";
import { parseOptions } from "../../src/options.js";
import { cat, liveTensors, noGrad, oneHot, scope, tensor } from "../../src/torch/index.js";
import { describeEngine } from "../support/engine.js";
import { CLASSES, saveState, snapshot, type TinyRun, tinyRun } from "../support/method-run.js";
import { checkStep, rowsOf, still } from "./both-ways.js";
import { slowClassification } from "./formulas.js";

const NAME = "self-training";
type Given = Readonly<Record<string, unknown>>;

/** Of 20 steps: teacher 0 .. 9, student from 10 on. */
const BOUNDARY = 10;

/** What the teacher of the moment says about every image: probabilities, by loops from its logits. */
function opinions({ method, setup }: TinyRun): number[][] {
  const all = Int32Array.from({ length: setup.numExamples }, (_, i) => i);
  return scope(() =>
    noGrad(() => rowsOf(method.models.teacher!.forward(setup.trainingImages(all), "eval"))).map((z) => {
      const powers = z.map(Math.exp);
      const sum = powers.reduce((a, b) => a + b, 0);
      return powers.map((x) => x / sum);
    }),
  );
}

const best = (row: readonly number[]) => row.indexOf(Math.max(...row));

/** The images that the filter keeps: confident enough, and among the first `top` of their class. */
function keptImages(probs: readonly number[][], threshold: number, top: number): Set<number> {
  const kept = new Set<number>();
  for (let k = 0; k < CLASSES; k++) {
    const members = probs.flatMap((row, i) => (best(row) === k && row[k]! >= threshold ? [i] : []));
    members.sort((a, b) => probs[b]![k]! - probs[a]![k]!);
    for (const i of top > 0 ? members.slice(0, top) : members) kept.add(i);
  }
  return kept;
}

describeEngine("self-training: loss and gradient equal the formula's", () => {
  // A young teacher is sure of nothing: with the student's statistics 0.2565 parts its opinions about four classes in halves.
  const variants: readonly Given[] = [
    {},
    { labels: "soft" },
    { confidenceThreshold: 0.2565, pseudoWeight: 2 },
    { topPerClass: 2, labeledWeight: 0.5 },
    { labels: "soft", confidenceThreshold: 0.2565, topPerClass: 4, labelSmoothing: 0.2 },
  ];
  for (const given of variants) {
    test(JSON.stringify(given), () => {
      const run = tinyRun(NAME, { method: { emaBuffers: "copy", ...given } });
      const smoothing = (given.labelSmoothing as number) ?? 0;
      for (let step = 0; step < BOUNDARY; step++) {
        checkStep(run, step, (batch) => {
          const z = run.student.forward(batch.labeled.x.image!, still);
          const classification = slowClassification(z, batch, batch.labeled.index.size(0), smoothing);
          return { loss: classification, metrics: { classification: classification.item(), pseudo: 0, stage: 0 } };
        });
      }
      const probs = opinions(run);
      const kept = keptImages(probs, (given.confidenceThreshold as number) ?? 0, (given.topPerClass as number) ?? 0);
      expect(kept.size).toBeGreaterThan(0);
      if (given.topPerClass !== undefined || given.confidenceThreshold !== undefined)
        expect(kept.size).toBeLessThan(40);
      run.steps(1, BOUNDARY);
      for (let step = BOUNDARY + 1; step < 15; step++) {
        checkStep(run, step, (batch) => {
          const { labeled, unlabeled } = batch;
          const [bl, bu] = [labeled.index.size(0), unlabeled.index.size(0)];
          const z = run.student.forward(cat([labeled.x.image!, unlabeled.x.image!]), still);
          const classification = slowClassification(z, batch, bl, smoothing);
          const index = unlabeled.index.toNumbers();
          const targets = index.map((i) =>
            given.labels === "soft" ? probs[i]! : probs[i]!.map((_, k) => (k === best(probs[i]!) ? 1 : 0)),
          );
          const mask = index.map((i) => (kept.has(i) ? 1 : 0));
          const zu = z.narrow(0, bl, bu);
          const pseudo = tensor(Float32Array.from(targets.flat()), [bu, CLASSES])
            .mul(zu.sub(zu.exp().sum([1], true).log()))
            .mul(tensor(Float32Array.from(mask), [bu, 1]))
            .sum()
            .mul(-1 / bu);
          const labeledTerm = classification.mul((given.labeledWeight as number) ?? 1);
          return {
            loss: labeledTerm.add(pseudo.mul((given.pseudoWeight as number) ?? 1)),
            metrics: {
              classification: classification.item(),
              pseudo: pseudo.item(),
              kept: mask.filter(Boolean).length / bu,
              stage: 1,
            },
          };
        });
      }
      run.release();
    });
  }
});

describeEngine(NAME, () => {
  const phases = (given: Given, steps = 100) =>
    selfTraining.phases!(parseOptions(selfTraining.options, given, NAME), steps).map(
      ({ name, rows, steps: n }) => `${name} ${rows} ${n}`,
    );

  test("the stages share the run: teacher on labeled rows, students on both, fine-tuning on labeled rows", () => {
    expect(phases({})).toEqual(["teacher labeled 50", "student-1 both 50"]);
    expect(phases({ rounds: 3 })).toEqual([
      "teacher labeled 25",
      "student-1 both 25",
      "student-2 both 25",
      "student-3 both 25",
    ]);
    expect(phases({ teacherShare: 0.2, fineTuneShare: 0.1 })).toEqual([
      "teacher labeled 20",
      "student-1 both 70",
      "fine-tune labeled 10",
    ]);
    for (const steps of [1, 2, 7, 101]) {
      const total = phases({ rounds: 2, fineTuneShare: 0.15 }, steps).reduce(
        (sum, p) => sum + Number(p.split(" ")[2]),
        0,
      );
      expect(total).toBe(steps);
    }
    expect(() => phases({ teacherShare: 0.7, fineTuneShare: 0.3 })).toThrow(UsageError);
  });

  test("labels drawn from the teacher follow its probabilities, and stay what they are", () => {
    const run = tinyRun(NAME, { method: { labels: "sample" }, optimizer: { lr: 0 } });
    run.steps(BOUNDARY + 1);
    const labels = () => run.method.state.table!.stateDict().tensors.targets!.toNumbers();
    const first = labels();
    run.steps(4, BOUNDARY + 1);
    expect(labels()).toEqual(first);
    expect(new Set(first).size).toBeGreaterThan(1); // an untrained teacher is never sure
    run.release();
    const other = tinyRun(NAME, { method: { labels: "sample" }, optimizer: { lr: 0 }, seed: 2 });
    other.steps(BOUNDARY + 1);
    expect(other.method.state.table!.stateDict().tensors.targets!.toNumbers()).not.toEqual(first);
    other.release();
  });

  test("images outside the unlabeled stream get no label", () => {
    const run = tinyRun(NAME);
    run.steps(BOUNDARY + 1);
    expect(run.method.state.table!.stateDict().tensors.kept!.toNumbers()).toEqual(new Array(40).fill(1));
    (run.setup as { unlabeledRows: Int32Array }).unlabeledRows = Int32Array.of(3, 17);
    run.release();
    const rows = Int32Array.of(3, 17);
    const few = tinyRun(NAME);
    Object.assign(few.setup, { unlabeledRows: rows });
    few.steps(BOUNDARY + 1);
    const kept = few.method.state.table!.stateDict().tensors.kept!.toNumbers();
    expect(kept.flatMap((x, i) => (x ? [i] : []))).toEqual([3, 17]);
    few.release();
  });

  test.each(["copy", "random", "zeros"])("emaStart %s holds for the average of every student", (emaStart) => {
    // Nothing moves: the average stays where it starts, and a share of 1 keeps the student out of it.
    const method = { rounds: 2, emaStart, emaDecay: 1, emaWarmup: "none" };
    const run = tinyRun(NAME, { method, optimizer: { lr: 0 }, totalSteps: 6 });
    const weights = (role: string) => run.method.models[role]!.parameters.map(({ tensor }) => tensor.toNumbers());
    const starts = [0, 2, 4].map((step) => {
      run.steps(2, step);
      if (emaStart === "copy") expect(weights("teacher")).toEqual(weights("student"));
      else expect(weights("teacher")).not.toEqual(weights("student"));
      return JSON.stringify(weights("teacher"));
    });
    expect(new Set(starts).size).toBe(emaStart === "zeros" ? 1 : 3);
    run.release();
  });

  test("every student starts with fresh weights and an empty optimizer, and so does the average", () => {
    const run = tinyRun(NAME, { method: { rounds: 2, teacherShare: 0.3 }, optimizer: { lr: 0 }, totalSteps: 20 });
    const weights = (at: number) => {
      run.steps(1, at);
      const { parameters } = run.student;
      return { of: parameters.map(({ tensor: t }) => t.toNumbers()), student: snapshot(run.student) };
    };
    const parametersOf = (role: string) => {
      const model = run.setup.buildModel(role);
      return model.parameters.map(({ tensor: t }) => t.toNumbers());
    };
    const teacher = weights(0);
    const first = weights(6);
    const second = weights(13);
    expect(first.of).toEqual(parametersOf("student:1"));
    expect(second.of).toEqual(parametersOf("student:2"));
    expect(first.of).not.toEqual(teacher.of);
    expect(second.of).not.toEqual(first.of);
    expect(run.method.models.teacher!.parameters.map(({ tensor: t }) => t.toNumbers())).toEqual(second.of);
    run.release();
  });

  test("the optimizer starts anew with each stage, its running means at one step's gradient", () => {
    const run = tinyRun(NAME, {});
    run.steps(BOUNDARY);
    const products = () => run.method.state.optimizer!.stateDict().values;
    expect(products().stage).toBe(0);
    run.steps(1, BOUNDARY);
    expect(products().stage).toBe(1);
    expect((products().current as { beta1Product: number }).beta1Product).toBeCloseTo(0.9, 12);
    run.release();
  });

  test("the learning rate's schedule restarts with each stage; fine-tuning can have its own", () => {
    const optimizers: ((step: number) => number)[] = [];
    const run = tinyRun(NAME, {
      method: { fineTuneShare: 0.2, fineTuneLr: 0.001 },
      optimizer: { lr: 0.02, schedule: "linear-cosine", cosineSteps: 20 },
    });
    const { setup } = run;
    const build = setup.buildOptimizer;
    Object.assign(setup, {
      buildOptimizer: (...args: Parameters<typeof build>) => {
        const optimizer = build(...args);
        optimizers.push(optimizer.learningRate);
        return optimizer;
      },
    });
    run.steps(20); // teacher 0 .. 7, student 8 .. 15, fine-tuning 16 .. 19
    const [student, fineTune] = optimizers;
    expect(optimizers.length).toBe(2); // the teacher's was built before
    expect(student!(8)).toBeCloseTo(0.02, 12);
    expect(student!(12)).toBeCloseTo(0.01 * (1 + Math.cos((Math.PI * 4) / 20)), 12);
    expect(fineTune!(16)).toBeCloseTo(0.001, 12);
    run.release();
  });

  test("fine-tuning goes on with the student's weights and reads no unlabeled row", () => {
    const run = tinyRun(NAME, { method: { fineTuneShare: 0.2 } });
    run.steps(16);
    const before = run.student.parameters.map(({ tensor: t }) => t.toNumbers());
    const metrics = run.steps(1, 16)[0]!;
    const after = run.student.parameters.map(({ tensor: t }) => t.toNumbers());
    const largest = Math.max(...after.flatMap((values, i) => values.map((v, k) => Math.abs(v - before[i]![k]!))));
    expect(largest).toBeLessThanOrEqual(0.0101); // one step of Adam at 0.01, not another network
    expect([metrics.stage, metrics.pseudo, metrics.kept]).toEqual([2, 0, 0]);
    run.release();
  });

  test("a filtered-out image does not teach: with none kept the pseudo-labels do not matter", () => {
    const end = (pseudoWeight: number) => {
      const run = tinyRun(NAME, { method: { confidenceThreshold: 1, pseudoWeight } });
      const metrics = run.steps(6, 8);
      expect(metrics.map(({ kept }) => kept)).toEqual([0, 0, 0, 0, 0, 0]);
      const weights = snapshot(run.student);
      run.release();
      return weights;
    };
    expect(end(1)).toEqual(end(50));
  });

  for (const options of [
    { rounds: 2, fineTuneShare: 0.2 },
    { labels: "soft", emaStart: "random" },
    { labels: "sample" },
  ] as const) {
    test(`continues bit for bit from any step, at the boundaries too: ${JSON.stringify(options)}`, () => {
      for (const cut of "rounds" in options ? [1, 4, 5, 6, 10, 11, 12, 15, 16, 17] : [9, 10, 11]) {
        const whole = tinyRun(NAME, { method: options });
        whole.steps(cut);
        const saved = saveState(whole.method);
        whole.steps(3, cut);
        const resumed = tinyRun(NAME, { method: options });
        for (const [owner, state] of Object.entries(saved)) resumed.method.state[owner]!.loadStateDict(state);
        resumed.steps(3, cut);
        for (const role of ["student", "teacher"]) {
          expect(snapshot(resumed.method.models[role]!), `cut ${cut}`).toEqual(snapshot(whole.method.models[role]!));
        }
        const state = (run: TinyRun) =>
          Object.values(run.method.state).map((owner) => {
            const { tensors, values } = owner.stateDict();
            return [values, Object.values(tensors).map((t) => t.toArray())];
          });
        expect(state(resumed)).toEqual(state(whole));
        for (const { tensors } of Object.values(saved)) for (const t of Object.values(tensors)) t.release();
        whole.release();
        resumed.release();
      }
    });
  }

  test("stages leave no tensors behind: as many after four students as before", () => {
    const run = tinyRun(NAME, { method: { rounds: 4 } });
    run.steps(2);
    const before = liveTensors();
    run.steps(18, 2);
    expect(run.method.state.optimizer!.stateDict().values.stage).toBe(4);
    expect(liveTensors()).toBe(before);
    run.release();
  });

  test("a saved table of other data is refused", () => {
    const run = tinyRun(NAME);
    const { tensors, values } = run.method.state.table!.stateDict();
    const foreign = { tensors, values: { ...values, dataFingerprint: "other" } };
    expect(() => run.method.state.table!.loadStateDict(foreign)).toThrow(/other images/);
    run.release();
  });

  test("wrong labels stay wrong while a student learns: the teacher is fixed", () => {
    const run = tinyRun(NAME, { method: { pseudoWeight: 5 } });
    run.steps(BOUNDARY + 1);
    const labels = () => run.method.state.table!.stateDict().tensors.targets!.toNumbers();
    const before = labels();
    run.steps(9, BOUNDARY + 1);
    expect(labels()).toEqual(before);
    const now = opinions(run).map(best);
    expect(now).not.toEqual(before); // what is learned by then says otherwise somewhere
    expect(
      scope(() =>
        oneHot(tensor(BigInt64Array.from(before, BigInt), [40]), CLASSES)
          .sum()
          .item(),
      ),
    ).toBe(40);
    run.release();
  });
});
