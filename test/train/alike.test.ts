// Processes that see other labels than process 0 are named before a run folder is made.
import { expect, it } from "vitest";
import { describeWorld, inProcesses } from "../support/processes.js";

const script = `
import { closeWorld, openWorld } from "dist/torch/index.js";
import { checkAlike } from "dist/train/together/alike.js";
const { rank } = openWorld({ seconds: 30 });
const saidOf = (label) => {
  const split = { labeled: Int32Array.of(0), validation: new Int32Array(0), y: Int32Array.of(label, -1) };
  try {
    checkAlike({ config: { labels: "list.csv" }, data: { fingerprint: "x", split } });
    return "alike";
  } catch (error) {
    return error.message;
  }
};
const same = saidOf(3);
const other = saidOf(3 + rank);
console.log(JSON.stringify([same, other]));
closeWorld({ failed: false });
`;

describeWorld("labels of several processes", () => {
  it("are compared, beside their options and data", { timeout: 60_000 }, async () => {
    const [first, second] = await inProcesses<string[]>(2, script);
    expect([first![0], second![0]]).toEqual(["alike", "alike"]);
    expect(first![1]).toBe(second![1]);
    expect(second![1]).toMatch(/^process 1 of 2: the labels here are not those of process 0 \(--labels list\.csv\)/);
  });
});
