/** What is damaged in the rows of any process comes into the one log of the run. */
import { join } from "node:path";
import { expect, it } from "vitest";
import { RunFolder } from "../../src/run/index.js";
import { noisy, pictureFolder } from "../support/pictures.js";
import { describeWorld, inProcesses } from "../support/processes.js";
import { smooth, trainTogether } from "../support/together.js";
import { configure, folderOfThisFile } from "../support/train-run.js";

const folder = folderOfThisFile();
/** So far apart that none is asked to stand in for another. */
const damaged = Array.from({ length: 10 }, (_, i) => 60 + 110 * i);

describeWorld("remarks", () => {
  it("come from all processes, each once, to all of them", async () => {
    const script = `
import { closeWorld, openWorld } from "dist/torch/index.js";
import { collectRemarks } from "dist/train/all-remarks.js";
const { rank } = openWorld({ seconds: 60 });
const all = collectRemarks();
const found = [all(rank === 2 ? [] : ["alike", \`only \${rank}, \u00e9\`]), all([]), all(rank === 1 ? ["alike", "late"] : [])];
closeWorld({ failed: false });
console.log(JSON.stringify(found));`;
    const each = [["alike", "only 0, é", "process 1: only 1, é"], [], ["process 1: late"]];
    expect(await inProcesses(3, script)).toEqual([each, each, each]);
  });

  it("of damaged pictures in the rows of any process are in the log", { timeout: 120_000 }, async () => {
    const whole = (seed: number) => noisy(seed, seed % 2 ? [200, 60, 40] : [40, 90, 180], { width: 24, height: 20 });
    const large = await noisy(50, [9, 9, 9], { width: 64, height: 64 }).jpeg().toBuffer();
    const files = Array.from({ length: 1200 }, (_, i): [string, ReturnType<typeof whole> | Buffer] => {
      const where = i < 48 ? (i % 2 ? "red" : "blue") : "unlabeled";
      return [`${where}/${i}.jpg`, damaged.includes(i) ? large.subarray(0, 0.8 * large.length) : whole(i)];
    });
    const { dir, remove } = await pictureFolder(Object.fromEntries(files));
    try {
      const run = configure(join(folder, "damaged"), {
        ...smooth,
        ...{ dataset: "folder", data: dir, "dataset.train": undefined, "dataset.test": undefined, labels: "all" },
        ...{ "dataset.size": 32, "dataset.memoryMB": 2, "dataset.testShare": 0.4, "dataset.check": "header" },
        ...{ method: "mean-teacher", normalize: "imagenet", "dataset.maxDamaged": 0.5 },
        // A pass over 1181 pictures is 32 steps, 100 of which all processes may look at before it.
        ...{ batch: 40, labeledBatch: 4, testBatch: 5, steps: 32, seen: 0 },
      });
      await trainTogether(2, folder, [run]);
      const text = JSON.stringify(RunFolder.open(run.out).events());
      const named = damaged.filter((i) => text.includes(`${i}.jpg cannot be decoded`));
      expect(named.length).toBeGreaterThan(7); // process 0 alone meets four; the last rows of a pass are left out
    } finally {
      remove();
    }
  });
});
