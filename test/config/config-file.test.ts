import { resolve } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { canonicalArguments } from "../../src/cli/flags.js";
import { catalog } from "../../src/config/catalog.js";
import { experimentNames, parseConfig, readConfigFile } from "../../src/config/config-file.js";
import { resolveConfig } from "../../src/config/resolve.js";
import { UsageError } from "../../src/errors.js";

describe("parseConfig", () => {
  it("reads nested and dotted keys in both spellings, and JSON", () => {
    const yaml = parseConfig(
      "a.yaml",
      "description: x\ndataset: digits\nlabel-seed: 4\nmodel:\n  name: cnn-13\n  width: 0.25\n",
    );
    const json = parseConfig("a.json", '{"dataset":"digits","labelSeed":4,"model":"cnn-13","model.width":0.25}');
    expect(new Map(yaml.given)).toEqual(new Map(json.given));
    expect(yaml.description).toBe("x");
    expect(yaml.describe("model.width").who).toBe("a.yaml:6:3");
  });

  it("keeps a name that looks like a number as it is written, and a number a number however it is", () => {
    const config = (text: string) => resolveConfig(parseConfig("a.yaml", `dataset: digits\n${text}`).given);
    for (const out of ["001", "2024.10", "1e3", "+5", "0x1F", "007"]) expect(config(`out: ${out}`).out).toBe(out);
    expect(config("out: '001'").out).toBe("001");
    expect(config("unlabeled: 007").unlabeled).toBe(resolve("007"));
    expect(config("steps: 1e3\nmodel: { width: 0.50 }")).toMatchObject({ steps: 1000, modelOptions: { width: 0.5 } });
    expect(config("labels: 400").labels).toBe("400");
    for (const labels of ["0400", "4000.0"])
      expect(() => config(`labels: ${labels}`)).toThrow(`for labels, got "${labels}"`);
  });

  it("throws nothing but UsageError, whatever the text", () => {
    const survives = (text: string) => {
      try {
        parseConfig("a.yaml", text);
      } catch (error) {
        expect(error).toBeInstanceOf(UsageError);
        expect((error as Error).message).toMatch(/^a\.yaml:\d+:\d+: /);
      }
    };
    fc.assert(fc.property(fc.string(), survives), { numRuns: 300 });
    fc.assert(fc.property(fc.json(), survives), { numRuns: 300 });
    const words = fc.constantFrom(
      "dataset",
      "model",
      "steps",
      ":",
      ": ",
      "\n",
      "  ",
      "- ",
      "{",
      "}",
      "[",
      "]",
      "&a ",
      "*a",
      "? ",
      "# ",
      '"',
      "null",
      "1",
      "!!int ",
    );
    fc.assert(
      fc.property(fc.array(words, { maxLength: 20 }), (parts) => survives(parts.join(""))),
      { numRuns: 500 },
    );
  });
});

describe("shipped experiments", () => {
  it("resolve, lie in the folder of their data set, and say what they are", () => {
    for (const name of experimentNames()) {
      const { given, description, describe: where } = readConfigFile(name);
      expect(description, name).not.toBe("");
      const config = resolveConfig(new Map([["data", "."], ...given]), catalog, { describe: where });
      expect(name.split("/")[0]).toBe(config.dataset);
    }
  });
});

describe("canonicalArguments", () => {
  it("brings every spelling of a flag to the declared one", () => {
    const given = [
      "--labelSeed",
      "3",
      "--model.input-noise=0",
      "--no-flip",
      "--model.name",
      "x",
      "--optimizer.name",
      "sgd",
      "a-B.yaml",
      "-1",
    ];
    expect(canonicalArguments(given)).toEqual([
      "--label-seed",
      "3",
      "--model.inputNoise=0",
      "--no-flip",
      "--model",
      "x",
      "--optimizer.name",
      "sgd",
      "a-B.yaml",
      "-1",
    ]);
  });
});
