import { describe, expect, it } from "vitest";
import { bench, benchConfig } from "../../../src/cli/commands/bench.js";
import { notOfArms } from "../../../src/cli/commands/experiment/arm-options.js";
import { commands } from "../../../src/cli/commands/index.js";
import { flagsOf } from "../../../src/cli/flags.js";
import { catalog } from "../../../src/config/catalog.js";
import { notTimed } from "../../../src/experiments/estimate.js";

describe("fewlabels bench", () => {
  const config = (given: Readonly<Record<string, unknown>>) => benchConfig(new Map(Object.entries(given)));

  it("times 1,000 labels of the generated digits, but all of people's own pictures: nobody asked for a number", () => {
    expect(config({})).toMatchObject({ dataset: "digits", labels: "1000" });
    expect(config({ dataset: "mnist", data: "there" }).labels).toBe("1000");
    for (const dataset of ["folder", "shards", "imagenet"])
      expect(config({ dataset, data: "there" }).labels).toBe("all");
    expect(config({ dataset: "folder", data: "there", labels: "30" }).labels).toBe("30");
  });

  it("has no flag for what it does not do", () => {
    const flags = [...flagsOf(bench, catalog).keys()];
    for (const key of ["saveBest", "topK", "seen", "tensorboard", "evalEvery", "out"]) expect(flags).not.toContain(key);
  });

  it("is given no option by `experiment --dry-run` and `compare` that it does not take", () => {
    for (const key of bench.leaveOut!) expect([...notTimed, ...notOfArms]).toContain(key);
  });
});

describe("the help of the options of a run", () => {
  const textOf = (name: string, key: string) =>
    flagsOf(commands.find((command) => command.name === name)!, catalog).get(key)!.text;

  it("says the defaults of bench, not those of train", () => {
    expect(textOf("train", "dataset")).toContain("required");
    expect(textOf("bench", "dataset")).toMatch(/default: digits\)$/);
    expect(textOf("bench", "labels")).toContain("default: 1000;");
    expect(textOf("compare", "steps")).not.toContain("10000");
  });

  it.each(["experiment", "experiment tune"])("%s: no defaults, for every arm has its own", (name) => {
    for (const key of ["dataset", "labels", "method", "steps", "batch"])
      expect(textOf(name, key)).not.toMatch(/default|required/);
    expect(textOf(name, "data")).toContain("folder that holds the data sets' folders");
  });
});
