/** The result is an average that is no worse than its student, in runs of any length; where it is, the run says so. */
import { join } from "node:path";
import { expect, test } from "vitest";
import { UsageError } from "../../src/errors.js";
import { describeEngine } from "../support/engine.js";
import { checkpointFiles, configure, continued, folderOfThisFile, trainToEnd } from "../support/train-run.js";

const folder = folderOfThisFile();
const learning = {
  "dataset.train": 300,
  "dataset.test": 300,
  labels: "all",
  model: "convnet-tiny",
  "model.width": 1,
  "model.dropout": 0,
  "model.inputNoise": 0,
  "optimizer.lr": 0.01,
  batch: 30,
  labeledBatch: 30,
  translate: 0,
};

describeEngine("the average", () => {
  test("of 80 steps by defaults is no worse than its student by more than 3 points; with the old defaults it is broken, and told", async () => {
    const run = (name: string, given: object) =>
      trainToEnd(configure(join(folder, name), { ...learning, steps: 80, method: "supervised", ...given }));
    const { result, events } = await run("now", {});
    const { student, teacher } = result!.test;
    expect(student!.error).toBeLessThan(60); // it has learned something
    expect(teacher!.error).toBeLessThan(student!.error + 3);
    const slow = /^steps take/; // of the machine, not of the run
    expect(events.filter((e) => e.type === "warning" && !slow.test(e.message))).toEqual([]);

    const before = await run("before", { "method.emaDecay": 0.999, "method.emaBuffers": "copy" });
    const broken = before.result!.test;
    expect(broken.student).toEqual({ ...student, loss: broken.student!.loss });
    expect(broken.teacher!.error).toBeGreaterThan(student!.error + 10);
    const told = before.events.flatMap((e) => (e.type === "warning" ? [e.message] : [])).at(-1);
    expect(told).toMatch(
      /^the result is the teacher's, [\d.]+ % wrong, but the student's weights are wrong on [\d.]+ % of the test images: .*--method\.emaDecay \(0\.999 here\)/,
    );
  }, 120_000);

  test("has statistics of its own at the end, the same whether the run was interrupted or evaluated on the way", async () => {
    const given = { steps: 12, method: "fixmatch", checkpointEvery: 5 };
    const [whole, cut] = [join(folder, "whole"), join(folder, "cut")];
    await trainToEnd(configure(whole, given));
    await trainToEnd(configure(cut, { ...given, evalEvery: 3 }), 7);
    await trainToEnd(continued(cut));
    expect(checkpointFiles(cut, 12)).toEqual(checkpointFiles(whole, 12));
    const averaged = join(folder, "averaged");
    await trainToEnd(configure(averaged, { ...given, "method.emaBuffers": "average" }));
    const [ours, theirs] = [checkpointFiles(whole, 12), checkpointFiles(averaged, 12)];
    expect(ours["student.safetensors"]).toBe(theirs["student.safetensors"]);
    expect(ours["teacher.safetensors"]).not.toBe(theirs["teacher.safetensors"]);
  });

  test("cannot be told to keep statistics of its own where nothing ever forwards it in training", () => {
    for (const method of ["supervised", "pi-model", "temporal-ensembling", "uda"])
      expect(() => configure(join(folder, "own"), { method, "method.emaBuffers": "own" })).toThrow(UsageError);
  });
});
