/** Steps as CUDA graphs: which methods' are taken at once, that nothing grows, and that they learn the same. */
import { join } from "node:path";
import { beforeAll, expect, it } from "vitest";
import { methods } from "../../src/methods/index.js";
import { openSession } from "../../src/session/session.js";
import { cudaMemory, liveTensors, replaySteps, scope } from "../../src/torch/index.js";
import { packMetrics } from "../../src/train/metric-reader.js";
import { describeCudaKernels } from "../support/cuda.js";
import { busyOptions } from "../support/every-method.js";
import { configure, folderOfThisFile, predictionsOf, trainToEnd } from "../support/train-run.js";

const folder = folderOfThisFile();
/** They look at values in their step, so it cannot be taken at once. */
const reading = ["prototypes", "knn", "linear-probe", "label-propagation"];

/** Takes `steps` steps; `at` is called after each. */
async function take(given: Record<string, unknown>, steps: number, at: (step: number) => void = () => {}) {
  const session = await openSession(configure(join(folder, "unused"), { ...given, device: "cuda", steps: 1000 }));
  const replay = replaySteps("cuda");
  const { batches, method } = session;
  for (let step = 0; step < steps; step++) {
    await batches.prepare(step);
    scope(() => {
      const batch = batches.batch(step);
      const train = () => packMetrics(method.step(batch, { step, epoch: batches.epoch, totalSteps: 1000 }));
      replay.run(train).packed?.release();
    });
    at(step);
  }
  const told = { ...replay.report(), failure: replay.failure() };
  replay.close();
  await batches.close();
  session.data.release();
  return told;
}

describeCudaKernels("steps at once on the GPU", () => {
  beforeAll(() => predictionsOf(folder), 60_000);

  it.each(methods.map(({ name }) => name))("%s", async (name) => {
    const { failure, atOnce, obstacle } = await take({ batch: 16, method: name, ...busyOptions(name, folder) }, 20);
    console.log(`${name}: ${atOnce} of 20 steps at once${obstacle ? ` (${obstacle})` : ""}`);
    if (reading.includes(name)) return;
    expect(failure).toBeUndefined();
    expect(atOnce).toBeGreaterThan(0);
  });

  it("300 steps leave no tensor and no memory behind", async () => {
    const seen: number[][] = [];
    const { atOnce } = await take({ model: "cnn-13", precision: "bf16" }, 300, (step) => {
      if (step === 20 || step === 299) seen.push([liveTensors(), cudaMemory().held]);
    });
    expect(atOnce).toBeGreaterThan(280);
    expect(seen[1]).toEqual(seen[0]);
  });

  it("a run ends near to where the same run ends call by call", async () => {
    const given = { model: "mlp", "model.width": undefined, "model.hidden": 16, "model.inputNoise": 0.1 };
    const losses = await Promise.all(
      [true, false].map(async (cudaGraphs, i) => {
        const run = configure(join(folder, `run-${i}`), {
          ...given,
          steps: 200,
          device: "cuda",
          cudaGraphs,
          logEvery: 50,
        });
        const { events } = await trainToEnd(run);
        return events.flatMap((event) => (event.type === "step" ? [event.metrics.classification!] : []));
      }),
    );
    for (const [i, loss] of losses[0]!.entries()) expect(loss).toBeCloseTo(losses[1]![i]!, 3);
  });
});
