/** Recomputed graphs give the same gradients as kept ones. */
import { expect, test } from "vitest";
import { liveTensors, noGrad, recompute, scope, type Tensor, tensor } from "../../src/torch/index.js";
import { describeEngine } from "../support/engine.js";

const make = (values: number[]) => tensor(Float64Array.from(values), [values.length]).requiresGrad_();
const gradOf = (t: Tensor) => scope(() => t.grad?.toNumbers());

describeEngine("recompute", () => {
  test("gives values and gradients of the plain computation, through a chain, a shared input and two results", () => {
    const [w, x] = [make([0.5, -1, 2]), make([1, 2, 3])];
    const body = ([a]: readonly Tensor[]) => [a!.mul(w).exp(), a!.mul(a!)];
    const lossOf = (run: typeof recompute) => {
      const input = x.mul(2); // has a graph of its own
      const [first, second] = run([input], body);
      const [third] = run([first!, second!], ([a, b]) => [a!.mul(w).add(b!)]);
      return third!.mul(third!).add(input).sum();
    };
    const measure = (run: typeof recompute) => {
      w.clearGrad();
      x.clearGrad();
      const value = scope(() => {
        const loss = lossOf(run);
        loss.backward();
        return loss.item();
      });
      return { value, w: gradOf(w), x: gradOf(x) };
    };
    const plain = measure((inputs, f) => f(inputs));
    let calls = 0;
    const again = measure((inputs, f) =>
      recompute(inputs, (given) => {
        calls++;
        return f(given);
      }),
    );
    expect(again).toEqual(plain);
    expect(plain.x!.every((g) => g !== 0)).toBe(true);
    expect(calls).toBe(4);
    for (const t of [w, x]) t.release();
  });

  test("works nested", () => {
    const w = make([0.3, 0.7]);
    const measure = (run: typeof recompute) => {
      w.clearGrad();
      scope(() => {
        const [out] = run([w.mul(1)], ([a]) => run([a!.mul(w)], ([b]) => [b!.exp().mul(w)]));
        out!.sum().backward();
      });
      return gradOf(w);
    };
    expect(measure(recompute)).toEqual(measure((inputs, f) => f(inputs)));
    w.release();
  });

  test("keeps one result's graph at a time, whether they make a chain or stand side by side, and hands on all of each", () => {
    const w = make([0.9, 1.1]);
    const count = 12;
    const during = (chain: boolean) => {
      const alive: number[] = [];
      let runs = 0;
      scope(() => {
        const body = ([a]: readonly Tensor[]) => {
          if (runs++ >= count) alive.push(liveTensors());
          return [a!.mul(w)];
        };
        const start = w.mul(1);
        const outs: Tensor[] = [];
        for (let i = 0; i < count; i++) outs.push(recompute([chain ? (outs.at(-1) ?? start) : start], body)[0]!);
        const loss = chain ? outs.at(-1)! : outs.reduce((a, b) => a.add(b));
        loss.sum().backward();
        alive.push(liveTensors());
      });
      return alive;
    };
    for (const chain of [true, false]) {
      const alive = during(chain);
      expect(alive.length).toBe(count + 1);
      alive.slice(1).forEach((n, i) => void expect(n, `second run ${i + 1}`).toBeLessThan(alive[i]!));
    }
    w.release();
  });

  test("forgets what a second run made and no gradient reached, and everything when it throws", () => {
    const w = make([2]);
    const before = liveTensors();
    scope(() => {
      const start = w.mul(1);
      const middle = liveTensors();
      let calls = 0;
      const [out] = recompute([start], ([a]) => {
        recompute([a!], ([b]) => [b!.mul(w)]);
        if (calls++ === 1) throw new Error("second run");
        return [a!.mul(w)];
      });
      const loss = out!.sum();
      expect(() => loss.backward()).toThrow("second run");
      expect(liveTensors()).toBe(middle + 2);
    });
    expect(liveTensors()).toBe(before);
    w.release();
  });

  test("a backward pass that does not reach it leaves it waiting; one that does comes later", () => {
    const [w, v] = [make([2]), make([3])];
    scope(() => {
      const [out] = recompute([w], ([a]) => [a!.mul(a!)]);
      v.mul(v).sum().backward();
      expect(gradOf(w)).toBeUndefined();
      out!.sum().backward();
      expect(gradOf(w)).toEqual([4]);
    });
    for (const t of [w, v]) t.release();
  });

  test("is the plain call without grad mode, and leaves nothing behind when nobody asks for a gradient", () => {
    const w = make([2]);
    const before = liveTensors();
    let calls = 0;
    const body = ([a]: readonly Tensor[]) => {
      calls++;
      return [a!.mul(w)];
    };
    scope(() => void noGrad(() => recompute([w], body)));
    scope(() => void recompute([w], body));
    expect(calls).toBe(2);
    expect(liveTensors()).toBe(before);
    w.release();
  });
});
