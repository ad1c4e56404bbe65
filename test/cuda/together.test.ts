/** Messages between GPUs by NCCL: a group of one process on any GPU, and whole runs in two processes where there are two. */
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { freePort } from "../../src/cli/commands/launch/processes.js";
import { addon } from "../../src/torch/addon.js";
import { openWorld, scope, type Tensor, tensor, useCuda, type World } from "../../src/torch/index.js";
import { describeNccl, describeSharedCard, describeTwoCards } from "../support/cuda.js";
import { difference, startTogether, trainTogether } from "../support/together.js";
import { configure, folderOfThisFile, trainToEnd } from "../support/train-run.js";

const folder = folderOfThisFile();
const STEPS = 20;
const smooth = { model: "mlp", "model.width": undefined, "model.hidden": 16, "model.inputNoise": 0.1 };
const runOf = (where: string, more: Readonly<Record<string, unknown>> = {}) =>
  configure(join(folder, where), {
    ...{ method: "mean-teacher", steps: STEPS, batch: 16, labeledBatch: 4, seen: 0, device: "cuda" },
    ...{ "optimizer.name": "sgd", "optimizer.lr": 0.1, ...smooth, ...more },
  });

describeNccl("a group of one process by NCCL", () => {
  let here: World;
  beforeAll(async () => {
    useCuda(0, { tf32: false, deterministic: false });
    const about = { rank: 0, size: 1, localSize: 1, localRank: 0, served: false, prefix: "" };
    const place = { ...about, host: "127.0.0.1", port: await freePort() };
    here = openWorld({ seconds: 60, device: "cuda", place });
  }, 120_000);
  afterAll(() => {
    addon().closeGroup();
    openWorld({ seconds: 1, place: undefined });
  });

  const data = [
    ["float32", () => tensor([1.5, -2, 3], [3])],
    ["float64", () => tensor(Float64Array.of(2 ** 40 + 1, 0.5), [2])],
    ["int64", () => tensor([2, 3], [2]).to("int64")],
    ["int32", () => tensor(Int32Array.of(7, 8, -9), [3])],
    ["uint8", () => tensor(Uint8Array.of(1, 255), [2])],
  ] as const;
  const numbers = (t: Tensor) => Array.from(t.to("float64").toArray(), Number);

  it.each(data)("%s of the CPU and of the GPU: summed up, handed out, collected", (_, make) => {
    for (const device of ["cpu", "cuda"]) {
      scope(() => {
        const t = device === "cpu" ? make() : make().toDevice(device);
        const before = numbers(make());
        here.sum([t, t.mul(t)]);
        here.average([t]);
        here.broadcast([t]);
        expect([t.device.startsWith(device), numbers(t)]).toEqual([true, before]);
        const all = here.gather(t);
        expect([all.device.startsWith(device), numbers(all)]).toEqual([true, before]);
      });
    }
  });

  it("weights laid out channels last keep their layout and values", () => {
    scope(() => {
      const values = Float32Array.from({ length: 2 * 3 * 2 * 2 }, (_, i) => i);
      const t = tensor(values, [2, 3, 2, 2]).toDevice("cuda").contiguous("channelsLast");
      here.sum([t]);
      expect([t.isChannelsLast, numbers(t)]).toEqual([true, [...values]]);
    });
  });

  it("texts and flags go by it too", () => {
    expect([here.broadcastText("näme"), here.agreed()]).toEqual(["näme", false]);
    here.barrier();
  });
});

describeSharedCard("two processes on one GPU", () => {
  it("are told that NCCL refuses it", { timeout: 120_000 }, async () => {
    const started = await startTogether(2, folder, [runOf("shared", { worldTimeout: 60 })]);
    for (const { code, err } of await Promise.all(started.map(({ finished }) => finished))) {
      expect(code).toBe(1);
      expect(err).toMatch(/process \d of 2: processes 0 and 1 share a GPU, which NCCL refuses/);
    }
  });
});

describeTwoCards("two processes on two GPUs", () => {
  it("end where one ends", { timeout: 300_000 }, async () => {
    const [one, two] = ["one", "two"].map((where) => runOf(where));
    await trainTogether(2, folder, [two!]);
    await trainToEnd(one!);
    const { owner, share } = difference(one!.out, two!.out, STEPS);
    expect(share, owner).toBeLessThan(1e-4);
  });
});
