import { expect, test } from "vitest";
import { autocast, linear, noGrad, ones, scope, tensor } from "../../src/torch/index.js";
import { describeEngine } from "../support/engine.js";
import { gradientMismatch } from "../support/gradients.js";

/** Whether a graph is being recorded right now. */
const recording = () => scope(() => ones([1]).requiresGrad_().mul(2).requiresGrad);
/** The type that a product comes out in right now. */
const productType = () => scope(() => linear(ones([2, 4]), ones([3, 4])).dtype);

describeEngine("gradients", () => {
  test("backward adds up until clearGrad, and skips what needs none", () => {
    scope(() => {
      const [a, b] = [tensor([2, 3], [2]).requiresGrad_(), tensor([5, 7], [2])];
      const loss = () => a.mul(b).sum();
      expect(a.grad).toBeUndefined();
      loss().backward();
      loss().backward();
      expect(a.grad!.toNumbers()).toEqual([10, 14]);
      expect(b.grad).toBeUndefined();
      a.clearGrad();
      expect(a.grad).toBeUndefined();
    });
  });

  test("nothing flows through detach()", () => {
    scope(() => {
      const a = tensor([2, 3], [2]).requiresGrad_();
      a.mul(a.detach()).sum().backward();
      expect(a.grad!.toNumbers()).toEqual([2, 3]);
      expect(a.detach().requiresGrad).toBe(false);
    });
  });

  test("backward from more than one element, or without a graph, is an error", () => {
    scope(() => {
      const a = ones([2]).requiresGrad_();
      expect(() => a.mul(2).backward()).toThrow(/scalar/);
      expect(() => ones([1]).backward()).toThrow(/grad/);
    });
  });

  test("survive the release of every intermediate handle", () => {
    scope(() => {
      const a = tensor([0.5], [1]).requiresGrad_();
      const steps = [a.exp()];
      for (let i = 0; i < 3; i++) steps.push(steps.at(-1)!.mul(2));
      const loss = steps.at(-1)!.sum();
      for (const t of steps) t.release();
      loss.backward();
      expect(a.grad!.item()).toBeCloseTo(8 * Math.exp(0.5), 5);
    });
  });

  test("of a chain of methods agree with central differences", () => {
    const mismatch = gradientMismatch(
      ([x, y]) => x!.matmul(y!).softmax(1).add(x!.rsqrt()).mul(y!.sigmoid()).sum([1]).sqrt().sum(),
      [
        { shape: [2, 2], data: [0.3, 1.2, 0.8, 2.1] },
        { shape: [2, 2], data: [-0.3, 1.2, 0.4, 0.9] },
      ],
    );
    expect(mismatch).toBeUndefined();
  });
});

describeEngine("noGrad", () => {
  test("records nothing inside and is undone after, nested too", () => {
    expect(recording()).toBe(true);
    noGrad(() => {
      expect(recording()).toBe(false);
      noGrad(() => expect(recording()).toBe(false));
      expect(recording()).toBe(false);
    });
    expect(recording()).toBe(true);
  });

  test("is undone on a throw, at each level", () => {
    expect(() =>
      noGrad(() => {
        expect(() =>
          noGrad(() => {
            throw new Error("inner");
          }),
        ).toThrow("inner");
        expect(recording()).toBe(false);
        throw new Error("outer");
      }),
    ).toThrow("outer");
    expect(recording()).toBe(true);
  });

  test("returns what the function returns", () => {
    expect(noGrad(() => 3)).toBe(3);
  });
});

describeEngine("autocast", () => {
  test("bf16 computes products in bfloat16 inside, float32 after, nested too", () => {
    expect(productType()).toBe("float32");
    autocast("bf16", "cpu", () => {
      expect(productType()).toBe("bfloat16");
      autocast("bf16", "cpu", () => expect(productType()).toBe("bfloat16"));
      expect(productType()).toBe("bfloat16");
    });
    expect(productType()).toBe("float32");
  });

  test("fp32 changes nothing", () => {
    autocast("fp32", "cpu", () => expect(productType()).toBe("float32"));
  });

  test("is undone on a throw, at each level", () => {
    expect(() =>
      autocast("bf16", "cpu", () => {
        expect(() =>
          autocast("bf16", "cpu", () => {
            throw new Error("inner");
          }),
        ).toThrow("inner");
        expect(productType()).toBe("bfloat16");
        throw new Error("outer");
      }),
    ).toThrow("outer");
    expect(productType()).toBe("float32");
  });

  test("sees weights as they are now, not as they were in the last pass", () => {
    scope(() => {
      const weight = ones([1, 4]).requiresGrad_();
      const product = () => autocast("bf16", "cpu", () => scope(() => linear(ones([1, 4]), weight).item()));
      expect(product()).toBe(4);
      noGrad(() => weight.fill_(2));
      expect(product()).toBe(8);
    });
  });

  test("sends float32 gradients into float32 weights", () => {
    scope(() => {
      const weight = ones([1, 4]).requiresGrad_();
      const loss = autocast("bf16", "cpu", () =>
        linear(ones([3, 4]), weight)
          .float()
          .sum(),
      );
      loss.backward();
      expect([weight.grad!.dtype, weight.grad!.toNumbers()]).toEqual(["float32", [3, 3, 3, 3]]);
    });
  });
});
