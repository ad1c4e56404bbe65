/** The GPU's kernels against the CPU's: the same bits, but for sums over rows, which are taken in another order. */
import { beforeAll, expect, test } from "vitest";
import { Rng } from "../../src/rng.js";
import {
  addGaussianNoise,
  batchNormLeakyRelu,
  cudaMemory,
  type DType,
  dropout,
  gatherImages,
  maxPool2d,
  normal,
  type Scaling,
  type Spread,
  scope,
  type Tensor,
  tensor,
  uniform,
  useCuda,
  whole,
} from "../../src/torch/index.js";
import { describeCudaKernels } from "../support/cuda.js";
import "../support/matchers.js";

const rng = () => Rng.fromSeed(5);
const spreads: Spread[] = [whole, { rank: 1, size: 3 }];
const values = (f: () => Tensor) => scope(() => Buffer.from(f().float().toArray().buffer).toString("base64"));
const place = (t: Tensor, device: string) => (device === "cpu" ? t : t.toDevice(device));

/** What `make` gives on the GPU is what it gives on the CPU, bit by bit. */
function expectEqual(make: (device: string) => Tensor) {
  const [there, here] = ["cuda", "cpu"].map((device) => values(() => make(device)));
  expect(there === here).toBe(true);
}

describeCudaKernels("kernels of the GPU", () => {
  beforeAll(() => useCuda(0, { tf32: false, deterministic: false }));

  test.each(spreads)("normal and uniform draws, rows of process %o", (spread) => {
    for (const shape of [[7], [5, 77], [4, 3, 33, 31]]) {
      expectEqual((device) => normal(shape, 0.25, 1.5, rng(), spread, device));
      expectEqual((device) => uniform(shape, -2, 3, rng(), spread, device));
    }
  });

  test("two million draws in one go", () => {
    expectEqual((device) => normal([2_000_003], 0, 1, rng(), whole, device));
    expectEqual((device) => uniform([2_000_003], 0, 1, rng(), whole, device));
  });

  test("the counter passes 2^32", () => {
    expectEqual((device) => uniform([300], 0, 1, new Rng({ key: [3, 4], drawn: (2 ** 32 - 5) * 4 }), whole, device));
  });

  const dtypes: DType[] = ["float32", "bfloat16", "float16"];
  test.each(dtypes)("dropout and its gradient, %s", (dtype) => {
    for (const spread of spreads) {
      for (const p of [0.1, 0.5]) {
        expectEqual((device) => {
          const x = place(normal([6, 5, 9, 11], 0, 1, rng()), device)
            .to(dtype)
            .contiguous("channelsLast");
          return dropout(x, p, rng(), spread);
        });
      }
    }
    expectEqual((device) => {
      const x = place(normal([40, 13], 0, 1, rng()), device)
        .to(dtype)
        .requiresGrad_();
      dropout(x, 0.3, rng()).float().sum().backward();
      return x.grad!;
    });
  });

  test.each(spreads)("noise on top of images, rows of process %o", (spread) => {
    expectEqual((device) => {
      const x = place(normal([6, 3, 9, 11], 0, 1, rng()), device).contiguous("channelsLast");
      return addGaussianNoise(x, 0.15, rng(), spread);
    });
  });

  const scalings: Scaling[] = [
    { per: "channel", scale: Float32Array.of(0.1, 0.013, 0.007), offset: Float32Array.of(-1, 0.5, 0.3) },
    {
      per: "image",
      scale: Float32Array.from({ length: 9 }, (_, i) => 0.01 * (i + 1)),
      offset: new Float32Array(9).fill(-0.7),
    },
  ];
  test.each(scalings)("images gathered, moved, mirrored and normalized: $per", (scaling) => {
    const source = rng();
    const bytes = Uint8Array.from({ length: 9 * 3 * 7 * 5 }, () => source.uint32() & 255);
    const index = Int32Array.from([8, 0, 3, 3, 7]);
    const draws = {
      dy: Int32Array.from([0, -2, 2, 1, -1]),
      dx: Int32Array.from([2, 1, 0, -2, -1]),
      flip: Uint8Array.from([0, 1, 1, 0, 1]),
    };
    for (const view of [undefined, draws]) {
      for (const dtype of ["uint8", "float32"] as const) {
        expectEqual((device) => gatherImages(place(tensor(bytes, [9, 3, 7, 5], dtype), device), index, view, scaling));
      }
    }
  });

  const norms: [number[], DType, boolean][] = [
    [[100, 128, 32, 32], "bfloat16", true],
    [[100, 128, 32, 32], "float32", true],
    [[9, 20, 7, 5], "bfloat16", true],
    [[9, 20, 7, 5], "float32", false],
    [[33, 7, 3, 3], "bfloat16", true],
    [[64, 300], "float32", true],
    [[2, 2048, 1, 1], "bfloat16", false],
  ];
  test.each(norms)("batch norm with leaky ReLU and its gradient: %j %s, training %s", (shape, dtype, training) => {
    const channels = shape[1]!;
    const [there, here] = ["cuda", "cpu"].map((device) =>
      scope(() => {
        const source = rng();
        const image = (mean: number, std: number) => {
          const t = place(normal(shape, mean, std, source), device).to(dtype);
          return shape.length === 4 ? t.contiguous("channelsLast") : t;
        };
        const vector = (low: number) => place(uniform([channels], low, low + 1, source), device);
        const [x, grad] = [image(0.5, 2).requiresGrad_(), image(0, 1)];
        const [weight, bias] = [vector(0.5).requiresGrad_(), vector(-0.5).requiresGrad_()];
        const [runningMean, runningVar] = [vector(0), vector(0.5)];
        const settings = { runningMean, runningVar, training, momentum: 0.1, eps: 1e-5 };
        const y = batchNormLeakyRelu(x, { weight, bias, ...settings }, 0.1);
        y.mul(grad).float().sum().backward();
        return [y, x.grad!, weight.grad!, bias.grad!, runningMean, runningVar].map((t) => t.float().toNumbers());
      }),
    );
    const count = shape.reduce((a, b) => a * b) / channels;
    const image = dtype === "bfloat16" ? { rtol: 2 ** -7, atol: 2 ** -7 } : { rtol: 5e-5, atol: 5e-5 };
    const sums = { rtol: 1e-4, atol: (dtype === "bfloat16" ? 2e-2 : 1e-4) * Math.sqrt(count) };
    for (const [i, tolerance] of [image, image, sums, sums].entries()) {
      expect(there![i]).toBeCloseToTensor(here![i]!, tolerance);
    }
    for (const i of [4, 5]) expect(there![i]).toBeCloseToTensor(here![i]!, { rtol: 1e-5, atol: 1e-5 });
  });

  test.each(["float32", "bfloat16"] as const)("2 x 2 pooling and its gradient, %s", (dtype) => {
    for (const shape of [
      [100, 128, 32, 32],
      [3, 12, 7, 9],
      [2, 5, 6, 3],
    ]) {
      expectEqual((device) => {
        const source = rng();
        const x = place(normal(shape, 0, 1, source), device)
          .to(dtype)
          .contiguous("channelsLast")
          .requiresGrad_();
        const y = maxPool2d(x, 2);
        y.mul(place(normal(y.shape, 0, 1, source), device).to(dtype))
          .float()
          .sum()
          .backward();
        return x.grad!;
      });
    }
  });

  test("a row that is no image is refused before it reaches the GPU", () => {
    const images = tensor(new Uint8Array(12), [1, 3, 2, 2], "uint8").toDevice("cuda");
    expect(() => gatherImages(images, Int32Array.of(1), undefined, scalings[0]!)).toThrow("outside 0..0");
  });

  test("the GPU tells of its memory", () => {
    const before = cudaMemory();
    expect(before.total).toBeGreaterThan(2 ** 30);
    expect(before.free).toBeLessThanOrEqual(before.total);
    scope(() => {
      normal([2 ** 26], 0, 1, rng(), whole, "cuda");
      expect(cudaMemory().held).toBeGreaterThanOrEqual(2 ** 28);
    });
  });
});
