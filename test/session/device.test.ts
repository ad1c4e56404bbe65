import { expect, test } from "vitest";
import { machineShare } from "../../src/config/cores.js";
import { deviceToSave, hardwareOfUse, resolveDevice, resolvePrecision } from "../../src/session/device.js";

const engine = (cuda: number, cudaBuild = true) => ({
  libtorch: "2.11.0",
  cuda,
  cudaBuild,
  cudaKernels: cudaBuild,
  capability: "AVX2",
  winograd: true,
  amx: false,
  dots: false,
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
  expect(resolveDevice("auto", { engine: engine(0) })).toBe("cpu");
  expect(resolveDevice("auto", { engine: engine(2) })).toBe("cuda");
  expect(resolveDevice("cpu", { engine: engine(2) })).toBe("cpu");
});

test("a GPU is named by its number, and one that is not there is refused", () => {
  expect(resolveDevice("cuda:1", { engine: engine(2) })).toBe("cuda:1");
  expect(() => resolveDevice("cuda:2", { engine: engine(2) })).toThrow(/cuda:0 \.\. cuda:1.*"cuda:2"/);
  expect(() => resolveDevice("cuda", { engine: engine(0) })).toThrow(/sees no device.*nvidia-smi/);
  expect(() => resolveDevice("cuda", { engine: engine(0, false) })).toThrow(/built without CUDA/);
});

test("processes of one machine take a GPU each; more processes than GPUs share them", () => {
  expect([0, 1, 2, 3].map((rank) => resolveDevice("cuda", { engine: engine(2), place: place(rank, 4) }))).toEqual([
    "cuda:0",
    "cuda:1",
    "cuda:0",
    "cuda:1",
  ]);
  expect(resolveDevice("auto", { engine: engine(1), place: place(1, 2) })).toBe("cuda");
  expect(resolveDevice("cuda:1", { engine: engine(2), place: place(0, 2) })).toBe("cuda:1");
});

test("a run that goes on takes a GPU for each process again, whatever process 0 had", () => {
  const goingOn = (saved: string, at: ReturnType<typeof place>) =>
    machineShare({ device: saved as "auto", threads: 1 }, at).device;
  const first = resolveDevice("auto", { engine: engine(4), place: place(0, 4) });
  for (const saved of [deviceToSave("auto", first), first]) {
    const found = [0, 1, 2, 3].map((rank) => {
      return resolveDevice(goingOn(saved, place(rank, 4)), { engine: engine(4), place: place(rank, 4) });
    });
    expect(found).toEqual(["cuda:0", "cuda:1", "cuda:2", "cuda:3"]);
  }
  expect(deviceToSave("auto", "cpu")).toBe("cpu");
  expect(deviceToSave("cuda:1", "cuda:1")).toBe("cuda:1");
  expect(goingOn("cuda:1", place(0, 1))).toBe("cuda:1");
});

test("bf16 by default on a GPU; tf32 needs one", () => {
  expect(resolvePrecision(undefined, "cuda:1")).toBe("bf16");
  expect(resolvePrecision("tf32", "cuda")).toBe("tf32");
  expect(() => resolvePrecision("tf32", "cpu")).toThrow(/needs --device cuda/);
});

test("a run of a GPU is used on a machine without one, and continued there on demand", () => {
  expect(hardwareOfUse({ device: "cuda:1", precision: "tf32" })).toEqual({ device: "auto", precision: "fp32" });
  expect(hardwareOfUse({ device: "cuda", precision: "bf16" }, "cpu")).toEqual({ device: "cpu", precision: "bf16" });
  expect(hardwareOfUse({ device: "cpu", precision: undefined })).toEqual({ device: "cpu", precision: undefined });
  expect(() => resolveDevice("cuda", { engine: engine(0), resume: "runs/a" })).toThrow(
    /--device cpu continues it here/,
  );
  expect(resolvePrecision("tf32", "cpu", { resume: "runs/a" })).toBe("fp32");
});
