// The vote of the nearest against loops, and that every command that takes a run takes this one.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { exportRun } from "../../src/export/export.js";
import { evaluateRun } from "../../src/inference/evaluate.js";
import { openTrainedRun } from "../../src/inference/open.js";
import { openPredictor, type Prediction } from "../../src/inference/predict.js";
import { pseudoLabel } from "../../src/inference/pseudo-label.js";
import { RunFolder } from "../../src/run/index.js";
import { noGrad, scope } from "../../src/torch/index.js";
import { describeEngine } from "../support/engine.js";
import { CLASSES, tinyRun } from "../support/method-run.js";
import { photoRun } from "../support/photos.js";
import { configure, removeFolder, temporaryFolder, trainToEnd } from "../support/train-run.js";

const folder = temporaryFolder();
afterAll(() => removeFolder(folder));

describeEngine("knn", () => {
  test.each([
    [1, 0.07],
    [3, 0.07],
    [5, 1],
  ])("k %d, temperature %d: the shares of the loops", (k, temperature) => {
    const run = tinyRun("knn", { method: { k, temperature } });
    const [metrics] = run.steps(1);
    expect(metrics!.k).toBe(k);
    const { rows, y } = run.setup.labeled;
    const unit = (list: Int32Array) =>
      noGrad(() =>
        scope(() => {
          const t = run.student.features(run.setup.trainingImages(list));
          const [flat, size] = [t.toNumbers(), t.size(1)];
          return Array.from(list, (_, i) => {
            const v = flat.slice(i * size, (i + 1) * size);
            const length = Math.hypot(...v);
            return v.map((x) => x / length);
          });
        }),
      );
    const kept = unit(rows);
    const all = Int32Array.from({ length: 40 }, (_, i) => i);
    const wanted = unit(all).flatMap((f) => {
      const near = kept.map((g, i) => ({ s: g.reduce((s, v, d) => s + v * f[d]!, 0), c: y[i]! }));
      near.sort((a, b) => b.s - a.s);
      const votes = new Array<number>(CLASSES).fill(0);
      for (const { s, c } of near.slice(0, k)) votes[c]! += Math.exp(s / temperature);
      const sum = votes.reduce((a, b) => a + b);
      return votes.map((v) => v / sum);
    });
    const got = noGrad(() =>
      scope(() => run.student.forward(run.setup.trainingImages(all), "eval").softmax(1).toNumbers()),
    );
    for (const [i, share] of got.entries()) expect(share, String(i)).toBeCloseTo(wanted[i]!, 4);
    run.release();
  });

  test("a run of photos is evaluated, opened again, predicted with, labels a folder, and is exported with its neighbors", async () => {
    const run = await photoRun(join(folder, "photos"), { method: "knn", steps: 1, "method.temperature": 0.5 });
    const { result } = await evaluateRun(run, { split: "test" });
    expect(result.error).toBeGreaterThan(0);
    expect(result.error).toBeLessThan(50);
    const reopened = await openTrainedRun(RunFolder.open(run));
    reopened.session.data.release();

    const predictor = await openPredictor(run);
    const files = ["stripes", "rings", "spots"].flatMap((kind) =>
      Array.from({ length: 20 }, (_, i) => [kind, join(folder, "photos/data/test", kind, `${i}.png`)] as const),
    );
    const found: Prediction[] = [];
    for await (const prediction of predictor.predict(files.map(([, file]) => file))) found.push(prediction);
    const wrong = found.filter((p, i) => "error" in p || p.class !== files[i]![0]);
    expect((100 * wrong.length) / files.length).toBeCloseTo(result.error, 6);

    const out = join(folder, "labels.csv");
    const { labeled } = await pseudoLabel(run, { data: join(folder, "photos/data/test"), out });
    expect(labeled).toBe(60);
    expect(readFileSync(out, "utf8").split("\n").length).toBeGreaterThan(60);

    const exported = await exportRun(run, { format: "onnx", out: join(folder, "x.onnx"), testPictures: 60 });
    expect(exported.difference).toBeLessThan(1e-4);
    expect(exported.test).toMatchObject({ images: 60, changed: 0, exportedError: result.error });
  }, 60_000);

  test("k is chosen on folds where it is not given, and no larger than there are labels", async () => {
    const { events } = await trainToEnd(configure(join(folder, "chosen"), { method: "knn", steps: 1 }));
    const metrics = events.flatMap((event) => (event.type === "step" ? [event.metrics] : []))[0]!;
    expect([1, 2, 5, 10, 20]).toContain(metrics.k);
    expect(metrics.foldError).toBeGreaterThan(0);
    const given = await trainToEnd(configure(join(folder, "given"), { method: "knn", steps: 1, "method.k": 500 }));
    expect(given.events).toContainEqual(
      expect.objectContaining({ type: "step", metrics: expect.objectContaining({ k: 20 }) }),
    );
    expect(() => configure(join(folder, "x"), { method: "knn", "method.k": 3, "method.folds": 4 })).toThrow(
      /method.folds has no effect.*method.k not given/,
    );
  });
});
