// README's command for people's own pictures, with as few of them as one has on the first evening.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { addPictures, noisy } from "../support/pictures.js";
import { describeTraining, fewlabels } from "./run-cli.js";

describeTraining("twenty labeled pictures and thirty others", () => {
  let dir: string;
  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), "fewlabels-small-"));
    const files = Object.fromEntries([
      ...["cat", "dog"].flatMap((name, k) =>
        Array.from(
          { length: 10 },
          (_, i) => [`${name}/${i}.png`, noisy(i, k ? [120, 90, 90] : [90, 120, 90])] as const,
        ),
      ),
      ...Array.from({ length: 30 }, (_, i) => [`unlabeled/${i}.png`, noisy(100 + i, [100, 100, 90])] as const),
    ]);
    await addPictures(join(dir, "pictures"), files);
  });
  afterAll(() => rmSync(dir, { recursive: true }));
  const train = (out: string, ...more: string[]) =>
    fewlabels(
      `train --dataset folder --data ${join(dir, "pictures")} --dataset.size 16 --out ${join(dir, out)} --model convnet-tiny --threads 1 --steps 2`
        .split(" ")
        .concat(more),
    );

  it("trains as README says, telling what it made smaller, and continues with that", async () => {
    const { code, out, err } = await train("mine", "--val", "4");
    expect(err).toBe("");
    expect(code).toBe(0);
    const said =
      /warning: --batch (\d+) in place of 100 and --labeled-batch (\d+) in place of 25, because there are only (\d+) labeled and (\d+) unlabeled images/;
    const [batch, labeledBatch, labeled, unlabeled] = (said.exec(out) ?? []).slice(1).map(Number);
    const config = JSON.parse(readFileSync(join(dir, "mine/config.json"), "utf8"));
    expect(config).toMatchObject({ batch, labeledBatch });
    expect([batch, labeledBatch]).toEqual([Number(labeled) + Number(unlabeled), labeled]);
    expect(config).not.toHaveProperty("given");
  }, 60_000);

  it("refuses what was asked for by hand and cannot be filled", async () => {
    const { code, err } = await train("hand", "--batch", "100");
    expect(code).toBe(2);
    expect(err).toMatch(/unlabeled images a batch, but there are only \d+\. Make the batch smaller/);
  }, 60_000);

  it("says that --unlabeled rest leaves nothing where every picture has a label", async () => {
    const { code, err } = await fewlabels(
      `train --dataset digits --dataset.train 50 --dataset.test 20 --labels all --unlabeled rest --model convnet-tiny --steps 2 --out ${join(dir, "rest")}`.split(
        " ",
      ),
    );
    expect(code).toBe(2);
    expect(err).toMatch(/none is left: all 50 have labels, and --unlabeled rest leaves those out/);
  }, 60_000);
});
