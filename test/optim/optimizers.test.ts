import { expect, test } from "vitest";
import { Adam, type AdamOptions, decays, minimize, type Optimizer, Sgd } from "../../src/optim/index.js";
import { liveTensors, scope, Tensor, tensor } from "../../src/torch/index.js";
import { describeEngine } from "../support/engine.js";
import { drawGradients, LAYERS, makeParameters, valuesOf } from "../support/parameters.js";
import "../support/matchers.js";

const plain = { weightDecay: 0, decayScope: "all", clipNorm: 0 } as const;
const at = (step: number) => ({ step, totalSteps: 100 });
const names = Object.keys(LAYERS);

const adamOptions: AdamOptions = {
  ...plain,
  learningRate: (step) => 0.1 / (1 + step),
  beta1: (step) => 0.9 - 0.04 * step,
  beta2: (step) => (step < 4 ? 0.99 : 0.999),
  eps: 1e-3,
};

/** Adam in plain loops: the moments are weighted means of all gradients so far, so the weights' sum corrects them. */
function slowAdam(start: number[][], gradients: number[][][], options: AdamOptions): number[][] {
  const w = start.map((row) => [...row]);
  for (let p = 0; p < w.length; p++) {
    for (let j = 0; j < w[p]!.length; j++) {
      let [m, v, weightOfM, weightOfV] = [0, 0, 0, 0];
      for (const [step, all] of gradients.entries()) {
        const [b1, b2] = [options.beta1(step), options.beta2(step)];
        const g = all[p]![j]! + options.weightDecay * w[p]![j]!;
        m = b1 * m + (1 - b1) * g;
        v = b2 * v + (1 - b2) * g * g;
        weightOfM = b1 * weightOfM + (1 - b1);
        weightOfV = b2 * weightOfV + (1 - b2);
        const [mean, square] = [m / weightOfM, v / weightOfV];
        const denominator =
          options.epsPlacement === "tf"
            ? (Math.sqrt(v) + options.eps) / Math.sqrt(weightOfV)
            : Math.sqrt(square) + options.eps;
        w[p]![j]! -= (options.learningRate(step) * mean) / denominator;
      }
    }
  }
  return w;
}

/** Steps with drawn gradients; returns them. */
function run(
  parameters: ReturnType<typeof makeParameters>,
  optimizer: Optimizer,
  from: number,
  to: number,
): number[][][] {
  const drawn: number[][][] = [];
  for (let step = from; step < to; step++) {
    scope(() => {
      optimizer.zeroGrad();
      drawn.push(drawGradients(parameters, step));
      optimizer.step(at(step));
    });
  }
  return drawn;
}

describeEngine("Adam", () => {
  for (const epsPlacement of ["torch", "tf"] as const) {
    test(`equals the plain loop with betas that change over time, eps as in ${epsPlacement}`, () => {
      const options = { ...adamOptions, epsPlacement, weightDecay: 0.02 };
      const parameters = makeParameters();
      const start = valuesOf(parameters);
      const drawn = run(parameters, new Adam(parameters, options), 0, 8);
      const expected = slowAdam(start, drawn, options);
      for (const [i, w] of valuesOf(parameters).entries())
        expect(w).toBeCloseToTensor(expected[i]!, { rtol: 1e-10, atol: 1e-12 });
    });
  }
  test("moves every weight by the learning rate against the sign of its gradient in the first step", () => {
    const parameters = makeParameters();
    const start = valuesOf(parameters);
    const [drawn] = run(parameters, new Adam(parameters, { ...adamOptions, eps: 0 }), 0, 1);
    for (const [i, w] of valuesOf(parameters).entries()) {
      expect(w).toBeCloseToTensor(
        start[i]!.map((x, j) => x - 0.1 * Math.sign(drawn![i]![j]!)),
        { rtol: 1e-10, atol: 1e-12 },
      );
    }
  });
});

const makers: Record<string, (p: ReturnType<typeof makeParameters>) => Optimizer> = {
  adam: (p) => new Adam(p, adamOptions),
  sgd: (p) => new Sgd(p, { ...plain, learningRate: () => 0.1, momentum: 0.9, nesterov: true }),
};

