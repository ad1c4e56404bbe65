import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { digits } from "../../src/data/digits.js";
import { packShards, setItems } from "../../src/data/shards/pack.js";
import { UsageError } from "../../src/errors.js";
import { predictRun } from "../../src/inference/prediction-table.js";
import { findMethod } from "../../src/methods/index.js";
import { parseOptions } from "../../src/options.js";
import { Rng } from "../../src/rng.js";
import { readEvents } from "../../src/run/index.js";
import { openSession } from "../../src/session/session.js";
import { PredictionTable } from "../../src/targets/index.js";
import { scope } from "../../src/torch/index.js";
import { describeEngine } from "../support/engine.js";
import { writeShard } from "../support/shards.js";
import {
  checkpointFiles,
  configure,
  continued,
  removeFolder,
  temporaryFolder,
  trainToEnd,
} from "../support/train-run.js";

let folder: string;
let streamed: Record<string, unknown>;
beforeAll(async () => {
  folder = temporaryFolder();
  const options = parseOptions(digits.options, { train: 100, test: 30 }, "test");
  const data = await digits.load({ dir: undefined, rng: Rng.fromSeed(0), options } as never);
  const rows = Int32Array.from({ length: 100 }, (_, i) => i);
  const name = (row: number) => `d${row}`;
  const about = { label: (row: number) => data.train.labels[row]!, name };
  const items = [
    ...setItems(data.train, rows.subarray(0, 40), "labeled", "raw", about),
    ...setItems(data.train, rows.subarray(40), "unlabeled", "raw", { ...about, label: () => -1 }),
    ...setItems(data.test, rows.subarray(0, 30), "test", "png", {
      ...about,
      label: (row) => data.test.labels[row]!,
      name: (row) => `t${row}`,
    }),
  ];
  const { classes } = data;
  await packShards(items, { classes, format: "raw" }, { prefix: join(folder, "p"), shardSize: 17, seed: 0 });
  streamed = {
    dataset: "shards",
    "dataset.train": undefined,
    "dataset.test": undefined,
    data: join(folder, "p-labeled-{000000..000002}.tar"),
    unlabeled: join(folder, "p-unlabeled-{000000..000003}.tar"),
    "dataset.testShards": join(folder, "p-test-{000000..000001}.tar"),
    "dataset.shuffleBuffer": 30,
    labels: "all",
    method: "mean-teacher",
  };
});
afterAll(() => removeFolder(folder));

/** A pass over 60 images in chunks of 8 is 7.5 steps; windows are 15 images, shards 17. */
const STEPS = 17;

const config = (name: string, given: Record<string, unknown> = {}) =>
  configure(join(folder, name), { ...streamed, ...given });

describeEngine("a run on a streamed pool, interrupted and continued, equals one that was not, byte for byte", () => {
  const variants: [string, Record<string, unknown>][] = [
    ["mean-teacher", {}],
    ["images normalized one by one", { normalize: "image" }],
    ["fixmatch", { method: "fixmatch" }],
    ["temporal-ensembling", { method: "temporal-ensembling" }],
    ["flexmatch", { method: "flexmatch" }],
    ["meta-pseudo-labels and its fine-tuning", { method: "meta-pseudo-labels", "method.finetuneSteps": 6 }],
  ];
  test.each(variants)("%s", async (title, given) => {
    const name = title.replaceAll(" ", "-");
    const { result } = await trainToEnd(config(name, { ...given, steps: STEPS }));
    expect(result).toBeDefined();
    // Within a window and a shard, at the end of a pass (7.5 steps), in the second and third pass.
    let next = config(`${name}-2`, { ...given, steps: STEPS });
    let before = 0;
    for (const cut of [1, 7, 8, 12, 16]) {
      await trainToEnd(next, cut - before);
      next = continued(join(folder, `${name}-2`));
      before = cut;
    }
    await trainToEnd(next);
    const [got, expected] = [
      checkpointFiles(join(folder, `${name}-2`), STEPS),
      checkpointFiles(join(folder, name), STEPS),
    ];
    for (const file of Object.keys(expected)) expect(got[file], file).toBe(expected[file]);
  });
});

