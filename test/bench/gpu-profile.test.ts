/** What bench/gpu-profile.mjs makes of a trace, and where it looks for CUPTI. The trace itself needs a GPU. */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { findCupti } from "../../bench/cupti.mjs";
import { kindOf, lastSteps, profileOf, readTrace, shortName, tables } from "../../bench/gpu-kernels.mjs";
import { temporaryFolder } from "../setup/helpers.js";

const names = [
  "sm90_xmma_fprop_implicit_gemm_bf16bf16_bf16f32_f32_nhwckrsc_nhwc_tilesize128x128x64",
  "fewlabels::cuda::(anonymous namespace)::gather_pixels(fewlabels::cuda::Gather)",
  "void at::native::vectorized_elementwise_kernel<4, at::native::CUDAFunctor_add<float>, std::array<char*, 3ul> >(int)",
  "memcpy, device to host",
];
const us = 1000;

/** 20 slow steps, 40 of 1,000 us, then saving. In a step: two convolutions, beside the second a kernel of ours, an addition. */
function made(): { names: string[]; records: number[] } {
  const records: number[] = [];
  const step = (at: number) => {
    records.push(0, at, 300 * us, 0, at + 300 * us, 200 * us, 1, at + 400 * us, 200 * us, 2, at + 700 * us, 50 * us);
  };
  for (let i = 0; i < 20; i++) step(i * 7000 * us);
  for (let i = 0; i < 40; i++) step((140_000 + i * 1000) * us);
  for (let i = 0; i < 9; i++) records.push(3, (500_000 + i * 10_000) * us, 5 * us);
  return { names, records };
}

describe("a trace", () => {
  it("is whole steps of its end, whatever came before and after", () => {
    const kernels = readTrace(made());
    // The clock of the run may be off a little.
    const part = lastSteps(kernels, 20, 1.04);
    expect(part.steps).toBe(20);
    const profile = profileOf(kernels, part);
    expect(profile).toMatchObject({ steps: 20, span: 1000, calls: 4, kernelTime: 750 });
    expect(profile.busy).toBeCloseTo(300 + 300 + 50, 9);
    expect(profile.kinds.map(({ name, calls, microseconds }) => [name, calls, microseconds])).toEqual([
      ["convolution, GEMM", 2, 500],
      ["ours", 1, 200],
      ["elementwise", 1, 50],
    ]);
    expect(profile.kernels.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 12);
    expect(tables(profile, 1).slice(-2)).toEqual([
      `| ${names[0]} | convolution, GEMM | 2.0 | 500.0 | 66.7 % |`,
      "| 2 others | | 2.0 | 250.0 | 33.3 % |",
    ]);
  });

  it("is refused where it holds nothing or fewer steps", () => {
    expect(() => lastSteps([], 10, 1)).toThrow(/no kernel was recorded/);
    expect(() => lastSteps(readTrace({ names, records: [0, 0, 5] }), 10, 1)).toThrow(/fewer than 10 steps/);
    expect(() => lastSteps(readTrace(made()), 1000, 1)).toThrow(/fewer than 1000 steps/);
  });
});

it("a name loses what all such names have", () => {
  expect(names.map((name) => shortName(name))).toEqual([
    names[0],
    "fewlabels::gather_pixels",
    "vectorized_elementwise_kernel<CUDAFunctor_add<float>>",
    names[3],
  ]);
  const lambda =
    "void at::native::elementwise_kernel<128, 4, at::native::gpu_kernel_impl_nocast<at::native::(anonymous namespace)::" +
    "where_kernel_impl(at::TensorIterator&)::{lambda()#1}::operator()() const::{lambda(bool)#7}::operator()(bool) const::" +
    "{lambda(c10::BFloat16, c10::BFloat16)#1}>(at::TensorIteratorBase&)::{lambda(int)#1}>(int, int)";
  expect(shortName(lambda)).toBe("elementwise_kernel<where_kernel_impl:BFloat16>");
  expect(shortName("x".repeat(100))).toBe(`${"x".repeat(89)}…`);
});

it.each([
  ["cudnn::bn_fw_tr_1C11_kernel_NCHW<float>", "batch norm"],
  ["at::native::batch_norm_backward_reduce_channels_last_kernel<4>", "batch norm"],
  ["triton_red_fused__native_batch_norm_legit_functional_3", "batch norm"],
  ["triton_poi_fused_convolution_backward_leaky_relu_7", "elementwise"],
  ["triton_per_fused_convolution_mean_2", "reduction"],
  ["nvjet_hsh_64x32_64x16_1x2_h_bz_NNT", "convolution, GEMM"],
  ["cutlass__5x_cudnn::Kernel<cutlass_tensorop_bf16_s16816wgrad>", "convolution, GEMM"],
  ["at::native::max_pool_backward_nhwc<float>", "pooling"],
  ["at::native::multi_tensor_apply_kernel<FusedAdamMathFunctor>", "lists of tensors"],
  ["cudnn::ops::nchwToNhwcKernel<float>", "copies"],
  ["at::native::unrolled_elementwise_kernel<at::native::direct_copy_kernel_cuda>", "copies"],
  ["at::native::reduce_kernel<512, 1, ReduceOp<float>>", "reduction"],
  ["something_else", "rest"],
])("%s is of the kind %s", (name, kind) => {
  expect(kindOf(name)).toBe(kind);
});

describe("findCupti", () => {
  const files = (root: string, paths: string[]) => {
    for (const path of paths) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), "");
    }
    return root;
  };

  it("takes Python's packages of CUDA 13 and 12, and headers that they lack from the toolkit", () => {
    const env = { PATH: "", CUDA_HOME: files(temporaryFolder(), ["include/cuda.h", "include/crt/host_config.h"]) };
    const cu13 = files(temporaryFolder(), ["cu13/include/cupti.h", "cu13/lib/libcupti.so.13"]);
    const found = findCupti([cu13], env);
    expect(found).toMatchObject({ folder: join(cu13, "cu13/lib"), library: "libcupti.so.13" });
    expect(found?.includes.slice(0, 2)).toEqual([join(cu13, "cu13/include"), join(env.CUDA_HOME, "include")]);
    const cu12 = files(temporaryFolder(), ["cuda_cupti/include/cupti.h", "cuda_cupti/lib/libcupti.so.12"]);
    expect(findCupti([cu12], env)).toMatchObject({ folder: join(cu12, "cuda_cupti/lib"), library: "libcupti.so.12" });
  });

  it("takes a toolkit, whose CUPTI is a part of its own", () => {
    const root = files(temporaryFolder(), ["extras/CUPTI/include/cupti.h", "extras/CUPTI/lib64/libcupti.so"]);
    expect(findCupti([], { PATH: "", CUDA_HOME: root })).toMatchObject({ folder: join(root, "extras/CUPTI/lib64") });
  });
});
