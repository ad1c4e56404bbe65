import { expect, test } from "vitest";
import { resolveDevice, resolvePrecision } from "../../src/session/device.js";

const engine = (cuda: number, cudaBuild = true) => ({
  libtorch: "2.11.0",
  cuda,
  cudaBuild,
  cudaKernels: cudaBuild,
  capability: "AVX2",
});
const place = (localRank: number, localSize: number) => ({
  rank: localRank,
  size: localSize,
  localSize,
  localRank,
  host: "a",
  port: 1,
  served: false,
  prefix: "",
});

test("auto takes a GPU where there is one", () => {
  expect(resolveDevice("auto", engine(0), undefined)).toBe("cpu");
  expect(resolveDevice("auto", engine(2), undefined)).toBe("cuda");
  expect(resolveDevice("cpu", engine(2), undefined)).toBe("cpu");
});

test("a GPU is named by its number, and one that is not there is refused", () => {
  expect(resolveDevice("cuda:1", engine(2), undefined)).toBe("cuda:1");
  expect(() => resolveDevice("cuda:2", engine(2), undefined)).toThrow(/cuda:0 \.\. cuda:1.*"cuda:2"/);
  expect(() => resolveDevice("cuda", engine(0), undefined)).toThrow(/sees no device.*nvidia-smi/);
  expect(() => resolveDevice("cuda", engine(0, false), undefined)).toThrow(/built without CUDA/);
});

test("processes of one machine take a GPU each; more processes than GPUs share them", () => {
  expect([0, 1, 2, 3].map((rank) => resolveDevice("cuda", engine(2), place(rank, 4)))).toEqual([
    "cuda:0",
    "cuda:1",
    "cuda:0",
    "cuda:1",
  ]);
  expect(resolveDevice("auto", engine(1), place(1, 2))).toBe("cuda");
  expect(resolveDevice("cuda:1", engine(2), place(0, 2))).toBe("cuda:1");
});

test("bf16 by default on a GPU; tf32 needs one", () => {
  expect(resolvePrecision(undefined, "cuda:1")).toBe("bf16");
  expect(resolvePrecision("tf32", "cuda")).toBe("tf32");
  expect(() => resolvePrecision("tf32", "cpu")).toThrow(/needs --device cuda/);
});