describeEngine("batches of a streamed pool", () => {
  test("rows are the pool's pictures: their index is past those in memory, their pixels are those of that number", async () => {
    const session = await openSession(config("rows", { translate: 0, flip: false, normalize: "none", steps: 8 }));
    const seen = new Map<number, number[]>();
    for (let step = 0; step < 15; step++) {
      await session.batches.prepare(step);
      scope(() => {
        const { labeled, unlabeled } = session.batches.batch(step);
        expect(labeled.y.size(0)).toBe(4);
        expect(labeled.index.toNumbers().every((index) => index < 40)).toBe(true);
        const x = Object.values(unlabeled.x)[0]!.reshape([8, -1]).sum([1]).toNumbers();
        unlabeled.index.toNumbers().forEach((index, row) => {
          expect(index).toBeGreaterThanOrEqual(40);
          seen.set(index, [...(seen.get(index) ?? []), x[row]!]);
        });
      });
    }
    expect([...seen.keys()].sort((a, b) => a - b)).toEqual(Array.from({ length: 60 }, (_, i) => 40 + i));
    for (const sums of seen.values()) {
      expect(sums).toHaveLength(2);
      expect(sums[0]).toBe(sums[1]);
    }
    expect(new Set([...seen.values()].map(([sum]) => sum)).size).toBe(60);
    await session.batches.close();
    session.data.release();
  });

  test("a phase of labeled rows alone takes nothing from the pool", async () => {
    const given = { method: "meta-pseudo-labels", "method.finetuneSteps": 3, "method.finetuneBatch": 5, steps: 6 };
    const session = await openSession(config("phases", given));
    const rows = [];
    for (let step = 0; step < 6; step++) {
      await session.batches.prepare(step);
      rows.push(
        scope(() => {
          const { labeled, unlabeled } = session.batches.batch(step);
          return [labeled.index.size(0), unlabeled.index.size(0)];
        }),
      );
    }
    expect(rows).toEqual([
      [4, 8],
      [4, 8],
      [4, 8],
      [5, 0],
      [5, 0],
      [5, 0],
    ]);
    expect(session.batches.epoch).toBeCloseTo(24 / 60, 10);
    const again = await openSession(config("phases-again", given));
    again.batches.loadStateDict(session.batches.stateDict());
    await again.batches.prepare(5); // no unlabeled rows: the pool stays closed
    expect(again.batches.epoch).toBe(session.batches.epoch);
    for (const { batches, data } of [session, again]) {
      await batches.close();
      data.release();
    }
  });

  test("the start event counts the pool, and its image-wise normalization is that of each row", async () => {
    const out = "image-wise";
    const session = await openSession(config(out, { translate: 0, flip: false, normalize: "image" }));
    for (let step = 0; step < 3; step++) {
      await session.batches.prepare(step);
      const means = scope(() => {
        const { unlabeled } = session.batches.batch(step);
        const rows = Object.values(unlabeled.x)[0]!.reshape([8, -1]);
        return [rows.mean([1]).toNumbers(), rows.mul(rows).mean([1]).toNumbers()];
      });
      for (const mean of means[0]!) expect(mean).toBeCloseTo(0, 4);
      for (const square of means[1]!) expect(square).toBeCloseTo(1, 3);
    }
    await session.batches.close();
    session.data.release();
    const { events } = await trainToEnd(config("start", { steps: 1 }));
    expect(events[0]).toMatchObject({ type: "start", data: { labeled: 40, unlabeled: 60, test: 30 } });
    expect(readEvents(join(folder, "start", "metrics.jsonl")).some((event) => event.type === "done")).toBe(true);
  });
});

describeEngine("a streamed run", () => {
  test("with --save-best val goes back to its best checkpoint, and ends", async () => {
    const given = { val: 10, saveBest: "val", steps: 12, evalEvery: 2, "optimizer.lr": 0.05 };
    const { result } = await trainToEnd(config("best", given));
    expect(result!.bestVal!.step).toBeLessThan(12); // so there is something to go back to
  });

  test("does not go on with another pool", async () => {
    const shard = join(folder, "p-unlabeled-000003.tar");
    await trainToEnd(config("other", { steps: 6 }), 2);
    const before = readFileSync(shard);
    writeShard(shard, { "else.ppm": "nothing" });
    await expect(trainToEnd(continued(join(folder, "other")))).rejects.toThrow(
      /the data are not those the run was started with/,
    );
    rmSync(shard);
    await expect(trainToEnd(continued(join(folder, "other")))).rejects.toThrow(
      /p-unlabeled-000003.tar: there is no such shard/,
    );
    writeFileSync(shard, before);
    expect((await trainToEnd(continued(join(folder, "other")))).result).toBeDefined();
  });
});

describe("what cannot be streamed is refused before a shard is opened", () => {
  test.each<[string, Record<string, unknown>, RegExp]>([
    ["self-training", { method: "self-training" }, /self-training looks at any unlabeled image/],
    ["the mixed sampler", { sampler: "mixed", labeledBatch: undefined }, /--sampler mixed draws/],
    ["whitening", { normalize: "zca" }, /--normalize zca whitens all training images/],
  ])("%s", async (_, given, message) => {
    const opened = openSession(config("refused", { ...given, unlabeled: "/nowhere/{0..3}.tar", data: "/nowhere" }));
    await expect(opened).rejects.toThrow(UsageError);
    await expect(opened).rejects.toThrow(message);
  });

  test("every method that asks for images outside its batches says so", () => {
    for (const name of ["self-training"]) {
      expect(findMethod(name).needsWholePool, name).toBe(true);
    }
  });
});

describeEngine("Reduced Meta Pseudo Labels on a streamed pool", () => {
  const table = () => join(folder, "pool.table");

  test("predictions has a row for each image in memory, then one for each of the pool, in the order of its shards", async () => {
    await trainToEnd(config("large", { method: "supervised", steps: 2, batch: 8 }));
    const made = await predictRun(join(folder, "large"), { out: table(), dtype: "float32", batch: 7 });
    expect(made.rows).toBe(100);
    const session = await openSession(config("look", { method: "supervised" }));
    const expected = { rows: 100, numClasses: 10, dataFingerprint: session.data.fingerprint };
    session.data.release();
    const again = join(folder, "again.table");
    await predictRun(join(folder, "large"), { out: again, dtype: "float32", batch: 33 });
    scope(() => {
      const rows = Array.from({ length: 100 }, (_, i) => i);
      const [a, b] = [table(), again].map((path) => PredictionTable.open(path, expected).read(rows).toNumbers());
      a!.forEach((value, i) => void expect(value).toBeCloseTo(b![i]!, 5));
      expect(new Set(a!.slice(400)).size).toBeGreaterThan(300); // the pool's rows are no copies of one
    });
  });

  test("reads its rows by index: the method trains on the pool, stopped and continued to the byte", async () => {
    const given = { method: "reduced-meta-pseudo-labels", "method.table": table(), steps: 6, strong: "weak" };
    await trainToEnd(config("reduced", given));
    await trainToEnd(config("reduced-stopped", given), 3);
    await trainToEnd(continued(join(folder, "reduced-stopped")));
    expect(checkpointFiles(join(folder, "reduced-stopped"), 6)).toEqual(checkpointFiles(join(folder, "reduced"), 6));
  });
});
