/** `--strong` and its companions from the command line's keys to the loader. */
import { expect, it } from "vitest";
import { registries } from "../../src/cli/registries.js";
import { resolveConfig } from "../../src/config/resolve.js";
import { UsageError } from "../../src/errors.js";
import { prepareData } from "../../src/session/data.js";
import { openSession } from "../../src/session/session.js";
import { describeEngine } from "../support/engine.js";

const moons = { dataset: "two-moons", "dataset.train": 40, "dataset.test": 10, labels: 6, model: "mlp", threads: 1 };
const digits = { dataset: "digits", "dataset.train": 40, "dataset.test": 10, labels: 10, batch: 8, threads: 1 };

describeEngine("the run options of the strong view", () => {
  const strongOf = async (given: Record<string, unknown>) => {
    const data = await prepareData(resolveConfig(given, registries));
    data.release();
    return data.strong;
  };

  it("default to jitter for points and to FixMatch's recipe for pictures", async () => {
    expect(await strongOf(moons)).toMatchObject({ name: "jitter", noise: 0.1 });
    expect(await strongOf(digits)).toMatchObject({ name: "fixmatch", magnitude: undefined, exclude: "" });
  });

  it("reach the loader, and the run's configuration records the recipe", async () => {
    const asked = { ...digits, strong: "gmpl", strongMagnitude: 17, strongExclude: "rotate", strongNoise: 0.2 };
    expect(await strongOf(asked)).toEqual({ name: "gmpl", magnitude: 17, exclude: "rotate", noise: 0.2 });
    const session = await openSession(resolveConfig(digits, registries));
    expect(session.config.strong).toBe("fixmatch");
    session.data.release();
    const wrong = openSession(resolveConfig({ ...digits, strongExclude: "rotat" }, registries));
    await expect(wrong).rejects.toThrow(UsageError);
  });

  it("are refused with whitened pixels before any whitening", async () => {
    const config = resolveConfig({ ...digits, method: "uda", normalize: "zca" }, registries);
    const started = performance.now();
    await expect(openSession(config)).rejects.toThrow(/--normalize channel, image or none/);
    expect(performance.now() - started).toBeLessThan(10_000); // the decomposition alone takes a minute
  });

  it("are refused where they are no such recipe", () => {
    expect(() => resolveConfig({ ...digits, strong: "udo" }, registries)).toThrow(/uda/);
    expect(() => resolveConfig({ ...digits, strongNoise: -1 }, registries)).toThrow(UsageError);
  });
});
