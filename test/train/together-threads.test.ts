/** Processes with different numbers of threads, whose rounding differs, keep the same bits. */
import { join } from "node:path";
import { expect, it } from "vitest";
import { describeWorld } from "../support/processes.js";
import { exact, startTogether } from "../support/together.js";
import { configure, folderOfThisFile } from "../support/train-run.js";

const folder = folderOfThisFile();

const runs: readonly (readonly [string, Readonly<Record<string, unknown>>])[] = [
  ["weight norm, which looks at images first", { "model.norm": "weight" }],
  ["statistics measured anew at the end", { method: "fixmatch", "method.emaBuffers": "recompute" }],
  ["students of later stages", { method: "self-training", "model.norm": "weight" }],
];

describeWorld("processes with different numbers of threads", () => {
  it.each(runs)("keep the same bits: %s", { timeout: 60_000 }, async (title, given) => {
    const base = { ...exact, steps: 6, model: "cnn-13", "model.width": 0.25, "dataset.train": 320, labels: 40 };
    const of = (rank: number) => [
      configure(join(folder, title.replaceAll(/\W+/g, "-")), { ...base, ...given, threads: 1 + rank }),
    ];
    const ended = await Promise.all((await startTogether(2, folder, of)).map(({ finished }) => finished));
    for (const { code, err } of ended) expect([code, err.slice(-500)]).toEqual([0, ""]);
  });
});
