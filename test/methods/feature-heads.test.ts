// Methods that fit a head to features: what they find, that a second step changes nothing, and a whole run with its record.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { flatten } from "../../src/config/given.js";
import { resolveConfig } from "../../src/config/resolve.js";
import { UsageError } from "../../src/errors.js";
import { evaluateRun } from "../../src/inference/evaluate.js";
import { methods } from "../../src/methods/index.js";
import { noGrad, scope } from "../../src/torch/index.js";
import { describeEngine } from "../support/engine.js";
import { CLASSES, snapshot, tinyRun } from "../support/method-run.js";
import { removeFolder, temporaryFolder, trainToEnd } from "../support/train-run.js";

const folder = temporaryFolder();
afterAll(() => removeFolder(folder));
const onFeatures = methods.filter((method) => method.onFeatures);

test("there are four", () => {
  expect(onFeatures.map(({ name }) => name)).toEqual(["prototypes", "knn", "linear-probe", "label-propagation"]);
});

for (const { name, options, paper } of onFeatures) {
  describeEngine(name, () => {
    test("declares its paper and documents its options", () => {
      expect(paper).toMatch(/\d{4}\.\d{5}/);
      for (const [option, { doc }] of Object.entries(options)) expect(doc.length, option).toBeGreaterThan(15);
    });

    test("the first step moves the head alone, and knows most labels; the second changes nothing", () => {
      const run = tinyRun(name);
      const before = snapshot(run.student);
      const [first] = run.steps(1);
      const after = snapshot(run.student);
      const moved = Object.keys(after).filter((key) => JSON.stringify(after[key]) !== JSON.stringify(before[key]));
      const own = ["neighbors.classes", "neighbors.features", "neighbors.nearest", "neighbors.temperature"];
      expect(moved.sort()).toEqual(name === "knn" ? own : ["fc.bias", "fc.weight"]);
      expect(first!.labeledError).toBeLessThan(30);
      run.steps(2, 1);
      expect(snapshot(run.student)).toEqual(after);
      run.release();
    });

    test("a network with two heads is refused, naming them", () => {
      expect(() => tinyRun(name, { modelOptions: { heads: 2 } })).toThrow(UsageError);
      expect(() => tinyRun(name, { modelOptions: { heads: 2 } })).toThrow(/fc2.weight.*--model.heads 1/);
    });

    test("a run of one step by default: result, checkpoint, and the same error when it is evaluated again", async () => {
      const given = {
        dataset: "two-moons",
        labels: 20,
        method: name,
        model: "mlp",
        threads: 1,
        precision: "fp32",
      };
      const out = join(folder, name);
      const config = resolveConfig(flatten({ ...given, out }));
      expect(config.steps).toBe(1);
      const { result, events } = await trainToEnd(config);
      // Of a network with fresh weights, where directions tell little, as a warning says; chance is 50.
      const warnings = events.flatMap((e) => (e.type === "warning" ? [e.message] : []));
      expect(warnings).toEqual([expect.stringMatching(`^${name} leaves .*without --model.weights .* a random one`)]);
      expect(result!.error).toBeLessThan(name === "prototypes" ? 40 : 25);
      expect(existsSync(join(out, "checkpoints", "step-1", "student.safetensors"))).toBe(true);
      expect(JSON.parse(readFileSync(join(out, "result.json"), "utf8")).error).toBe(result!.error);
      expect((await evaluateRun(out, { split: "test" })).result.error).toBe(result!.error);
    });
  });
}

describeEngine("prototypes", () => {
  test("its classes are those of the nearest mean direction, worked out by loops", () => {
    const run = tinyRun("prototypes");
    run.steps(1);
    const { rows, y } = run.setup.labeled;
    const unit = (v: number[]) => v.map((x) => x / Math.sqrt(v.reduce((s, u) => s + u * u, 0)));
    const features = (list: Int32Array) =>
      noGrad(() =>
        scope(() => {
          const t = run.student.features(run.setup.trainingImages(list));
          const [flat, size] = [t.toNumbers(), t.size(1)];
          return Array.from(list, (_, i) => unit(flat.slice(i * size, (i + 1) * size)));
        }),
      );
    const labeled = features(rows);
    const means = Array.from({ length: CLASSES }, (_, k) =>
      unit(labeled[0]!.map((_, d) => labeled.reduce((s, f, i) => s + (y[i] === k ? f[d]! : 0), 0))),
    );
    const all = Int32Array.from({ length: 40 }, (_, i) => i);
    const wanted = features(all).map((f) => {
      const cosines = means.map((m) => m.reduce((s, v, d) => s + v * f[d]!, 0));
      return cosines.indexOf(Math.max(...cosines));
    });
    const got = noGrad(() =>
      scope(() => run.student.forward(run.setup.trainingImages(all), "eval").argmax(1).toNumbers()),
    );
    expect(got).toEqual(wanted);
    run.release();
  });
});
