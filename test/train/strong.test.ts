/** `--strong` and its companions from the command line's keys to the loader. */

import { expect, it } from "vitest";
import { flatten } from "../../src/config/given.js";
import { resolveConfig } from "../../src/config/resolve.js";
import { findDataSet } from "../../src/data/index.js";
import { UsageError } from "../../src/errors.js";
import { prepareData } from "../../src/session/data.js";
import { openSession } from "../../src/session/session.js";
import { scope } from "../../src/torch/index.js";
import { describeEngine } from "../support/engine.js";

const moons = { dataset: "two-moons", "dataset.train": 40, "dataset.test": 10, labels: 6, model: "mlp", threads: 1 };
const digits = { dataset: "digits", "dataset.train": 40, "dataset.test": 10, labels: 10, batch: 8, threads: 1 };

describeEngine("the run options of the strong view", () => {
  const strongOf = async (given: Record<string, unknown>) => {
    const data = await prepareData(resolveConfig(flatten(given)), findDataSet(String(given.dataset)));
    data.release();
    return data.strong;
  };

  it("default to jitter for points and to FixMatch's recipe for pictures", async () => {
    expect(await strongOf(moons)).toMatchObject({ name: "jitter", noise: 0.1 });
    expect(await strongOf(digits)).toMatchObject({ name: "fixmatch", magnitude: undefined, exclude: "" });
  });

  it("reach the loader, and the run's configuration records the recipe", async () => {
    const fixmatch = { ...digits, method: "fixmatch" };
    const asked = { ...fixmatch, strong: "gmpl", strongMagnitude: 17, strongExclude: "rotate" };
    expect(await strongOf(asked)).toEqual({ name: "gmpl", magnitude: 17, exclude: "rotate", noise: 0.1 });
    expect(await strongOf({ ...fixmatch, strong: "jitter", strongNoise: 0.2 })).toMatchObject({ noise: 0.2 });
    const session = await openSession(resolveConfig(flatten(digits)));
    expect(session.config.strong).toBe("fixmatch");
    session.data.release();
    const wrong = openSession(resolveConfig(flatten({ ...fixmatch, strongExclude: "rotat" })));
    await expect(wrong).rejects.toThrow(UsageError);
  });

  it("--labeled-view strong shows labeled images strongly, and the unlabeled ones as before", async () => {
    const batchOf = async (more: object) => {
      const session = await openSession(resolveConfig(flatten({ ...digits, method: "mean-teacher", ...more })));
      const values = scope(() => {
        const { labeled, unlabeled } = session.batches.batch(0);
        return [labeled.x.student!.toArray(), unlabeled.x.student!.toArray()];
      });
      session.data.release();
      return values;
    };
    const [weak, strong] = [await batchOf({}), await batchOf({ labeledView: "strong" })];
    expect(strong[0]).not.toEqual(weak[0]);
    expect(strong[1]).toEqual(weak[1]);
  });

  it("are refused with whitened pixels before any whitening", async () => {
    const config = resolveConfig(flatten({ ...digits, method: "uda", normalize: "zca" }));
    const started = performance.now();
    await expect(openSession(config)).rejects.toThrow(/--normalize channel, image or none/);
    expect(performance.now() - started).toBeLessThan(10_000); // the decomposition alone takes a minute
  });

  it("are refused where they are no such recipe", () => {
    expect(() => resolveConfig(flatten({ ...digits, strong: "udo" }))).toThrow(/uda/);
    expect(() => resolveConfig(flatten({ ...digits, strongNoise: -1 }))).toThrow(UsageError);
  });
});
