import { describe, expect, it } from "vitest";
import { bench, benchConfig } from "../../../src/cli/commands/bench.js";
import { flagsOf } from "../../../src/cli/flags.js";
import { catalog } from "../../../src/config/catalog.js";

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
});
