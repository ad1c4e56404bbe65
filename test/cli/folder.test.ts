// From a folder of pictures to answers, on the command line.
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { addPictures, noisy } from "../support/pictures.js";
import { binary, describeTraining, fewlabels, lastJson } from "./run-cli.js";

let dir: string;
let pictures: string;
const colors = { cat: [120, 90, 90], "sea, lion": [90, 120, 90] } as const;
const small = "--dataset folder --dataset.size 16 --model convnet-tiny --batch 20 --threads 1 --precision fp32".split(
  " ",
);

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), "fewlabels-folder-"));
  pictures = join(dir, "pictures");
  let seed = 0;
  for (const [name, color] of Object.entries(colors)) {
    for (let i = 0; i < 20; i++) {
      await addPictures(pictures, { [`${name}/${i}.jpg`]: noisy(seed++, color, { amount: 90 }) });
      await addPictures(pictures, { [`unlabeled/${name}-${i}.png`]: noisy(seed++, color, { amount: 90 }) });
    }
  }
  for (let i = 0; i < 10; i++) {
    await addPictures(pictures, {
      [`test/cat/${i}.jpg`]: noisy(seed++, i % 3 ? colors.cat : colors["sea, lion"], { amount: 90 }),
    });
    await addPictures(pictures, { [`test/sea, lion/${i}.jpg`]: noisy(seed++, colors["sea, lion"], { amount: 90 }) });
  }
  await addPictures(pictures, { "unlabeled/cut.jpg": (await noisy(1, [9, 9, 9]).jpeg().toBuffer()).subarray(0, 300) });
});
afterAll(() => rmSync(dir, { recursive: true }));

const train = (out: string, ...more: string[]) =>
  fewlabels(["train", ...small, "--data", pictures, "--out", join(dir, out), "--json", ...more]);
const lines = (text: string) =>
  text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));

