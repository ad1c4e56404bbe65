/** How far ahead batches are drawn: what is drawn is held, and the last step of a run has other pictures to hold. */
import { expect, test } from "vitest";
import { aheadBatches, batchesAhead } from "../../src/batches/ahead-batches.js";

test("draws a few batches ahead, and none that the run does not come to", () => {
  let [drawn, held] = [0, 0];
  const sampler = {
    next: () => ({ labeled: Int32Array.of(drawn++), unlabeled: new Int32Array(0) }),
    epoch: 0,
    stateDict: () => ({ tensors: {}, values: { drawn } }),
  };
  const cache = {
    hold: () => {
      held++;
      return { ready: undefined, release: () => void held-- };
    },
  };
  const batches = aheadBatches(sampler as never, { batch: () => ({}) } as never, cache as never, { steps: 10 });
  const counts = Array.from({ length: 10 }, (_, step) => {
    void batches.prepare(step);
    const now = held;
    batches.batch(step);
    expect(batches.stateDict().values).toEqual({ drawn: step + 1 });
    return now;
  });
  expect(counts).toEqual([...new Array(10 - batchesAhead + 1).fill(batchesAhead), 2, 1]);
  expect(drawn).toBe(10);
});
