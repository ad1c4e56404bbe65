import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { describeBinary, describeTraining, fewlabels, lastJson } from "./run-cli.js";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "fewlabels-cli-shards-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const training = [
  "--model",
  "convnet-tiny",
  "--model.width",
  "0.25",
  "--batch",
  "16",
  "--labeled-batch",
  "6",
  "--threads",
  "1",
];

describeTraining("pack, train, filter, train again", () => {
  test("a data set goes into shards, streams through training, and its pool through the filter", async () => {
    const prefix = join(folder, "d");
    const packed = await fewlabels([
      ..."data pack --dataset digits --dataset.train 200 --dataset.test 50 --labels 60 --shard-size 40 --json".split(
        " ",
      ),
      ...["--out", prefix],
    ]);
    expect(packed.code, packed.err).toBe(0);
    expect(lastJson(packed.out)).toMatchObject({
      format: "raw",
      size: 32,
      parts: { labeled: { count: 60 }, unlabeled: { count: 140 } },
    });

    const run = join(folder, "run");
    const data = ["--dataset", "shards", "--data", `${prefix}-labeled-{000000..000001}.tar`];
    const test = ["--dataset.test-shards", `${prefix}-test-{000000..000001}.tar`, "--dataset.shuffle-buffer", "60"];
    const pool = ["--unlabeled", `${prefix}-unlabeled-{000000..000003}.tar`];
    const trained = await fewlabels([
      "train",
      ...data,
      ...pool,
      ...test,
      ...training,
      "--steps",
      "12",
      "--out",
      run,
      "--json",
    ]);
    expect(trained.code, trained.err).toBe(0);
    expect(lastJson(trained.out)).toMatchObject({ dataset: "shards", labels: 60, test: { student: { n: 50 } } });
    const evaluated = await fewlabels(["evaluate", run, "--json"]);
    expect(lastJson(evaluated.out).error).toBe(lastJson(trained.out).error);

    const kept = join(folder, "kept");
    const filtered = await fewlabels([
      ...["data", "filter", run, "--data", `${prefix}-unlabeled-{000000..000003}.tar`, "--threads", "1"],
      ...["--per-class", "5", "--shards", kept, "--out", `${kept}.csv`, "--json"],
    ]);
    expect(filtered.code, filtered.err).toBe(0);
    const summary = lastJson(filtered.out) as { kept: number; rejected: number };
    expect(summary.kept + summary.rejected).toBe(140);
    expect(readFileSync(`${kept}.csv`, "utf8").trim().split("\n")).toHaveLength(1 + summary.kept);

    const again = await fewlabels([
      ...["train", ...data, "--unlabeled", `${kept}-unlabeled-000000.tar`, ...test, ...training],
      ...["--steps", "3", "--out", join(folder, "again"), "--json"],
    ]);
    expect(again.code, again.err).toBe(0);
  }, 120_000);
});

describeBinary("mistakes with shards", () => {
  test.each([
    [["train", "--dataset", "shards"], 2, /needs --data/],
    [["train", "--dataset", "shards", "--data", "/nowhere/{0..1}.tar"], 3, /nowhere\/0.tar: there is no such shard/],
    [["train", "--dataset", "shards", "--data", "/nowhere/{1..0}.tar"], 2, /expected a range such as/],
    [
      [
        "train",
        "--dataset",
        "shards",
        "--data",
        "/nowhere.tar",
        "--unlabeled",
        "/pool.tar",
        "--method",
        "self-training",
      ],
      2,
      /method self-training looks at any unlabeled image/,
    ],
    [["data", "pack", "--out", "x"], 2, /expected a folder DIR or --dataset NAME/],
    [["data", "pack", "dir", "--dataset", "digits", "--out", "x"], 2, /and not both/],
    [["data", "pack", "dir", "--out", "x", "--format", "png"], 2, /--format png needs --size/],
    [["data", "pack", "dir", "--out", "x", "--labels", "y.csv"], 2, /for --labels use --dataset folder --data dir/],
    [["data", "pack", "dir", "--out", "x", "--shard-size", "0"], 2, /at least 1/],
    [["data", "filter", "run", "--data", "x.tar"], 2, /expected --out FILE.csv or --shards PREFIX/],
    [["data", "filter", "run", "--data", "x.tar", "--out", "y", "--min-confidence", "2"], 2, /in 0..1/],
  ] as const)("%j ends with exit code %i", async (args, code, message) => {
    const { code: got, err } = await fewlabels(args, { cwd: folder });
    expect(err).toMatch(message);
    expect(got).toBe(code);
    expect(err).not.toMatch(/\n\s+at /);
  });
});