describeEngine("every optimizer", () => {
  for (const [name, make] of Object.entries(makers)) {
    test(`${name}: saved after any step and continued elsewhere equals the uninterrupted run bit for bit`, () => {
      const whole = makeParameters();
      run(whole, make(whole), 0, 9);
      for (const stop of [0, 1, 5]) {
        const first = makeParameters();
        const before = make(first);
        run(first, before, 0, stop);
        const { tensors, values } = before.stateDict();
        const saved = Object.entries(tensors).map(([key, t]) => [key, tensor(t.toArray(), t.shape)] as const);
        const second = first.map(({ name, tensor: w }) => ({
          name,
          tensor: tensor(w.toArray(), w.shape).requiresGrad_(),
        }));
        const after = make(second);
        after.loadStateDict({ tensors: Object.fromEntries(saved), values: JSON.parse(JSON.stringify(values)) });
        run(second, after, stop, 9);
        expect(valuesOf(second)).toEqual(valuesOf(whole));
      }
    });
    test(`${name}: refuses a state that lacks, adds or reshapes a tensor, by name`, () => {
      const parameters = makeParameters();
      const optimizer = make(parameters);
      const { tensors, values } = optimizer.stateDict();
      const key = Object.keys(tensors).find((k) => k.endsWith("fc.weight"))!;
      const { [key]: dropped, ...rest } = tensors;
      const load = (changed: Record<string, Tensor>) => () => optimizer.loadStateDict({ tensors: changed, values });
      expect(dropped).toBeInstanceOf(Tensor);
      expect(load(rest)).toThrow(`lacks the tensor "${key}"`);
      expect(load({ ...tensors, more: dropped! })).toThrow('unexpected tensor "more"');
      expect(load({ ...tensors, [key]: tensor([1], [1]) })).toThrow(
        `expected "${key}" to be [4, 3], the saved state has [1]`,
      );
    });
    test(`${name}: leaves a parameter without a gradient, and its state, as they are`, () => {
      const parameters = makeParameters();
      const optimizer = make(parameters);
      run(parameters, optimizer, 0, 2);
      const [weights, state] = [valuesOf(parameters), optimizer.stateDict().tensors];
      const [slot] = Object.keys(state).filter((key) => key.endsWith("fc.bias"));
      const slotBefore = state[slot!]!.toNumbers();
      scope(() => {
        optimizer.zeroGrad();
        drawGradients(parameters.slice(0, 3), 77);
        optimizer.step(at(2));
      });
      const moved = valuesOf(parameters).map((w, i) => w.some((x, j) => x !== weights[i]![j]));
      expect(moved).toEqual([true, true, true, false, false, false]);
      expect(optimizer.stateDict().tensors[slot!]!.toNumbers()).toEqual(slotBefore);
      optimizer.zeroGrad();
      expect(optimizer.step(at(3))).toEqual({});
    });
    test(`${name}: leaves no tensors behind`, () => {
      const parameters = makeParameters();
      const optimizer = make(parameters);
      run(parameters, optimizer, 0, 2);
      const before = liveTensors();
      run(parameters, optimizer, 2, 6);
      expect(liveTensors()).toBe(before);
    });
  }
});

describeEngine("minimize", () => {
  test("forgets the gradients of earlier backward passes", () => {
    scope(() => {
      const w = tensor(Float64Array.of(3), [1]).requiresGrad_();
      const optimizer = new Sgd([{ name: "w", tensor: w }], {
        ...plain,
        learningRate: () => 0.5,
        momentum: 0,
        nesterov: false,
      });
      w.mul(1000).sum().backward();
      minimize(w.mul(w).sum(), optimizer, at(0)); // gradient 2 w = 6
      expect(w.item()).toBe(0);
    });
  });
  test("sgd finds the minimum of a quadratic bowl", () => {
    scope(() => {
      const w = tensor(Float64Array.of(3, -2), [2]).requiresGrad_();
      const optimizer = new Sgd([{ name: "w", tensor: w }], {
        ...plain,
        learningRate: () => 0.1,
        momentum: 0.9,
        nesterov: true,
      });
      for (let step = 0; step < 300; step++) minimize(w.sub(1).pow(2).sum(), optimizer, at(step));
      expect(w).toBeCloseToTensor([1, 1], { atol: 1e-6 });
    });
  });
});

