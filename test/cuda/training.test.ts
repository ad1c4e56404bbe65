/** Whole runs on the GPU: what they come to, against the CPU; that they go on where they stopped; that another machine can use them. */
import { join } from "node:path";
import { beforeAll, expect, it } from "vitest";
import { openRunModel } from "../../src/inference/picture-model.js";
import { methods } from "../../src/methods/index.js";
import { trainConfig } from "../../src/train/train.js";
import { describeCuda } from "../support/cuda.js";
import { busyOptions } from "../support/every-method.js";
import { difference } from "../support/together.js";
import { configure, folderOfThisFile, predictionsOf, trainToEnd } from "../support/train-run.js";

const folder = folderOfThisFile();
const STEPS = 10;
const smooth = { model: "mlp", "model.width": undefined, "model.hidden": 16, "model.inputNoise": 0.1 };
const exact = { steps: STEPS, batch: 16, labeledBatch: 4, "optimizer.name": "sgd" };

describeCuda("runs on the GPU", () => {
  beforeAll(() => predictionsOf(folder), 60_000);

  const cases = methods.flatMap(({ name }) => [[name, "mlp"] as const, [name, "convnet-tiny"] as const]);
  it.each(cases)("%s of %s ends where the CPU ends", async (name, network) => {
    const runOf = (device: string) =>
      configure(join(folder, `${name}-${network}-${device}`), {
        ...exact,
        ...(network === "mlp"
          ? { ...smooth, "optimizer.lr": 0.1 }
          : { "optimizer.lr": 0.003, "model.inputNoise": 0.1 }),
        method: name,
        ...busyOptions(name, folder),
        device,
      });
    const [card, cpu] = [runOf("cuda"), runOf("cpu")];
    await trainToEnd(card);
    await trainToEnd(cpu);
    const { owner, share } = difference(card.out, cpu.out, STEPS);
    // Sums in another order, and exp and log of another library; batch norm and its kinks magnify that.
    expect(share, owner).toBeLessThan(network === "mlp" ? 1e-4 : 1e-2);
  });

  const real = {
    model: "cnn-13",
    "model.width": 0.125,
    precision: "bf16",
    deterministic: true,
    device: "cuda",
    steps: 12,
  };
  it("--deterministic: the same bits twice, and after an interruption", async () => {
    const [once, again, cut] = ["once", "again", "cut"].map((name) => configure(join(folder, name), real));
    await trainToEnd(once!);
    await trainToEnd(again!);
    let steps = 0;
    for await (const event of trainConfig(cut!, { stop: () => steps >= 5 }))
      if (event.type === "step") steps = event.step;
    await trainToEnd({ ...cut!, resume: cut!.out });
    expect(difference(once!.out, again!.out, 12).share).toBe(0);
    expect(difference(once!.out, cut!.out, 12).share).toBe(0);
  });

  it("learns what it is shown in bfloat16", async () => {
    const given = {
      "dataset.train": 1000,
      "dataset.test": 300,
      labels: 100,
      steps: 300,
      batch: 64,
      labeledBatch: 16,
      "model.width": 1,
    };
    const { result, events } = await trainToEnd(
      configure(join(folder, "learns"), { ...given, device: "cuda", precision: "bf16" }),
    );
    expect(result!.device).toBe("cuda");
    const steps = events.flatMap((event) => (event.type === "step" ? [event.metrics.classification!] : []));
    // A quarter of the rows has a label, and the cost is the mean over all: ln 10 / 4 = 0.576 by chance. The CPU in float32 ends at 0.375.
    expect(Math.max(...steps.slice(0, 5))).toBeGreaterThan(0.5);
    expect(steps.at(-1)).toBeLessThan(0.45);
  });

  it("a run of the GPU is used on the CPU", async () => {
    const run = configure(join(folder, "carried"), { ...exact, device: "cuda", precision: "tf32" });
    await trainToEnd(run);
    expect((await openRunModel(run.out, { device: "cpu" })).device).toBe("cpu");
    expect((await openRunModel(run.out)).device).toBe("cuda");
  });
});
