import { expect, test } from "vitest";
import { crossEntropy } from "../../src/losses/index.js";
import { Adam, minimize, Sgd } from "../../src/optim/index.js";
import { linear, scope } from "../../src/torch/index.js";
import { describeEngine } from "../support/engine.js";
import "../support/matchers.js";
import { references, type StoredArray, stored } from "../support/references.js";

type Weights = Readonly<Record<"weight" | "bias", StoredArray>>;

interface Case {
  readonly options: {
    readonly name: "sgd" | "adam";
    readonly lr: number;
    readonly momentum: number;
    readonly nesterov: boolean;
    readonly weightDecay: number;
    readonly clipNorm?: number;
    readonly beta1: number;
    readonly beta2: number;
    readonly eps: number;
  };
  readonly x: StoredArray;
  readonly y: StoredArray;
  readonly start: Weights;
  readonly steps: readonly Weights[];
  readonly norms: readonly number[];
}

describeEngine("optimizers agree with PyTorch's stored trajectories", () => {
  for (const [name, c] of references<Case>("optimizers")) {
    test(`${name}: ten steps`, () => {
      scope(() => {
        const [x, y] = [stored(c.x), stored(c.y, "int64")];
        const [weight, bias] = [stored(c.start.weight).requiresGrad_(), stored(c.start.bias).requiresGrad_()];
        const parameters = [
          { name: "fc.weight", tensor: weight },
          { name: "fc.bias", tensor: bias },
        ];
        const { options } = c;
        const learningRate = (step: number) => options.lr / (1 + step);
        const shared = {
          learningRate,
          weightDecay: options.weightDecay,
          decayScope: "all",
          clipNorm: options.clipNorm ?? 0,
        } as const;
        const optimizer =
          options.name === "sgd"
            ? new Sgd(parameters, { ...shared, momentum: options.momentum, nesterov: options.nesterov })
            : new Adam(parameters, {
                ...shared,
                beta1: () => options.beta1,
                beta2: () => options.beta2,
                eps: options.eps,
              });
        for (const [step, expected] of c.steps.entries()) {
          const { gradNorm } = minimize(crossEntropy(linear(x, weight, bias), y), optimizer, { step, totalSteps: 10 });
          // Adam divides by the root of tiny squares in its first steps: a little wider than rounding.
          expect(weight).toBeCloseToTensor(expected.weight, { rtol: 5e-5, atol: 5e-6 });
          expect(bias).toBeCloseToTensor(expected.bias, { rtol: 5e-5, atol: 5e-6 });
          if (options.clipNorm) expect(gradNorm!).toBeCloseToTensor([c.norms[step]!]);
          else expect(gradNorm).toBeUndefined();
        }
      });
    });
  }
});
