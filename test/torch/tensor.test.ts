import { expect, test } from "vitest";
import { EngineError } from "../../src/errors.js";
import { addon } from "../../src/torch/addon.js";
import {
  arange,
  borrowTensor,
  cat,
  countsOf,
  type Data,
  type DType,
  foreachAdd_,
  foreachMul_,
  leakyRelu_,
  liveTensors,
  oneHot,
  ones,
  scope,
  tensor,
  where,
  zeros,
} from "../../src/torch/index.js";
import { scatteredCounts } from "../../src/torch/ops.js";
import { describeEngine } from "../support/engine.js";

const arrays: readonly [DType, Data][] = [
  ["float32", Float32Array.of(1.5, -2, 3.25)],
  ["float64", Float64Array.of(0.1, -2e300, 3)],
  ["int32", Int32Array.of(-(2 ** 31), 0, 2 ** 31 - 1)],
  ["int64", BigInt64Array.of(-(2n ** 62n), 0n, 2n ** 62n)],
  ["uint8", Uint8Array.of(0, 7, 255)],
  ["int8", Int8Array.of(-128, 0, 127)],
];

describeEngine("tensors from typed arrays", () => {
  for (const [dtype, data] of arrays) {
    test(`${data.constructor.name} becomes ${dtype} and comes back bit for bit`, () => {
      scope(() => {
        const t = tensor(data, [3]);
        expect([t.dtype, t.shape, t.device]).toEqual([dtype, [3], "cpu"]);
        expect(t.toArray()).toEqual(data);
        expect(t.toArray()).not.toBe(data);
      });
    });
  }

  test("a part of a longer buffer starts where the array starts", () => {
    scope(() => expect(tensor(Float32Array.of(0, 1, 2, 3).subarray(2), [2]).toNumbers()).toEqual([2, 3]));
  });

  test("values are copied: the array may change afterwards", () => {
    scope(() => {
      const data = Float32Array.of(1, 2);
      const t = tensor(data, [2]);
      data[0] = 9;
      expect(t.toNumbers()).toEqual([1, 2]);
    });
  });

  test("plain numbers become float32, or the type asked for", () => {
    scope(() => {
      expect(tensor([1, 2], [2]).dtype).toBe("float32");
      expect(tensor([2 ** 24 + 1, -(2 ** 31)], [2], "int64").toNumbers()).toEqual([16777217, -2147483648]);
      expect(tensor([2 ** 24 + 1], [1], "int32").toNumbers()).toEqual([16777217]);
      expect(tensor([0.1], [1], "float64").toNumbers()).toEqual([0.1]);
      expect(tensor([0.1], [1], "float32").toNumbers()).toEqual([Math.fround(0.1)]);
      const t = tensor([1, 0, 2], [3], "int64");
      expect([t.dtype, t.toArray()]).toEqual(["int64", BigInt64Array.of(1n, 0n, 2n)]);
      expect(tensor(Uint8Array.of(0, 1, 2), [3], "bool").toArray()).toEqual(Uint8Array.of(0, 1, 1));
    });
  });

  test("bfloat16 and float16 come out as Float32Array, rounded to their precision", () => {
    scope(() => {
      const t = tensor([1, 1 / 3, 257], [3]);
      const half = t.to("bfloat16");
      expect([half.dtype, half.toArray()]).toEqual(["bfloat16", Float32Array.of(1, 0.333984375, 256)]);
      expect(t.to("float16").toArray()).toEqual(Float32Array.of(1, 0.333251953125, 257));
    });
  });

  test("scalars and empty tensors have the shapes they say", () => {
    scope(() => {
      expect(tensor([5], []).item()).toBe(5);
      expect(tensor([5], []).shape).toEqual([]);
      const none = zeros([0, 3]);
      expect([none.numel, none.toNumbers(), none.sum().item()]).toEqual([0, [], 0]);
    });
  });

  test("a shape that does not hold the array is refused, naming both sizes", () => {
    expect(() => tensor([1, 2, 3], [2, 2])).toThrow(/4 elements.*3/);
    expect(() => tensor([1], [-1])).toThrow(/negative/);
    expect(() => tensor([1], [1], "float99" as DType)).toThrow(/unknown dtype "float99"/);
  });

  test("item() of more than one element is refused", () => {
    scope(() => expect(() => ones([2]).item()).toThrow(EngineError));
  });

  test("a call that fails names its arguments, the first ones of a long list", () => {
    scope(() => {
      const many = [...Array.from({ length: 20 }, () => ones([2])), ones([3, 1])];
      expect(() => cat(many)).toThrow(/^aten::cat\(\[(float32\[2\], ){8}13 more\], 0\): /);
    });
  });
});

