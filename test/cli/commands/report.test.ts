// `fewlabels report` on run folders that are given more than once.
import { cpSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { fakeRun } from "../../support/fake-run.js";
import { folderOfThisFile } from "../../support/train-run.js";
import { describeBinary, fewlabels } from "../run-cli.js";

const folder = folderOfThisFile();

describeBinary("fewlabels report", () => {
  test("a run given by several paths is one seed, a copy of it is warned of", async () => {
    const run = join(folder, "runs/b1");
    fakeRun(run, { done: 6 });
    symlinkSync(run, join(folder, "link"));
    const report = async (...paths: string[]) => {
      const ran = await fewlabels(["report", ...paths, "--json", "--out", join(folder, "page.html")]);
      return { ...ran, arms: ran.code === 0 && JSON.parse(ran.out).arms.map(({ runs }: { runs: string[] }) => runs) };
    };
    const { arms, err } = await report(run, `${run}/`, join(folder, "runs"), join(folder, "link"));
    expect([arms, err]).toEqual([[[run]], ""]);
    cpSync(run, join(folder, "copy"), { recursive: true });
    const copied = await report(run, join(folder, "copy"));
    expect(copied.arms).toEqual([[run, join(folder, "copy")]]);
    expect(copied.err).toMatch(/warning: .*b1 and .*copy are both seed 1 of .*Leave one out/);
  });
});
