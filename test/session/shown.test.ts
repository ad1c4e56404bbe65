/** Which images training shows, and as what. */
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { shownRows, trainedRows } from "../../src/session/shown.js";
import { describeEngine } from "../support/engine.js";
import { checkpointFiles, configure, folderOfThisFile, trainToEnd } from "../support/train-run.js";

const folder = folderOfThisFile();

describe("shownRows", () => {
  const split = {
    labeled: Int32Array.of(1, 4),
    unlabeled: Int32Array.of(0, 1, 2, 4),
    validation: Int32Array.of(3),
    y: Int32Array.of(-1, 0, -1, -1, 1),
  };
  const shown = (sampler: "mixed" | "two-stream", usesUnlabeled = true) =>
    shownRows({ sampler }, { usesUnlabeled }, { split, pool: undefined });

  test("two streams give labeled images as unlabeled rows too, a mixed batch does not", () => {
    expect([...shown("two-stream").unlabeled]).toEqual([0, 1, 2, 4]);
    expect([...shown("mixed").unlabeled]).toEqual([0, 2]);
    for (const sampler of ["mixed", "two-stream"] as const)
      expect([...trainedRows(shown(sampler))]).toEqual([0, 1, 2, 4]);
  });

  test("a method that reads no unlabeled images sees them in mixed batches alone", () => {
    expect([...trainedRows(shown("two-stream", false))]).toEqual([1, 4]);
    expect([...trainedRows(shown("mixed", false))]).toEqual([0, 1, 2, 4]);
  });
});

describeEngine("with --sampler mixed", () => {
  test.each([
    ["flexmatch", { "method.threshold": 0.11 }],
    ["self-training", { "method.topPerClass": 3 }],
  ])(
    "%s is one run whether the stream holds the labeled images or not: none comes without its label",
    async (method, options) => {
      const run = async (unlabeled: string) => {
        const out = join(folder, `${method}-${unlabeled}`);
        const given = {
          method,
          ...options,
          unlabeled,
          sampler: "mixed",
          labeledBatch: undefined,
          labels: 90,
          steps: 8,
        };
        const { events } = await trainToEnd(configure(out, given));
        const metrics = events.flatMap((event) => (event.type === "step" ? [event.metrics] : []));
        const { "state.json": _, ...files } = checkpointFiles(out, 8); // which names the configuration
        return { metrics, files };
      };
      expect(await run("all")).toEqual(await run("rest"));
    },
  );
});

describeEngine("supervised training", () => {
  test.each([
    ["statistics of its average are measured", {}],
    ["weight norm is initialized", { model: "cnn-13", "model.width": 0.125, "model.norm": "weight" }],
  ])("does not depend on the unlabeled images: %s on labeled ones", async (what, network) => {
    const run = async (given: object) => {
      const out = join(folder, `${what} ${JSON.stringify(given)}`);
      await trainToEnd(configure(out, { method: "supervised", labels: 70, steps: 2, ...network, ...given }));
      return checkpointFiles(out, 2)["teacher.safetensors"];
    };
    const alone = await run({ unlabeledImbalance: 1 });
    expect(await run({ unlabeledImbalance: 5 })).toBe(alone);
    expect(await run({ "method.emaBuffers": "average" })).not.toBe(alone); // they were measured
  });
});
