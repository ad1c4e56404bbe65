import { expect, it } from "vitest";
import { blasAmong } from "../../src/cli/measure/loaded-blas.js";

const line = (path: string) => `7f1c00000000-7f1c00001000 r-xp 00000000 fe:00 260131                     ${path}\n`;

it.each([
  ["/usr/lib/x86_64-linux-gnu/openblas-openmp/libblas.so.3", "openblas-openmp"],
  ["/usr/lib/x86_64-linux-gnu/blas/libblas.so.3.12.1", "reference"],
  ["/home/a b/torch.libs/libopenblasp-r0-f3de.3.28.so", "openblasp-r0-f3de"],
  ["/opt/intel/lib/libmkl_rt.so.2", "mkl_rt"],
])("names %s", (path, name) => {
  const maps = line("/usr/bin/node") + line("/usr/lib/liblapack.so.3") + line(path) + line("[heap]");
  expect(blasAmong(maps)).toEqual({ name, path });
});

it("names none where libtorch has its own, or brings a part of a larger library", () => {
  expect(blasAmong(line("/opt/libtorch/lib/libtorch_cpu.so") + line("/opt/cuda/lib/libcublas.so.12"))).toBeUndefined();
});
