/** What looks at the whole pool between two steps is shared out among the processes, and all know all of it. */
import { expect, it } from "vitest";
import { describeWorld, inProcesses } from "../../support/processes.js";

/** 1,200 images of which the number is all there is to see, a network that says something of it, and how many passes it took. */
const script = `
  import { closeWorld, openWorld, launchedAs, tensor } from "dist/torch/index.js";
  import { PseudoLabelTable } from "dist/targets/index.js";
  import { labelPool } from "dist/methods/parts/label-pool.js";
  import { featuresBy } from "dist/methods/parts/feature-head.js";
  import { Rng } from "dist/rng.js";
  const world = openWorld({ seconds: 30, place: launchedAs() });
  const rows = Int32Array.from({ length: 1200 }, (_, i) => i);
  const of = (part, k) => tensor(Float32Array.from(part, (i) => Math.sin(7 * i + k)), [part.length, 1]);
  const held = [];
  const setup = { unlabeledRows: rows, numClasses: 3, trainingImages: (part) => of(part, 0),
    labeled: { rows: rows.subarray(0, 1000) }, holdImages: async (part) => (held.push(part.length), { release() {} }) };
  let passes = 0;
  const says = (x) => { passes++; return x.matmul(tensor([1, -2, 3], [1, 3])); };
  const model = { parameters: [{ tensor: tensor([0], [1]) }], forward: says, features: says };
  const found = ["argmax", "sample", "soft"].map((labels) => {
    const table = new PseudoLabelTable({ numExamples: 1200, numClasses: 3, soft: labels === "soft", dataFingerprint: "" });
    const kept = labelPool(setup, model, table, { labels, threshold: 0.5, topPerClass: 300, rng: Rng.fromSeed(1) });
    const { target, rowMask } = table.of(tensor(rows, [1200], "int64"));
    return [kept, target.toNumbers(), rowMask.toNumbers()];
  });
  const labelled = passes;
  const read = featuresBy(model, setup, 3);
  const features = [...read.of(rows.subarray(0, 1000))];
  const embedded = passes - labelled;
  await read.prepare();
  const same = read.labeled().every((x, i) => x === features[i]);
  console.log(JSON.stringify({ found, features, labelled, embedded, same, held: held.filter((n) => n > 0) }));
  if (world.size > 1) { world.barrier(); closeWorld({ failed: true }); }
`;

interface Seen {
  readonly found: unknown;
  readonly features: readonly number[];
  readonly labelled: number;
  readonly embedded: number;
  readonly same: boolean;
  readonly held: readonly number[];
}

describeWorld("images that a method looks at between two steps", () => {
  it("are shared out chunk by chunk, and every process ends with the bits of one", { timeout: 60_000 }, async () => {
    const [one] = await inProcesses<Seen>(1, script);
    const two = await inProcesses<Seen>(2, script);
    expect([one!.labelled, one!.embedded]).toEqual([9, 16]); // 3 passes over 500, 500, 200; 64 at a time
    expect(two.map(({ labelled, embedded }) => [labelled, embedded])).toEqual([
      [6, 8],
      [3, 8],
    ]);
    expect(two.map(({ held }) => held)).toEqual([Array(8).fill(64), [...Array(7).fill(64), 40]]);
    for (const { found, features, same } of two) {
      expect(same).toBe(true);
      expect(found).toEqual(one!.found);
      expect(features).toEqual(one!.features);
    }
  });
});
