// fewlabels compare, as its user sees it: killed, continued, stopped by its budget. What it refuses: test/experiments/compare.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { addPictures, noisy } from "../support/pictures.js";
import { describeTraining, fewlabels, lastJson, start } from "./run-cli.js";

const folder = mkdtempSync(join(tmpdir(), "fewlabels-compare-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const [photos, out] = [join(folder, "photos"), join(folder, "out")];
const flags = (...more: string[]) => [
  ...[
    "compare",
    photos,
    "--out",
    out,
    "--folds",
    "2",
    "--threads",
    "1",
    "--model",
    "convnet-tiny",
    "--dataset.size",
    "8",
  ],
  ...["--only", "prototypes,supervised", "--steps", "4", "--batch", "4", ...more],
];

describeTraining("fewlabels compare", () => {
  beforeAll(async () => {
    mkdirSync(photos);
    const colors = { red: [190, 40, 40], green: [40, 190, 40] } as const;
    const made = Object.entries(colors).flatMap(([name, color], k) =>
      Array.from({ length: 4 }, (_, i) => [`${name}/${i}.png`, noisy(10 * k + i, color)] as const),
    );
    await addPictures(photos, { ...Object.fromEntries(made), "unlabeled/0.png": noisy(77, colors.red) });
  });

  it("killed with -9 it goes on, runs nothing twice, and recommends one, with the command and a page", async () => {
    const killed = start(flags());
    await killed.seen(/prototypes, fold 1: error \d+\.\d\d %/);
    killed.child.kill("SIGKILL");
    await killed.finished;
    const first = join(out, "arms/prototypes/all/seed-1/result.json");
    const before = statSync(first).mtimeMs;

    const done = await fewlabels(flags());
    expect(done.err).toBe("");
    expect(done.code).toBe(0);
    expect(done.out).toContain("8 labeled and 1 unlabeled pictures of 2 classes in 2 folds");
    expect(done.out).toMatch(/; [12] runs finished before/);
    expect(statSync(first).mtimeMs).toBe(before);
    expect(done.out).toContain("4 steps for each method that trains");
    expect(done.out).toMatch(/\nsupervised \(labels only\) .* 2\/2 /);
    expect(done.out).toMatch(/\nrecommended: (prototypes|supervised): /);
    const command = /fewlabels train --dataset folder --data \S+ --method \S+ --model convnet-tiny .*--steps 4/.exec(
      done.out,
    );
    expect(command).not.toBeNull();
    expect(readFileSync(join(out, "report.html"), "utf8")).toContain(command![0]);

    const again = await fewlabels(flags("--json"));
    const { methods, recommendation } = lastJson(again.out) as {
      methods: unknown[];
      recommendation: { method: string };
    };
    expect(methods).toHaveLength(2);
    expect(done.out).toContain(`recommended: ${recommendation.method}: `);
    expect(statSync(first).mtimeMs).toBe(before);
  }, 300_000);

  it("a budget that is spent says so, and that more of it goes on", async () => {
    const spent = await fewlabels(flags("--budget", "1s", "--out", join(folder, "spent")));
    expect(spent.code).toBe(1);
    expect(spent.out).toMatch(/prototypes left out: (the budget was spent|a run takes about)/);
    expect(spent.out).toMatch(/supervised left out: (the budget was spent|its steps do not fit)/);
    expect(spent.out).toContain("no method has finished all folds, so none is recommended; a larger --budget goes on");
  }, 120_000);
});
