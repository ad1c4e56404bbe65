/** Several processes train as one does: every method, through the whole loop, from its options to its checkpoint. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, it } from "vitest";
import { digits } from "../../src/data/digits.js";
import { packShards, setItems } from "../../src/data/shards/pack.js";
import { methods } from "../../src/methods/index.js";
import { parseOptions } from "../../src/options.js";
import { Rng } from "../../src/rng.js";
import { busyOptions } from "../support/every-method.js";
import { describeWorld } from "../support/processes.js";
import { difference, exact, smooth, trainTogether } from "../support/together.js";
import { configure, folderOfThisFile, predictionsOf, trainToEnd } from "../support/train-run.js";

const folder = folderOfThisFile();
const STEPS = 20;
/**
 * Where an activation falls on the other side of its ReLU's kink, rounding is magnified (docs/distributed.md), and where it does depends on
 * the processor. So networks with kinks take few steps, and agree in one of these seeds: a fault of ours shows in all of them.
 */
const SEEDS = { mlp: [1], "convnet-tiny": [1, 3, 5], "weight-norm": [1, 2, 3] } as const;

/** What a run's data ask of processes, whatever the method: a pool that is streamed, and strong views that learn. */
const dataOf = {
  streamed: () => packed,
  ctaugment: () => ({ strong: "ctaugment", method: "fixmatch" }),
} as const;
let packed: Readonly<Record<string, unknown>> = {};

/** 40 labeled, 72 unlabeled and 20 test digits in shards; windows have 15 pictures, so 20 steps of 12 rows cross windows and passes. */
async function packDigits(): Promise<Readonly<Record<string, unknown>>> {
  const options = parseOptions(digits.options, { train: 112, test: 20 }, "test");
  const data = await digits.load({ dir: undefined, rng: Rng.fromSeed(0), options } as never);
  const rows = Int32Array.from({ length: 112 }, (_, i) => i);
  const items = (
    [
      ["labeled", 0, 40],
      ["unlabeled", 40, 112],
      ["test", 0, 20],
    ] as const
  ).flatMap(([part, from, to]) => {
    const { labels } = part === "test" ? data.test : data.train;
    const label = (row: number) => (part === "unlabeled" ? -1 : labels[row]!);
    return [
      ...setItems(part === "test" ? data.test : data.train, rows.subarray(from, to), part, "raw", {
        label,
        name: (row) => `${part}${row}`,
      }),
    ];
  });
  const { classes } = data;
  await packShards(items, { classes, format: "raw" }, { prefix: join(folder, "p"), shardSize: 17, seed: 0 });
  return {
    dataset: "shards",
    ...{ "dataset.train": undefined, "dataset.test": undefined, labels: "all", "dataset.shuffleBuffer": 30 },
    data: join(folder, "p-labeled-{000000..000002}.tar"),
    unlabeled: join(folder, "p-unlabeled-{000000..000004}.tar"),
    "dataset.testShards": join(folder, "p-test-{000000..000001}.tar"),
    // A bank by image, and a scale of each picture's own.
    ...{ method: "flexmatch", "method.threshold": 0.12, normalize: "image" },
  };
}

/** What CTAugment has learned, out of the state of a checkpoint: the weights of all bins. */
function binsOf(out: string): number[] {
  const text = readFileSync(join(out, "checkpoints", `step-${STEPS}`, "state.json"), "utf8").replaceAll(/\s/g, "");
  const weights = JSON.parse(/"ctaugment":(\{[^}]*\})/.exec(text)![1]!) as Record<string, number[]>;
  // Their order is that in which this process came to need them.
  return Object.keys(weights)
    .toSorted()
    .flatMap((op) => weights[op]!);
}

const networks = {
  mlp: { ...smooth, steps: STEPS, "model.inputNoise": 0.1 },
  // Batch norm, dropout, noise; learning slowly, for kinks magnify rounding.
  "convnet-tiny": { steps: 10, "model.inputNoise": 0.1, "optimizer.lr": 0.003 },
  /** Mean-only batch norm. */
  "weight-norm": { steps: 3, model: "cnn-13", "model.width": 0.0625, "model.norm": "weight", "optimizer.lr": 0.003 },
} as const;

/** Together they have what methods do with batch norm: one pass or several, without statistics, mixed rows, features, a probe. */
const withStatistics = ["mean-teacher", "mixmatch", "meta-pseudo-labels", "freematch", "crmatch"];

describeWorld("two processes", () => {
  const cases = [
    ...methods.map(({ name }) => [name, "mlp"] as const),
    ...withStatistics.map((name) => [name, "convnet-tiny"] as const),
    ["mean-teacher", "weight-norm"] as const,
  ];
  const dataRun = (name: keyof typeof dataOf, where: string) =>
    configure(join(folder, `${name}-${where}`), { ...exact, ...networks.mlp, ...dataOf[name]() });
  const runsOf = (name: string, network: keyof typeof networks, where: string) =>
    SEEDS[network].map((seed) =>
      configure(join(folder, `${name}-${network}-${seed}-${where}`), {
        ...exact,
        ...networks[network],
        seed,
        method: name,
        ...busyOptions(name, folder),
      }),
    );

  beforeAll(async () => {
    await predictionsOf(folder);
    packed = await packDigits();
    await trainTogether(2, folder, [
      ...cases.flatMap(([name, network]) => runsOf(name, network, "two")),
      ...[dataRun("streamed", "two"), dataRun("ctaugment", "two")],
    ]);
  }, 120_000);

  it.each(cases)("%s of %s ends where one process ends", async (name, network) => {
    const two = runsOf(name, network, "two");
    const found: ReturnType<typeof difference>[] = [];
    for (const [i, one] of runsOf(name, network, "one").entries()) {
      await trainToEnd(one);
      found.push(difference(one.out, two[i]!.out, one.steps));
      if (found.at(-1)!.share < 1e-5) return;
    }
    expect.fail(`no seed agrees: ${JSON.stringify(found)}`);
  });

  it.each(["streamed", "ctaugment"] as const)("%s data end where one process ends", async (name) => {
    const one = dataRun(name, "one");
    await trainToEnd(one);
    const { owner, share } = difference(one.out, dataRun(name, "two").out, STEPS);
    expect(share, owner).toBeLessThan(1e-5);
  });

  it("CTAugment's bins learn from the probes of all", () => {
    const [one, two] = ["one", "two"].map((where) => binsOf(dataRun("ctaugment", where).out));
    expect(one!.filter((bin) => bin < 0.999).length).toBeGreaterThan(20);
    // A probe moves its bins by a hundredth of its error: one that is not seen is far outside of rounding.
    expect(Math.max(...one!.map((bin, i) => Math.abs(bin - two![i]!)))).toBeLessThan(1e-6);
  });
});