describeTraining("a folder of pictures", () => {
  it("trains, predicts with evaluate's error, and is labeled and trained on again", async () => {
    const trained = await train("run", "--steps", "60", "--method.emaDecay", "0.9");
    expect(trained.err).toMatch(/40 labeled and 80 unlabeled images, 20 for test/);
    expect(trained.err).toMatch(/1 of 101 files are damaged.*unlabeled\/cut\.jpg/);
    expect(trained.code).toBe(0);
    const run = join(dir, "run");
    expect(JSON.parse(readFileSync(join(run, "damaged.json"), "utf8"))).toEqual([
      { file: "unlabeled/cut.jpg", reason: expect.stringMatching(/JPEG/) },
    ]);
    const evaluated = lastJson((await fewlabels(["evaluate", run, "--json"])).out);
    const predicted = await fewlabels(["predict", run, join(pictures, "test"), "--json"]);
    expect(predicted.code).toBe(0);
    const answers = lines(predicted.out);
    expect(answers).toHaveLength(20);
    const wrong = answers.filter((answer) => answer.class !== answer.file.split("/").at(-2));
    expect((100 * wrong.length) / 20).toBe(evaluated.error);
    expect(evaluated.error).toBeGreaterThan(0);
    expect(evaluated.error).toBeLessThan(50);
    expect(Object.keys(answers[0].probabilities)).toEqual(["cat", "sea, lion"]);

    const out = join(dir, "pseudo.csv");
    const labeled = await fewlabels([
      "pseudo-label",
      run,
      "--data",
      pictures,
      "--out",
      out,
      "--min-confidence",
      "0.6",
      "--json",
    ]);
    expect(labeled.err).toMatch(/unlabeled\/cut\.jpg: /);
    const summary = lastJson(labeled.out) as { labeled: number; abstained: number; byClass: Record<string, number> };
    expect(summary).toMatchObject({ files: 41, damaged: 1, labeled: 40 - summary.abstained });
    const [header, ...rows] = readFileSync(out, "utf8").trim().split("\n");
    expect(header).toBe("file,label,confidence");
    expect(rows).toHaveLength(summary.labeled);
    expect(rows.filter((row) => row.includes(',"sea, lion",'))).toHaveLength(summary.byClass["sea, lion"]!);
    for (const row of rows) expect(Number(row.split(",").at(-1))).toBeGreaterThanOrEqual(0.6);
    expect(readdirSync(dir).filter((name) => name.startsWith(".tmp-"))).toEqual([]);

    const again = await train("again", "--steps", "4", "--labels", out, "--dataset.keepLabels");
    expect(lastJson(again.out)).toMatchObject({ labels: 40 + summary.labeled, steps: 4 });
    const alone = await train("alone", "--steps", "4", "--labels", out);
    expect(lastJson(alone.out)).toMatchObject({ labels: summary.labeled });
    expect(alone.err).toMatch(/40 pictures in class folders are not in/);
  }, 120_000);

  it("predicts files, a list on stdin and the best classes; reports what it cannot read; exits 3 if that is all", async () => {
    await train("few", "--steps", "4");
    const run = join(dir, "few");
    const [good, cut] = [join(pictures, "cat/3.jpg"), join(pictures, "unlabeled/cut.jpg")];
    const listed = spawnSync(process.execPath, [binary, "predict", run, "-", "--json", "--top-k", "1"], {
      input: `${good}\n\n${cut}\n${good}\n`,
      encoding: "utf8",
    });
    expect(listed.status).toBe(0);
    const [first, second, third] = lines(listed.stdout);
    expect(first).toEqual({
      file: good,
      class: expect.any(String),
      probability: expect.any(Number),
      top: [{ class: first.class, probability: first.probability }],
    });
    expect(second).toEqual({ file: cut, error: expect.stringMatching(/cut short or damaged/) });
    expect(third).toEqual(first);
    const plain = await fewlabels(["predict", run, good, cut]);
    expect([plain.code, plain.out.split("\n").length]).toEqual([0, 2]);
    expect(plain.out).toMatch(/3\.jpg\t(cat|sea, lion) \d+\.\d %/);
    expect(plain.err).toMatch(/cut\.jpg: cut short/);
    const none = await fewlabels(["predict", run, cut, join(dir, "no.jpg")]);
    expect(none.code).toBe(3);
    expect(none.err).toMatch(/no\.jpg: there is no such file[\s\S]*not one picture could be read/);
    expect((await fewlabels(["predict", run, good, "--top-k", "0"])).code).toBe(2);
    expect((await fewlabels(["pseudo-label", run, "--data", pictures])).code).toBe(2);
    // What training takes for unlabeled, and no labeled or test picture.
    const other = join(dir, "other");
    for (const place of ["Unlabeled/deep", "Train/unlabelled", "Train/cat", "Train/dog", "test/cat"]) {
      mkdirSync(join(other, place), { recursive: true });
      copyFileSync(good, join(other, place, "0.jpg"));
    }
    const out = join(dir, "other.csv");
    expect((await fewlabels(["pseudo-label", run, "--data", other, "--out", out])).code).toBe(0);
    const rows = readFileSync(out, "utf8").trim().split("\n").slice(1);
    expect(rows.map((row) => row.split(",")[0])).toEqual(["Unlabeled/deep/0.jpg", "Train/unlabelled/0.jpg"]);
  }, 120_000);

  it("is inspected, and its label lists are those that training draws", async () => {
    const inspected = await fewlabels(["data", "inspect", pictures, "--json"]);
    expect(inspected.code).toBe(0);
    expect(lastJson(inspected.out)).toMatchObject({
      layout: "classes",
      train: 40,
      unlabeled: 40,
      test: 20,
      classes: [
        { name: "cat", train: 20, test: 10 },
        { name: "sea, lion", train: 20, test: 10 },
      ],
      imbalance: 1,
      formats: { jpeg: 60, png: 40 },
      width: { min: 16, median: 16, max: 16 },
      duplicates: [],
      damaged: [{ file: "unlabeled/cut.jpg" }],
    });
    const list = join(dir, "labels.csv");
    const split = ["data", "split", "--dataset", "folder", "--data", pictures, "--labels", "10", "--out", list];
    const made = await fewlabels([...split, "--val", "6", "--val-out", join(dir, "val.csv"), "--json"]);
    expect(lastJson(made.out)).toMatchObject({ labeled: 10, val: 6, byClass: { cat: 5, "sea, lion": 5 } });
    const rows = readFileSync(list, "utf8").trim().split("\n").slice(1);
    expect(rows).toHaveLength(10);
    const val = readFileSync(join(dir, "val.csv"), "utf8").trim().split("\n").slice(1);
    expect(val.filter((row) => rows.includes(row))).toEqual([]);
    const same = ["--steps", "3", "--unlabeled", "rest"];
    const drawn = await train("drawn", "--labels", "10", ...same);
    await fewlabels([...split.slice(0, -1), join(dir, "all.csv")]);
    const listed = await train("listed", "--labels", join(dir, "all.csv"), ...same);
    expect(lastJson(listed.out).test).toEqual(lastJson(drawn.out).test);
  }, 120_000);

  it("exits 3 naming a mistake, and 2 where unlabeled pictures make no sense", async () => {
    writeFileSync(join(dir, "l.csv"), "file,label\ncat/0.jpg,cat\ncat/99.jpg,cat\n");
    const wrong = await train("wrong", "--labels", join(dir, "l.csv"));
    expect([wrong.code, wrong.out]).toEqual([3, ""]);
    expect(wrong.err).toMatch(/l\.csv:3: .*cat\/99\.jpg/);
    expect(wrong.err).not.toMatch(/^ {4}at /m);
    const moons = await fewlabels([
      "train",
      "--dataset",
      "two-moons",
      "--model",
      "mlp",
      "--unlabeled",
      pictures,
      "--out",
      join(dir, "x"),
    ]);
    expect(moons.code).toBe(2);
    expect(moons.err).toMatch(/two-moons has numbers of shape 2x1x1. Use all or rest/);
  }, 120_000);
});
