import { expect, test } from "vitest";
import { crossEntropy, klDivergence, softmaxMse } from "../../src/losses/index.js";
import { scope } from "../../src/torch/index.js";
import { describeEngine } from "../support/engine.js";
import "../support/matchers.js";
import { references, type StoredArray, stored } from "../support/references.js";

interface Case {
  readonly smoothing: number;
  readonly logits: StoredArray;
  readonly target: StoredArray;
  readonly value: number;
  readonly gradient: StoredArray;
}

describeEngine("losses agree with PyTorch's stored arrays", () => {
  for (const [name, { smoothing, logits, target, value, gradient }] of references<Case>("losses")) {
    test(`${name}: value and gradient`, () => {
      scope(() => {
        const z = stored(logits).requiresGrad_();
        const q = stored(target, target.shape.length === 1 ? "int64" : "float32");
        const loss =
          name === "kl"
            ? klDivergence(z, q)
            : name === "softmax mse"
              ? softmaxMse(z, q)
              : crossEntropy(z, q, { smoothing });
        expect(loss).toBeCloseToTensor([value]);
        loss.backward();
        expect(z.grad!).toBeCloseToTensor(gradient);
      });
    });
  }
});