describeEngine("tensors as objects", () => {
  test("shape, size, numel and layout follow the operators", () => {
    scope(() => {
      const t = zeros([2, 3, 4, 5]);
      expect([t.size(0), t.size(-1), t.numel, t.isChannelsLast]).toEqual([2, 5, 120, false]);
      const last = t.contiguous("channelsLast");
      expect([last.isChannelsLast, last.shape]).toEqual([true, [2, 3, 4, 5]]);
      expect(t.permute([0, 2, 3, 1]).shape).toEqual([2, 4, 5, 3]);
      expect(arange(3).dtype).toBe("int64");
      expect(oneHot(arange(2), 3).toNumbers()).toEqual([1, 0, 0, 0, 1, 0]);
    });
  });

  test("values come out row by row whatever the layout", () => {
    scope(() => {
      const t = tensor(
        Float32Array.from({ length: 24 }, (_, i) => i),
        [1, 2, 3, 4],
      );
      expect(t.contiguous("channelsLast").toArray()).toEqual(t.toArray());
      expect(tensor([1, 2, 3, 4], [2, 2]).transpose(0, 1).toNumbers()).toEqual([1, 3, 2, 4]);
    });
  });

  test("in-place operators return the same object and change it", () => {
    scope(() => {
      const t = tensor([4, -8], [2]);
      expect(t.add_(2)).toBe(t);
      expect(t.sub_(tensor([0, 2], [2]), 2)).toBe(t);
      expect(t.mul_(2)).toBe(t);
      expect(t.div_(4)).toBe(t);
      expect(t.toNumbers()).toEqual([3, -5]);
      expect(leakyRelu_(t, 0.1)).toBe(t);
      expect(t.toNumbers()[1]).toBeCloseTo(-0.5);
      expect(t.copy_(ones([2]))).toBe(t);
      expect(t.fill_(7)).toBe(t);
      expect(t.toNumbers()).toEqual([7, 7]);
      expect(t.zero_()).toBe(t);
      expect(t.requiresGrad_()).toBe(t);
      expect(t.keep()).toBe(t);
      t.release();
    });
  });

  test("in-place operators make no new live tensor", () => {
    scope(() => {
      const [a, b] = [ones([2]), ones([2])];
      const before = liveTensors();
      a.add_(b).mul_(3);
      foreachAdd_([a, b], [b, a], 0.5);
      foreachMul_([a], 2);
      expect(liveTensors()).toBe(before);
      expect(a.toNumbers()).toEqual([13, 13]);
    });
  });

  test("a view shares memory, a clone does not", () => {
    scope(() => {
      const t = zeros([3]);
      t.narrow(0, 1, 1).fill_(5);
      t.clone().fill_(9);
      expect(t.toNumbers()).toEqual([0, 5, 0]);
    });
  });

  test("numbers take the tensor's type: whole ones leave integers integers", () => {
    scope(() => {
      expect(arange(3).add(1).dtype).toBe("int64");
      expect(arange(3).mul(0.5).dtype).toBe("float32");
      expect(tensor([1.5], [1]).mul(2).toNumbers()).toEqual([3]);
    });
  });

  test("comparisons give bool, and where() chooses by it", () => {
    scope(() => {
      const t = tensor([-1, 0, 1], [3]);
      expect([t.gt(0), t.ge(0), t.lt(0), t.le(0), t.eq(0), t.ne(0)].map((c) => c.toNumbers().join(""))).toEqual([
        "001",
        "011",
        "100",
        "110",
        "010",
        "101",
      ]);
      expect(t.gt(0).dtype).toBe("bool");
      expect(where(t.gt(0), t, t.neg()).toNumbers()).toEqual([1, -0, 1]);
    });
  });

  test("reductions reduce the axes asked for", () => {
    scope(() => {
      const t = tensor([1, 2, 3, 4, 5, 6], [2, 3]);
      expect(t.sum([0]).toNumbers()).toEqual([5, 7, 9]);
      expect(t.mean([1], true).shape).toEqual([2, 1]);
      expect(t.amax([1]).toNumbers()).toEqual([3, 6]);
      expect(t.amin([0]).toNumbers()).toEqual([1, 2, 3]);
      expect(t.argmax(1).toNumbers()).toEqual([2, 2]);
      expect(t.sum().item()).toBe(21);
    });
  });
});

describeEngine("handles", () => {
  test("one of an earlier generation is refused, even after its slot is in use again", () => {
    const native = addon();
    const old = native.fromData(Float32Array.of(1), [1], "float32", false);
    native.release([old]);
    expect(() => native.shape(old)).toThrow(/live tensor/);
    const next = native.fromData(Float32Array.of(1, 2), [2], "float32", false);
    expect(next).not.toBe(old);
    expect(() => native.toData(old)).toThrow(/live tensor/);
    native.release([old]); // not the new one
    expect(native.shape(next)).toEqual([2]);
    native.release([next]);
  });

  test("a number that is no handle is refused, whatever it is", () => {
    const native = addon();
    for (const wrong of [0, 1, 17, -1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, 2 ** 60]) {
      expect(() => native.shape(wrong)).toThrow(/live tensor/);
    }
    expect(() => native.shape("7" as unknown as number)).toThrow(/expected a number/);
  });
});

describeEngine("borrowTensor", () => {
  test("lies on the array's own memory", () => {
    scope(() => {
      const data = Uint8Array.of(1, 2, 3, 4);
      const t = borrowTensor(data, [2, 2]);
      expect([t.dtype, t.toNumbers()]).toEqual(["uint8", [1, 2, 3, 4]]);
      data[3] = 9;
      expect(t.select(0, 1).toNumbers()).toEqual([3, 9]);
      t.narrow(0, 0, 1).fill_(0);
      expect(Array.from(data)).toEqual([0, 0, 3, 9]);
    });
  });

  test("outlives its release in the array", () => {
    const data = Float32Array.of(1, 2);
    borrowTensor(data, [2]).release();
    expect(Array.from(data)).toEqual([1, 2]);
  });
});

describeEngine("countsOf", () => {
  test("a GPU's counts are bincount's, with no more memory than one number a row", () =>
    scope(() => {
      const [rows, n] = [10_000, 1001];
      const index = tensor(
        Int32Array.from({ length: rows }, (_, i) => (i * i) % 997),
        [rows],
        "int64",
      );
      const mask = tensor(
        Uint8Array.from({ length: rows }, (_, i) => i % 3),
        [rows],
      );
      for (const weights of [undefined, mask])
        expect(scatteredCounts(index, n, weights).toArray()).toEqual(countsOf(index, n, weights).toArray());
      const none = tensor(new Int32Array(0), [0], "int64");
      expect(scatteredCounts(none, 3).toNumbers()).toEqual([0, 0, 0]);
    }));
});
