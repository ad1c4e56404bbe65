/** Every method's loss and gradient against the same loss written a second time. */
import { expect, test } from "vitest";
import { describeEngine } from "../support/engine.js";
import "../support/matchers.js";
import type { TinyRunOptions } from "../support/method-run.js";
import { bothRoutes, meanTeacherTerms, piTerms, supervisedTerms } from "./formulas.js";

const two = { modelOptions: { heads: 2 } };
/** A strong weight, so that the gradient of the consistency term shows beside the class loss. */
const strong = { consistencyWeight: 50, rampUpSteps: 5 };

const cases: Record<string, readonly [string, typeof meanTeacherTerms, readonly TinyRunOptions[]]> = {
  supervised: [
    "supervised",
    supervisedTerms as unknown as typeof meanTeacherTerms,
    [{}, { method: { labelSmoothing: 0.3 } }, { method: { classReduction: "labeled" } }],
  ],
  "pi-model": [
    "pi-model",
    piTerms,
    [
      { method: strong },
      { method: { ...strong, stopGrad: "target" } },
      { method: { ...strong, consistencyOnLabeled: false } },
      { method: { ...strong, stopGrad: "target", consistencyOnLabeled: false, classReduction: "labeled" } },
      { method: { ...strong, scaleByLabels: true, sameFlip: false } },
    ],
  ],
  "mean-teacher": [
    "mean-teacher",
    meanTeacherTerms,
    [
      { method: strong },
      { method: { ...strong, consistencyOnLabeled: false } },
      { method: { ...strong, classReduction: "labeled" } },
      { method: { ...strong, cost: "kl" } },
      { method: { ...strong, cost: "tau", tau: 0.5 } },
      { method: { ...strong, cost: "tau", tau: 1, legacyScale: true } },
      { method: { ...strong, cost: "tau", tau: 0 } },
      { method: { ...strong, target: "student" } },
      { method: { ...strong, target: "student", consistencyOnLabeled: false } },
      { method: { ...strong, studentDropout: 0.1, teacherDropout: 0.7, studentNoise: 0.4, teacherNoise: 0 } },
      { method: strong, ...two },
      { method: { ...strong, logitDistanceWeight: 2 }, ...two },
      { method: { ...strong, logitDistanceWeight: 2, logitDistanceClasses: "sum", cost: "kl" }, ...two },
      { method: { ...strong, target: "student", consistencyOnLabeled: false }, ...two },
      { method: strong, labeled: 0 },
      { method: strong, unlabeled: 0 },
    ],
  ],
};

for (const [title, [name, terms, variants]] of Object.entries(cases)) {
  describeEngine(`${title}: loss and gradient equal the formula's`, () => {
    for (const variant of variants) {
      test(JSON.stringify(variant), () => {
        const { got, expected } = bothRoutes(name, variant, terms);
        for (const [metric, value] of Object.entries(expected.metrics)) {
          expect([got.metrics[metric]!], metric).toBeCloseToTensor([value], { rtol: 1e-4, atol: 1e-7 });
        }
        expect(Object.keys(expected.gradients)).toEqual(Object.keys(got.gradients));
        const largest = Math.max(...Object.values(expected.gradients).flatMap((g) => (g ?? []).map(Math.abs)));
        expect(largest).toBeGreaterThan(1e-4);
        for (const [parameter, gradient] of Object.entries(expected.gradients)) {
          const zeros = (gradient ?? got.gradients[parameter] ?? []).map(() => 0);
          expect(got.gradients[parameter] ?? zeros, parameter).toBeCloseToTensor(gradient ?? zeros, {
            rtol: 1e-3,
            atol: 1e-5 * largest,
          });
        }
      });
    }
  });
}
