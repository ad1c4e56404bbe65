import { expect, test } from "vitest";
import { EngineError } from "../../src/errors.js";
import {
  call,
  callNumber,
  callTensor,
  liveTensors,
  ones,
  scope,
  Tensor,
  tensor,
  zeros,
} from "../../src/torch/index.js";
import { describeEngine } from "../support/engine.js";

/** The error of `body`, which must be an EngineError. */
function engineError(body: () => unknown): string {
  try {
    scope(() => void body());
  } catch (error) {
    expect(error).toBeInstanceOf(EngineError);
    return (error as Error).message;
  }
  throw new Error("did not throw");
}

describeEngine("call", () => {
  test("reaches operators by full name, trailing defaults left out", () => {
    scope(() => {
      const t = call("aten::cumsum", "", ones([3]), 0) as Tensor;
      expect(t.toNumbers()).toEqual([1, 2, 3]);
      expect(callTensor("aten::add", "Tensor", t, t).toNumbers()).toEqual([2, 4, 6]);
      expect(callTensor("aten::add", "Tensor", t, t, 10).toNumbers()).toEqual([11, 22, 33]);
    });
  });

  test("returns lists, tuples, numbers and booleans as such", () => {
    scope(() => {
      const parts = call("aten::split", "Tensor", ones([5]), 2) as Tensor[];
      expect(parts.map((t) => t.shape)).toEqual([[2], [2], [1]]);
      const [values, indices] = call("aten::sort", "", tensor([3, 1, 2], [3])) as [Tensor, Tensor];
      expect([values.toNumbers(), indices.toNumbers()]).toEqual([
        [1, 2, 3],
        [1, 2, 0],
      ]);
      expect(callNumber("aten::item", "", tensor([2.5], [1]))).toBe(2.5);
      expect(call("aten::equal", "", ones([2]), ones([2]))).toBe(true);
      expect(call("aten::is_same_size", "", ones([2]), ones([3]))).toBe(false);
    });
  });

  test("takes optional arguments as undefined and lists as arrays or typed arrays", () => {
    scope(() => {
      expect(callTensor("aten::clamp", "", tensor([-1, 0, 5], [3]), undefined, 2).toNumbers()).toEqual([-1, 0, 2]);
      expect(callTensor("aten::permute", "", zeros([2, 3]), Int32Array.of(1, 0)).shape).toEqual([3, 2]);
      const none = callTensor("aten::index", "Tensor", tensor([1, 2, 3, 4], [2, 2]), [
        undefined,
        tensor(BigInt64Array.of(1n), [1]),
      ]);
      expect(none.toNumbers()).toEqual([2, 4]);
    });
  });

  test("an unknown operator or overload is an EngineError naming it", () => {
    expect(engineError(() => call("aten::no_such_thing", ""))).toMatch(
      /aten::no_such_thing.*has no operator aten::no_such_thing/,
    );
    expect(engineError(() => call("aten::add", "Nonsense", ones([1]), 1))).toMatch(/aten::add\.Nonsense/);
  });

  test("too many arguments, and a missing one, are named", () => {
    expect(engineError(() => call("aten::neg", "", ones([1]), 1, 2))).toMatch(/aten::neg.*takes 1 arguments, got 3/);
    expect(engineError(() => call("aten::add", "Tensor", ones([1])))).toMatch(
      /aten::add\.Tensor.*argument other is missing/,
    );
  });

  test("an argument of the wrong kind is named", () => {
    expect(engineError(() => call("aten::softmax", "int", ones([2]), "x"))).toMatch(/argument dim/);
    expect(engineError(() => call("aten::softmax", "int", ones([2]), 0.5))).toMatch(
      /argument dim: expected a whole number/,
    );
    expect(engineError(() => call("aten::neg", "", "text"))).toMatch(/argument self: expected a tensor/);
    expect(engineError(() => call("aten::neg", "", 12345))).toMatch(/argument self: expected a live tensor/);
    expect(engineError(() => call("aten::cat", "", ones([1])))).toMatch(/argument tensors: expected a list/);
  });

  test("libtorch's own errors gain the operator's name, types and shapes, and no C++ backtrace", () => {
    const message = engineError(() => ones([2, 3]).matmul(zeros([4, 5])));
    expect(message).toMatch(/^aten::matmul\(float32\[2, 3\], float32\[4, 5\]\): /);
    expect(message).toMatch(/shapes cannot be multiplied/);
    expect(message).not.toMatch(/\.cpp|frame #/);
    expect(engineError(() => ones([2]).add_(zeros([3])))).toMatch(/aten::add_\.Tensor\(float32\[2\], float32\[3\]/);
    expect(engineError(() => call("aten::cat", "", [ones([1, 2]), ones([3])], 0))).toMatch(
      /\[float32\[1, 2\], float32\[3\]\], 0/,
    );
  });

  test("the error keeps libtorch's as its cause and starts its stack at the caller", () => {
    try {
      scope(() => ones([2]).matmul(zeros([3])));
      expect.unreachable();
    } catch (error) {
      expect((error as Error).cause).toBeInstanceOf(Error);
      expect((error as Error).stack).toMatch(/dispatch\.test\.ts/);
      expect((error as EngineError).code).toBe("ENGINE");
    }
  });

  test("a call that throws leaves no tensor behind", () => {
    const before = liveTensors();
    for (let i = 0; i < 10; i++) engineError(() => ones([2]).matmul(zeros([3])));
    expect(liveTensors()).toBe(before);
  });

  test("the outcome of an operator that returns tensors is Tensor objects only", () => {
    scope(() => {
      const all = call("aten::_foreach_sqrt", "", [tensor([4], [1]), tensor([9], [1])]) as Tensor[];
      expect(all.every((t) => t instanceof Tensor)).toBe(true);
      expect(all.map((t) => t.item())).toEqual([2, 3]);
    });
  });
});
