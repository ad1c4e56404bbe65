/** Whether there is a GPU to test on. Tests that need one are skipped, and say so, where there is none. */
import { describe } from "vitest";
import { engineInfo } from "../../src/torch/index.js";
import { enginePresent } from "./engine.js";

const info = enginePresent ? engineInfo() : undefined;

if (!info?.cuda) console.warn("skipping tests of the GPU: libtorch has no CUDA device here");
else if (!info.cudaKernels) console.warn("the engine has no CUDA kernels of its own: built without nvcc");

export const describeCuda = describe.skipIf(!info?.cuda);
/** Of our own kernels. */
export const describeCudaKernels = describe.skipIf(!info?.cuda || !info.cudaKernels);
