import { expect, test } from "vitest";
import { EngineError } from "../../src/errors.js";
import { liveTensors, noGrad, ones, scope, type Tensor, tensor, zeros } from "../../src/torch/index.js";
import { describeEngine } from "../support/engine.js";

/** Tensors alive after `body` beyond those before it. */
function growth(body: () => void): number {
  const before = liveTensors();
  body();
  return liveTensors() - before;
}

describeEngine("scope", () => {
  test("releases what was made inside, and returns what the function returned", () => {
    let inner: Tensor | undefined;
    const grown = growth(() => {
      expect(
        scope(() => {
          inner = ones([2]).add(1);
          return inner.sum().item();
        }),
      ).toBe(4);
    });
    expect(grown).toBe(0);
    expect(inner!.released).toBe(true);
  });

  test("keeps survivors returned alone, in arrays, in records and nested in both", () => {
    const alone = scope(() => ones([1]));
    const [first, { deep }] = scope(() => [ones([2]), { deep: [zeros([3])], text: "x", none: undefined }] as const);
    expect([alone, first, deep[0]!].map((t) => t.released)).toEqual([false, false, false]);
    expect(deep[0]!.shape).toEqual([3]);
    for (const t of [alone, first, deep[0]!]) t.release();
  });

  test("hands survivors to the outer scope, which releases them at its end", () => {
    let survivor: Tensor | undefined;
    const grown = growth(() =>
      scope(() => {
        survivor = scope(() => ones([2]).mul(3));
        expect(survivor.toNumbers()).toEqual([3, 3]);
      }),
    );
    expect(grown).toBe(0);
    expect(survivor!.released).toBe(true);
  });

  test("releases on a throw, at every level, and passes the error on", () => {
    const boom = new Error("boom");
    const grown = growth(() => {
      const fail = () =>
        scope(() => {
          ones([2]);
          scope(() => {
            zeros([2]).add(1);
            throw boom;
          });
        });
      expect(fail).toThrow(boom);
    });
    expect(grown).toBe(0);
    expect(growth(() => scope(() => void ones([1])))).toBe(0); // the stack of scopes is in order again
  });

  test("goes on as before after a throw caught inside an outer scope", () => {
    scope(() => {
      const mine = ones([2]);
      expect(() =>
        scope(() => {
          throw new Error("inner");
        }),
      ).toThrow("inner");
      expect(mine.released).toBe(false);
    });
  });

  test("leaves kept tensors alone, however deep they were made, until release()", () => {
    const kept = scope(() =>
      scope(() => {
        const t = ones([2]).keep();
        return { t, plain: zeros([1]) };
      }),
    ).t;
    expect(kept.isKept).toBe(true);
    expect(kept.toNumbers()).toEqual([1, 1]);
    expect(growth(() => kept.release())).toBe(-1);
    kept.release(); // twice is harmless
    expect(kept.released).toBe(true);
  });

  test("tensors released by hand inside are not released again", () => {
    expect(growth(() => scope(() => ones([2]).release()))).toBe(0);
  });

  test("returning a tensor of the outer scope does not hand it over twice", () => {
    const grown = growth(() =>
      scope(() => {
        const mine = ones([1]);
        expect(scope(() => mine)).toBe(mine);
        expect(mine.released).toBe(false);
      }),
    );
    expect(grown).toBe(0);
  });

  test("refuses an asynchronous function and releases what it made", () => {
    const grown = growth(() => {
      expect(() => scope(async () => ones([1]))).toThrow(EngineError);
      expect(() => scope(async () => 1)).toThrow(/synchronous/);
    });
    expect(grown).toBe(0);
  });

  test("use after release is an EngineError that says so, for every kind of use", () => {
    const dead = tensor([1, 2], [2]);
    const alive = tensor([1, 2], [2]);
    dead.release();
    const uses: (() => unknown)[] = [
      () => dead.shape,
      () => dead.dtype,
      () => dead.toArray(),
      () => dead.item(),
      () => dead.add(1),
      () => alive.add(dead),
      () => alive.add_(dead),
      () => dead.add_(1),
      () => dead.requiresGrad_(),
      () => dead.grad,
      () => dead.backward(),
    ];
    for (const use of uses) {
      expect(use).toThrow(EngineError);
      expect(use).toThrow(/used after its scope ended or after release/);
    }
    expect(alive.toNumbers()).toEqual([1, 2]);
    alive.release();
  });

  test("the number of live tensors is flat over repeated work, gradients included", () => {
    const weight = ones([3, 3]).keep().requiresGrad_();
    const work = () =>
      scope(() => {
        weight.clearGrad();
        const x = ones([4, 3]);
        x.matmul(weight).relu().sum().backward();
        const { grad } = weight;
        noGrad(() => weight.sub_(grad!.mul(0.1)));
      });
    work();
    expect(
      growth(() => {
        for (let i = 0; i < 50; i++) work();
      }),
    ).toBe(0);
    weight.release();
  });
});
