/** What a run builds after its start is as in a run that was never stopped; and starts that used to fail. */
import { join } from "node:path";
import { expect, test } from "vitest";
import { describeEngine } from "../support/engine.js";
import { checkpointFiles, configure, continued, folderOfThisFile, trainToEnd } from "../support/train-run.js";

const folder = folderOfThisFile();

/** Weights of a network of `smallRun`, trained a step. */
async function someWeights(): Promise<string> {
  const out = join(folder, `source-${Math.random()}`);
  await trainToEnd(configure(out, { method: "supervised", steps: 1, seed: 9 }));
  return join(out, "checkpoints", "step-1", "student.safetensors");
}

describeEngine("--model.weights", () => {
  test("reach the student that self-training builds in mid-run, stopped before it or not", async () => {
    const given = { method: "self-training", steps: 8, "model.weights": await someWeights() };
    const [whole, stopped] = [join(folder, "whole"), join(folder, "stopped")];
    await trainToEnd(configure(whole, given));
    await trainToEnd(configure(stopped, given), 2);
    await trainToEnd(continued(stopped));
    expect(checkpointFiles(stopped, 8)).toEqual(checkpointFiles(whole, 8));

    const fresh = join(folder, "fresh");
    await trainToEnd(configure(fresh, { ...given, "model.weights": undefined }));
    expect(checkpointFiles(fresh, 8)).not.toEqual(checkpointFiles(whole, 8));
  });

  test("go to one role with weightsRole; a role that nobody has is refused with the roles there are", async () => {
    const weights = await someWeights();
    const given = {
      method: "meta-pseudo-labels",
      steps: 1,
      "method.finetuneSteps": 0,
      strong: "weak",
      "model.weights": weights,
    };
    const after = async (name: string, more: object) => {
      const out = join(folder, name);
      // Learning rate 0: what is saved is what was loaded.
      await trainToEnd(configure(out, { ...given, "optimizer.lr": 0, ...more }));
      return checkpointFiles(out, 1);
    };
    const [none, all, teacher] = [
      await after("none", { "model.weights": undefined }),
      await after("all", {}),
      await after("teacher", { "model.weightsRole": "teacher" }),
    ];
    const [t, s] = ["teacher.safetensors", "student.safetensors"];
    expect(teacher[t]).toBe(all[t]);
    expect(teacher[t]).not.toBe(none[t]);
    expect(teacher[s]).toBe(none[s]);
    expect(all[s]).not.toBe(none[s]);
    await expect(after("nobody", { "model.weightsRole": "mentor" })).rejects.toThrow(
      /weightsRole: method meta-pseudo-labels has no network mentor. It has student, studentAverage, teacher/,
    );
    await expect(after("alone", { "model.weights": undefined, "model.weightsRole": "teacher" })).rejects.toThrow(
      /--model.weights, which is not given/,
    );
  });
});

describeEngine("weight norm", () => {
  const network = { model: "cnn-13", "model.width": 0.125, "model.norm": "weight" };

  test("initializes from labeled images where there are no others", async () => {
    const given = {
      ...network,
      method: "mean-teacher",
      labels: "all",
      unlabeled: "rest",
      sampler: "mixed",
      labeledBatch: undefined,
      steps: 1,
    };
    const { result } = await trainToEnd(configure(join(folder, "all-labels"), given));
    expect(result).toBeDefined();
  });

  test("a teacher that starts at zeros gives numbers", async () => {
    const given = { ...network, method: "mean-teacher", "method.emaStart": "zeros", steps: 2 };
    const { events } = await trainToEnd(configure(join(folder, "zeros"), given));
    const costs = events.flatMap((event) => (event.type === "step" ? [event.metrics.consistency!] : []));
    expect(costs.every(Number.isFinite)).toBe(true);
  });
});

describeEngine("fewer labels than labeled rows", () => {
  test("the published 40 labels in 64 rows train: labels repeat", async () => {
    const given = { method: "fixmatch", labels: 40, batch: 72, labeledBatch: 64, steps: 1 };
    const { result } = await trainToEnd(configure(join(folder, "forty"), given));
    expect(result).toBeDefined();
  });
});
