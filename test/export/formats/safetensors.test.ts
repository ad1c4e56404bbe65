// What timm is told: its own name where the network is one of its, else ours; mean and deviation of pixels in [0, 1].
import { expect, test } from "vitest";
import { meanAndStd, timmArchitecture } from "../../../src/export/formats/safetensors.js";
import { findModel } from "../../../src/models/index.js";
import { parseOptions } from "../../../src/options.js";

function named(name: string, given: Readonly<Record<string, unknown>> = {}, ownHead = true): string | undefined {
  const { definition, preset } = findModel(name);
  return timmArchitecture(definition.name, parseOptions(definition.options, { ...preset, ...given }, name), ownHead);
}

test.each<[string, Record<string, unknown>, string | undefined]>([
  ["resnet-18", {}, "resnet18"],
  ["resnet-34", {}, "resnet34"],
  ["resnet-50", {}, "resnet50"],
  ["resnet-152", {}, "resnet152"],
  ["resnext-50", {}, "resnext50_32x4d"],
  ["resnext-101", {}, "resnext101_32x4d"],
  ["resnext-101", { groupWidth: 8 }, "resnext101_32x8d"],
  ["resnext-152", {}, undefined],
  ["resnet-50", { width: 0.5 }, undefined],
  ["resnet-50", { heads: 2 }, undefined],
  ["resnet-50", { padding: "tf" }, undefined],
  ["resnet-50", { normEps: 0.001 }, undefined],
  ["vit-s14", {}, undefined],
  ["cnn-13", {}, undefined],
])("%s %o: %s", (name, given, expected) => expect(named(name, given)).toBe(expected));

test("with a head of its own making, as knn leaves, timm has no such network", () => {
  expect(named("resnet-18", {}, false)).toBeUndefined();
});

test("the mean and deviation are those that the scale and offset came from", () => {
  const { mean, std } = meanAndStd({ normalize: "channel", scale: [1 / (255 * 0.25)], offset: [-2] }, 1);
  expect(mean![0]).toBeCloseTo(0.5, 12);
  expect(std![0]).toBeCloseTo(0.25, 12);
  expect(meanAndStd({ normalize: "none" }, 3)).toEqual({ mean: [0, 0, 0], std: [1, 1, 1] });
  // Each picture has its own: no numbers say that.
  expect(meanAndStd({ normalize: "image" }, 3)).toEqual({});
});
