// Running statistics of several processes become their mean after a step.
import { expect, it } from "vitest";
import { describeWorld, inProcesses } from "../support/processes.js";

const averaging = `
import { closeWorld, openWorld, tensor, world } from "dist/torch/index.js";
import { averageStatistics } from "dist/train/together/together.js";
const { rank } = openWorld({ seconds: 30 });
const kept = Float32Array.from({ length: 1000 }, (_, i) => Math.sin(i));
const same = tensor(kept, [1000]);
const own = tensor(Float32Array.of(rank, 1), [2]);
const count = tensor(Int32Array.of(7), [1], "int64");
const models = { student: { buffers: [same, own, count].map((tensor) => ({ tensor })) } };
averageStatistics({ method: { models }, config: {}, optimizers: new Map([["student", {}]]) });
const moved = [...same.toArray()].filter((x, i) => x !== kept[i]).length;
const average = own.toNumbers();
const idle = tensor(Float32Array.of(rank), [1]);
averageStatistics({ method: { models: { student: { buffers: [{ tensor: idle }] } } }, config: {}, optimizers: new Map() });
console.log(JSON.stringify({ moved, average, count: count.toNumbers(), idle: idle.item() - rank }));
world().barrier();
closeWorld({ failed: true });
`;

describeWorld("running statistics of three processes", () => {
  it("become their mean, and those that are the same keep their bits", { timeout: 60_000 }, async () => {
    for (const found of await inProcesses(3, averaging))
      expect(found).toEqual({ moved: 0, average: [1, 1], count: [7], idle: 0 });
  });
});