describeEngine("weight decay and clipping", () => {
  const chosen = (scopeName: Parameters<typeof decays>[1]) => {
    const flags = decays(makeParameters(), scopeName);
    return names.filter((_, i) => flags[i]);
  };
  test("decay scopes pick tensors by shape and name", () => {
    expect(chosen("all")).toEqual(names);
    expect(chosen("noNorm")).toEqual(names.filter((n) => !n.includes("norm")));
    expect(chosen("kernelsOnly")).toEqual(["features.conv.weight", "fc.weight"]);
  });
  test("weight decay adds weightDecay * w to the gradient, within its scope only", () => {
    for (const decayScope of ["all", "noNorm", "kernelsOnly"] as const) {
      const parameters = makeParameters();
      const start = valuesOf(parameters);
      const flags = decays(parameters, decayScope);
      const options = { ...plain, decayScope, weightDecay: 0.3, learningRate: () => 0.1, momentum: 0, nesterov: false };
      const [drawn] = run(parameters, new Sgd(parameters, options), 0, 1);
      for (const [i, w] of valuesOf(parameters).entries()) {
        const wd = flags[i] ? 0.3 : 0;
        const expected = start[i]!.map((x, j) => x - 0.1 * (drawn![i]![j]! + wd * x));
        expect(w).toBeCloseToTensor(expected, { rtol: 1e-12, atol: 1e-12 });
      }
    }
  });
  test("clipping scales the whole gradient to the norm allowed, before or after weight decay, and reports the norm", () => {
    for (const clipAfterDecay of [false, true]) {
      const parameters = makeParameters();
      const start = valuesOf(parameters);
      const options = {
        ...plain,
        weightDecay: 0.3,
        clipNorm: 0.5,
        clipAfterDecay,
        learningRate: () => 1,
        momentum: 0,
        nesterov: false,
      };
      const optimizer = new Sgd(parameters, options);
      const drawn = drawGradients(parameters, 5);
      const withDecay = drawn.map((g, i) => g.map((x, j) => x + 0.3 * start[i]![j]!));
      const norm = Math.hypot(...(clipAfterDecay ? withDecay : drawn).flat());
      const { gradNorm } = optimizer.step(at(0));
      expect(gradNorm!.item()).toBeCloseTo(norm, 10);
      const factor = 0.5 / (norm + 1e-6);
      const applied = clipAfterDecay
        ? withDecay.map((g) => g.map((x) => x * factor))
        : drawn.map((g, i) => g.map((x, j) => x * factor + 0.3 * start[i]![j]!));
      for (const [i, w] of valuesOf(parameters).entries()) {
        expect(w).toBeCloseToTensor(
          start[i]!.map((x, j) => x - applied[i]![j]!),
          { rtol: 1e-10, atol: 1e-12 },
        );
      }
    }
  });
  test("a gradient within the norm allowed stays as it is", () => {
    const [clipped, free] = [makeParameters(), makeParameters()];
    const options = { ...plain, learningRate: () => 0.1, momentum: 0, nesterov: false };
    run(clipped, new Sgd(clipped, { ...options, clipNorm: 1e9 }), 0, 1);
    run(free, new Sgd(free, options), 0, 1);
    expect(valuesOf(clipped)).toEqual(valuesOf(free));
  });
});

describeEngine("decoupled weight decay", () => {
  const kinds: Record<string, (parameters: ReturnType<typeof makeParameters>, more: object) => Optimizer> = {
    Adam: (parameters, more) => new Adam(parameters, { ...adamOptions, ...more }),
    Sgd: (parameters, more) =>
      new Sgd(parameters, {
        ...plain,
        learningRate: (step) => 0.1 / (1 + step),
        momentum: 0.9,
        nesterov: true,
        ...more,
      }),
  };

  test.each(Object.entries(kinds))(
    "%s: w is first multiplied by 1 - lr decay; the gradient does not know",
    (_, make) => {
      const [weightDecay, rate] = [0.02, 0.1];
      const after = (more: object) => {
        const parameters = makeParameters();
        const before = valuesOf(parameters);
        run(parameters, make(parameters, more), 0, 1);
        return { before, after: valuesOf(parameters) };
      };
      const none = after({});
      const decayed = after({ weightDecay, decoupledDecay: true });
      for (const [i, w] of none.after.entries()) {
        const expected = w.map((value, j) => value - rate * weightDecay * none.before[i]![j]!);
        expect(decayed.after[i]!).toBeCloseToTensor(expected, { rtol: 1e-5, atol: 1e-6 });
      }
      // Adam divides a gradient's own scale out, so decay within the gradient is something else.
      expect(after({ weightDecay }).after).not.toEqual(decayed.after);
    },
  );

  test("decayScope says whose", () => {
    const parameters = makeParameters();
    const twin = makeParameters();
    const options = { ...adamOptions, weightDecay: 0.5, decayScope: "kernelsOnly" as const };
    run(parameters, new Adam(parameters, { ...options, decoupledDecay: true }), 0, 1);
    run(twin, new Adam(twin, { ...options, weightDecay: 0 }), 0, 1);
    const same = valuesOf(parameters).map((w, i) => JSON.stringify(w) === JSON.stringify(valuesOf(twin)[i]));
    expect(same).toEqual(parameters.map(({ tensor: t }) => t.shape.length < 2));
  });
});
