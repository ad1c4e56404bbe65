import { expect, test } from "vitest";
import { modelJson, modelLines } from "../../../src/cli/commands/model.js";
import { modelFacts } from "../../../src/models/model-facts.js";
import { describeEngine } from "../../support/engine.js";
import { describeTraining, fewlabels } from "../run-cli.js";

describeEngine("the layer table", () => {
  test("as JSON has exactly the fields that scripts rely on", () => {
    const found = modelJson("convnet-tiny", modelFacts("convnet-tiny"));
    expect(Object.keys(found)).toEqual(["name", "parameters", "multiplyAccumulates", "input", "layers"]);
    expect(found).toMatchObject({ name: "convnet-tiny", parameters: 23_472 + 224 + 650, input: [3, 32, 32] });
  });

  test("as text has one line a layer, and the totals", () => {
    const facts = modelFacts("convnet-tiny");
    const lines = modelLines("convnet-tiny", facts);
    expect(lines).toHaveLength(facts.layers.length + 4);
    expect(lines.find((line) => line.startsWith("features.conv2.conv "))).toMatch(
      /conv 3x3 +32 x 16 x 16 +4,608 +1,179,648$/,
    );
    expect(lines.at(-2)).toMatch(/^convnet-tiny for images of 3 x 32 x 32 and 10 classes: /);
  });
});

describeTraining("fewlabels model", () => {
  test("takes presets, options, classes and sizes", async () => {
    const flags = ["--model.heads", "2", "--num-classes", "100", "--image-size", "16", "--json"];
    const { code, out, err } = await fewlabels(["model", "wrn-28-2", ...flags]);
    expect(err).toBe("");
    expect(code).toBe(0);
    const found = JSON.parse(out);
    expect(found).toMatchObject({ name: "wrn-28-2", parameters: 1_479_220 + 12_900, input: [3, 16, 16] });
    expect(found.layers.at(-1)).toMatchObject({ name: "fc2", output: [100], parameters: 12_900 });
  }, 30_000);

  test("an unknown network, option or a bad number is wrong usage", async () => {
    const wrong = async (args: string[], message: RegExp) => {
      const { code, err, out } = await fewlabels(["model", ...args]);
      expect([code, out]).toEqual([2, ""]);
      expect(err).toMatch(message);
    };
    await wrong(["resnet-51"], /unknown model "resnet-51". Did you mean "resnet-50"\?/);
    await wrong(["cnn-13", "--model.depth", "3"], /unknown option "depth"/);
    await wrong(
      ["mlp", "--model.freeze", "backbone"],
      /--model.freeze has no effect on a network's layers. Leave it out/,
    );
    await wrong(["mlp", "--model.weights", "nope.pth"], /--model.weights has no effect/);
    await wrong(["cnn-13", "--image-size", "big"], /whole number of at least 1 for --image-size, got "big"/);
  }, 30_000);

  test("list models --json has presets, parameters, multiply-accumulates and memory of every network", async () => {
    const { code, out } = await fewlabels(["list", "models", "--json"]);
    expect(code).toBe(0);
    const entries = JSON.parse(out) as Record<string, unknown>[];
    for (const entry of entries) {
      expect(entry).toMatchObject({
        presets: expect.any(Object),
        parameters: expect.any(Number),
        multiplyAccumulates: expect.any(Number),
        memoryMB: { weights: expect.any(Number), activationsPerImage: expect.any(Number) },
      });
    }
    expect(entries.find(({ name }) => name === "resnet")).toMatchObject({ parameters: 25_557_032 });
  }, 60_000);
});
