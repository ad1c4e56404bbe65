// The warm start: stored predictions in the pseudo-labels of the first steps. Debiased ones: debias.test.ts.
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { DataError } from "../../../../src/errors.js";
import { predictRun } from "../../../../src/inference/prediction-table.js";
import { methods } from "../../../../src/methods/index.js";
import { guessing } from "../../../../src/methods/parts/pseudo-labels/guess.js";
import { writePredictionTable } from "../../../../src/targets/index.js";
import { scope } from "../../../../src/torch/index.js";
import { describeEngine } from "../../../support/engine.js";
import "../../../support/matchers.js";
import { CLASSES, numbers, snapshot, tinyRun } from "../../../support/method-run.js";
import { rowsTensor } from "../../../support/slow.js";
import { tinyInfo, tinyProbs } from "../../../support/tiny-table.js";
import { configure, removeFolder, temporaryFolder, trainToEnd } from "../../../support/train-run.js";

const folder = temporaryFolder();
afterAll(() => removeFolder(folder));
const having = methods.filter(({ options }) => "prior" in options).map(({ name }) => name);
const probs = tinyProbs(40, CLASSES).map((row, i) => (i === 2 ? [1, 0, 0, 0] : row));
const prior = join(folder, "prior.table");
writePredictionTable(prior, tinyInfo(40, CLASSES), [Float32Array.from(probs.flat())]);

test("the methods that compare a weak and a strong view have it", () => {
  expect(having).toEqual(["uda", "fixmatch", "flexmatch", "freematch", "softmatch", "adamatch", "crmatch"]);
});

describeEngine("guessing", () => {
  const off = { debias: 0, debiasDecay: 0.9, debiasMargin: undefined };

  test("adds w(t) log r to the logits, r no smaller than a thousandth, w falling to 0 in a straight line", () => {
    const run = tinyRun("supervised");
    const guess = guessing(run.setup, { ...off, prior, priorPower: 2, priorSteps: 4 }, "cpu");
    const z = [
      [1, 0, 0, 0],
      [0, 2, 0, 1],
    ];
    const rows = [7, 2];
    for (const [step, weight] of [2, 1.5, 1, 0.5, 0, 0].entries()) {
      const now = { step, epoch: 0, totalSteps: 20 };
      scope(() => {
        const wanted = z.flatMap((row, i) =>
          row.map((v, k) => v + weight * Math.log(Math.max(probs[rows[i]!]![k]!, 1e-3))),
        );
        expect(guess.target(rowsTensor(z), { rows: Int32Array.from(rows) }, now).toNumbers()).toBeCloseToTensor(
          wanted,
          { rtol: 1e-5 },
        );
        expect(numbers(guess.metrics(now))).toEqual({ priorPower: weight });
      });
    }
    run.release();
  });

  test.each(having)("%s: a prior changes the first steps, and from priorSteps on nothing", (name) => {
    const spec = methods.find((method) => method.name === name)!.options;
    const early = "threshold" in spec ? { threshold: 0.2 } : {};
    const end = (more: Readonly<Record<string, unknown>>, first: number) => {
      const run = tinyRun(name, { method: { ...early, ...more } });
      run.steps(3, first);
      const weights = snapshot(run.student);
      run.release();
      return weights;
    };
    const given = { prior, priorPower: 3, priorSteps: 4 };
    expect(end(given, 0)).not.toEqual(end({}, 0));
    expect(end(given, 4)).toEqual(end({}, 4));
  });

  test("a table of other images is refused, saying how to get one", () => {
    const other = join(folder, "other.table");
    writePredictionTable(other, tinyInfo(40, CLASSES, { dataFingerprint: "others" }), [
      Float32Array.from(probs.flat()),
    ]);
    expect(() => tinyRun("fixmatch", { method: { prior: other } })).toThrow(DataError);
    expect(() => tinyRun("fixmatch", { method: { prior: other } })).toThrow(/fewlabels predictions RUN/);
  });

  test("from a run of label propagation: with it, rows pass FixMatch's threshold at once", async () => {
    const features = join(folder, "features");
    await trainToEnd(configure(features, { method: "label-propagation", "method.neighbors": 10, "method.l2": 1e-4 }));
    const out = join(folder, "propagated.table");
    await predictRun(features, { out, dtype: "float16" });
    const kept = async (name: string, given: Readonly<Record<string, unknown>>) => {
      const config = configure(join(folder, name), { method: "fixmatch", steps: 4, "method.threshold": 0.8, ...given });
      const { events } = await trainToEnd(config);
      return events.flatMap((event) => (event.type === "step" ? [Number(event.metrics.kept)] : []));
    };
    const [without, having] = [await kept("without", {}), await kept("with", { "method.prior": out })];
    expect(without[0]).toBe(0);
    expect(having[0]).toBeGreaterThan(0.3);
    expect(() => configure(join(folder, "x"), { method: "fixmatch", "method.priorSteps": 3 })).toThrow(
      /no effect.*method.prior/,
    );
  }, 120_000); // three runs of a few seconds, and more on a busy machine
});
