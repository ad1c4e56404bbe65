/** Exact resume through checkpoint files, for what has its own clock: stages of a run, epochs of a bank. */
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { StepClock } from "../../src/train/step-clock.js";
import { describeEngine } from "../support/engine.js";
import { checkpointFiles, configure, continued, folderOfThisFile, trainToEnd } from "../support/train-run.js";

const folder = folderOfThisFile();

const STEPS = 20;
/** 120 images: two streams pass over the unlabeled ones in 15 steps of 8, a mixed one in 10 of 12. */
const cases: Record<string, { readonly given: Record<string, unknown>; readonly cuts: readonly number[] }> = {
  "self-training at its stages' ends": {
    given: { method: "self-training", "method.fineTuneShare": 0.2 },
    cuts: [7, 8, 9, 16, 17],
  },
  "temporal ensembling, mixed, at an epoch's end": {
    given: { method: "temporal-ensembling", sampler: "mixed", labeledBatch: undefined, labels: 40 },
    cuts: [9, 10, 11],
  },
  "temporal ensembling, two streams, half precision": {
    given: { method: "temporal-ensembling", "method.bankPrecision": "float16" },
    cuts: [14, 15, 16],
  },
};

describeEngine("a run continued from its checkpoint ends byte for byte as an uninterrupted one", () => {
  for (const [title, { given, cuts }] of Object.entries(cases)) {
    test(title, async () => {
      const options = { ...given, steps: STEPS };
      const name = title.replaceAll(/\W+/g, "-");
      const whole = join(folder, `${name}-whole`);
      await trainToEnd(configure(whole, options));
      for (const cut of cuts) {
        const out = join(folder, `${name}-${cut}`);
        await trainToEnd(configure(out, options), cut);
        const { result } = await trainToEnd(continued(out));
        expect(result).toBeDefined();
        expect(checkpointFiles(out, STEPS), `cut ${cut}`).toEqual(checkpointFiles(whole, STEPS));
      }
    });
  }

  test("an epoch is a pass of the sampler: the weight is 0 in the first one, to its last step, and no longer", async () => {
    for (const [sampler, pass] of [["mixed", 10] as const, ["two-stream", 15] as const]) {
      const config = configure(join(folder, `epoch-${sampler}`), {
        method: "temporal-ensembling",
        "method.rampUpSteps": 0,
        sampler,
        ...(sampler === "mixed" ? { labeledBatch: undefined } : {}),
        labels: 40,
        steps: STEPS,
      });
      const { events } = await trainToEnd(config);
      const weights = events.flatMap((event) => (event.type === "step" ? [event.metrics.weight] : []));
      expect(weights).toEqual(Array.from({ length: STEPS }, (_, step) => (step < pass ? 0 : 10)));
      const costs = events.flatMap((event) => (event.type === "step" ? [event.metrics.consistency!] : []));
      expect(costs.slice(0, pass).every((cost) => cost === 0)).toBe(true);
      expect(costs.slice(pass).every((cost) => cost > 0)).toBe(true);
    }
  });

  test("steps are timed by the stage that they are of", async () => {
    const start = vi.spyOn(StepClock.prototype, "start");
    await trainToEnd(configure(join(folder, "timed"), { method: "self-training", steps: 4 }));
    const kinds = start.mock.calls.map(([kind]) => kind);
    start.mockRestore();
    expect(kinds).toHaveLength(4);
    expect([kinds[0], kinds[2]]).toEqual([kinds[1], kinds[3]]);
    expect(kinds[2]).not.toBe(kinds[0]);
  });

  test("self-training's learning rate restarts in the step events too", async () => {
    const config = configure(join(folder, "rates"), {
      method: "self-training",
      steps: STEPS,
      "optimizer.schedule": "linear-cosine",
      "optimizer.cosineSteps": STEPS,
    });
    const { events } = await trainToEnd(config);
    const rates = events.flatMap((event) => (event.type === "step" ? [event.learningRate] : []));
    expect(rates.slice(10)).toEqual(rates.slice(0, 10));
    expect(rates[9]).toBeLessThan(rates[0]!);
  });
});
