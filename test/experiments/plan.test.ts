import { expect, it } from "vitest";
import { findDefinition, readProfile } from "../../src/experiments/catalog.js";
import { armsOf, definitionText, isDefinitionOf, planExperiment } from "../../src/experiments/plan.js";

const armOf = (name: string, key: string, scale: "paper" | "small") => {
  const definition = findDefinition(name);
  const profile = scale === "small" ? readProfile(definition.profile) : undefined;
  return Object.fromEntries(armsOf(definition, scale, profile).find((arm) => arm.key === key)!.given);
};

it("what an experiment says for both scales holds over the profile: noisy labels are all the labels", () => {
  expect(readProfile("mnist").base).toMatchObject({ labels: 100 });
  expect(armOf("temporal-ensembling/noisy-labels", "supervised/50", "small")).toMatchObject({
    labels: "all",
    labelNoise: 50,
    dataset: "mnist",
  });
});

it("at paper scale every published hyper-parameter is there, at small scale the profile's", () => {
  expect(armOf("mean-teacher/table-2", "mean-teacher/4000", "paper")).toMatchObject({
    steps: 150_000,
    batch: 100,
    normalize: "gcn-zca",
    "optimizer.warmupSteps": 40_000,
    "method.consistencyWeight": 100,
    "method.scaleByLabels": true,
  });
  const small = armOf("mean-teacher/table-2", "mean-teacher/4000", "small");
  expect(small).toMatchObject({ steps: readProfile("cifar10").base.steps, labels: 4000 });
  expect(small["method.scaleByLabels"]).toBeUndefined();
});

it("a value is the same however it is written, a text is as it stands", () => {
  const given = {
    steps: 600,
    labels: 50,
    flip: true,
    "method.emaDecay": 0.5,
    model: "cnn-13",
    out: "x",
    "method.mine": 2,
  };
  const text = definitionText(new Map<string, unknown>(Object.entries(given)));
  const flags = {
    steps: "600",
    labels: "50",
    flip: "true",
    "method.emaDecay": "0.50",
    model: "cnn-13",
    "method.mine": "2",
  };
  expect(definitionText(new Map<string, unknown>(Object.entries(flags)))).toBe(text);
  expect(isDefinitionOf(JSON.stringify(flags), new Map<string, unknown>(Object.entries(given)))).toBe(true); // an earlier version's
  for (const other of [{ steps: "601" }, { labels: "050" }, { flip: "false" }, { labels: "true" }])
    expect(isDefinitionOf(text, new Map<string, unknown>(Object.entries({ ...given, ...other })))).toBe(false);
  expect(isDefinitionOf("{", new Map())).toBe(false);
});

it("a column that reads the runs of another has no runs of its own", () => {
  const keys = armsOf(findDefinition("uda/imagenet"), "paper", undefined).map(({ key }) => key);
  expect(keys).toContain("uda/top-1");
  expect(keys).not.toContain("uda/top-5");
});

it("a column may have fewer runs: four with all labels, as in the paper", () => {
  const { runs } = planExperiment(findDefinition("mean-teacher/table-2"), { scale: "paper", out: "nowhere" });
  const of = (column: string) => runs.filter(({ arm }) => arm.key === `mean-teacher/${column}`).map(({ seed }) => seed);
  expect(of("4000")).toEqual([2000, 2001, 2002, 2003, 2004, 2005, 2006, 2007, 2008, 2009]);
  expect(of("all")).toEqual([2000, 2001, 2002, 2003]);
});

it("--only takes a row, a cell, or all cells of a row or a column, and nothing else", () => {
  const keysOf = (...only: string[]) => [
    ...new Set(
      planExperiment(findDefinition("fewlabels/methods"), { scale: "paper", out: "nowhere", only }).runs.map(
        ({ arm }) => arm.key,
      ),
    ),
  ];
  expect(keysOf("vat")).toEqual(["vat/digits", "vat/mnist"]);
  expect(keysOf("vat/*")).toEqual(keysOf("vat"));
  expect(keysOf("vat/mnist", "ict/digits")).toEqual(["vat/mnist", "ict/digits"]);
  expect(keysOf("*/mnist")).toHaveLength(17);
  for (const nothing of ["vat/mnist/2", "vat/", ""]) expect(() => keysOf(nothing)).toThrow("names no arm");
});
