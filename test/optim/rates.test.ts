import { expect, test } from "vitest";
import { Adam, createOptimizer, optimizerOptions, Sgd } from "../../src/optim/index.js";
import { parseOptions } from "../../src/options.js";
import { scope } from "../../src/torch/index.js";
import { describeEngine } from "../support/engine.js";
import { drawGradients, makeParameters, valuesOf } from "../support/parameters.js";
import "../support/matchers.js";

const shared = { weightDecay: 0.25, decayScope: "all", clipNorm: 0, learningRate: () => 0.125 } as const;
const partOf = (name: string) => (name.startsWith("fc.") ? "head" : "backbone");
const parts = () => makeParameters().map((p) => ({ ...p, part: partOf(p.name) }) as const);
type Make = (p: ReturnType<typeof parts>, rateFactor?: (p: { part?: "backbone" | "head" }) => number) => Sgd | Adam;
const kinds: Readonly<Record<string, Make>> = {
  "sgd without momentum": (p, rateFactor) => new Sgd(p, { ...shared, momentum: 0, nesterov: true, rateFactor }),
  "sgd with momentum": (p, rateFactor) => new Sgd(p, { ...shared, momentum: 0.5, nesterov: false, rateFactor }),
  nesterov: (p, rateFactor) => new Sgd(p, { ...shared, momentum: 0.5, nesterov: true, rateFactor }),
  adam: (p, rateFactor) =>
    new Adam(p, { ...shared, beta1: () => 0.9, beta2: () => 0.99, eps: 1e-3, ...(rateFactor ? { rateFactor } : {}) }),
};

/** The change of every parameter in one step with the same gradients. */
function changes(make: (p: ReturnType<typeof parts>) => Sgd | Adam): number[][] {
  const parameters = parts();
  const start = valuesOf(parameters);
  scope(() => {
    const optimizer = make(parameters);
    drawGradients(parameters, 7);
    optimizer.step({ step: 0, totalSteps: 10 });
  });
  return valuesOf(parameters).map((w, i) => w.map((x, j) => x - start[i]![j]!));
}

describeEngine("rate factors", () => {
  for (const [name, make] of Object.entries(kinds)) {
    test(`${name}: a factor scales the update of its parameters alone`, () => {
      const whole = changes((p) => make(p));
      const partly = changes((p) => make(p, ({ part }) => (part === "backbone" ? 0.25 : 1)));
      for (const [i, { part }] of parts().entries()) {
        const expected = whole[i]!.map((x) => (part === "backbone" ? 0.25 * x : x));
        expect(partly[i]!, parts()[i]!.name).toBeCloseToTensor(expected, { rtol: 1e-12, atol: 1e-15 });
        expect(Math.max(...partly[i]!.map(Math.abs))).toBeGreaterThan(0);
      }
    });

    test(`${name}: the factor 0 leaves weights bit for bit, and 1 changes nothing`, () => {
      const still = changes((p) => make(p, ({ part }) => (part === "backbone" ? 0 : 1)));
      const whole = changes((p) => make(p));
      expect(changes((p) => make(p, () => 1))).toEqual(whole);
      for (const [i, { part }] of parts().entries()) {
        expect(still[i]).toEqual(part === "backbone" ? whole[i]!.map(() => 0) : whole[i]);
      }
    });
  }

  for (const name of ["sgd", "adam"]) {
    test(`backboneLrFactor reaches ${name}; parameters of no part keep the whole rate`, () => {
      const given = { name, schedule: "constant", lr: 0.5 };
      const built = (more: object) => (p: ReturnType<typeof parts>) =>
        createOptimizer(p, parseOptions(optimizerOptions, { ...given, ...more }, "test"), 10) as Sgd;
      const [whole, partly] = [changes(built({})), changes(built({ backboneLrFactor: 0.125 }))];
      for (const [i, { part }] of parts().entries()) {
        const expected = whole[i]!.map((x) => (part === "backbone" ? 0.125 * x : x));
        expect(partly[i]!).toBeCloseToTensor(expected, { rtol: 1e-12, atol: 1e-15 });
      }
      const bare = (p: ReturnType<typeof parts>) =>
        built({ backboneLrFactor: 0.125 })(p.map(({ part: _, ...rest }) => rest) as unknown as typeof p);
      expect(changes(bare)).toEqual(whole);
    });
  }
});
