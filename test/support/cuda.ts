/** Whether there is a GPU to test on. Tests that need one are skipped, and say so, where there is none. */
import { describe } from "vitest";
import { engineInfo } from "../../src/torch/index.js";
import { enginePresent } from "./engine.js";

const info = enginePresent ? engineInfo() : undefined;

const missing = {
  gpu: info?.cuda ? undefined : "libtorch has no CUDA device here",
  kernels: info?.cudaKernels ? undefined : "the engine was built without nvcc",
};

/** The skipped suite's title says why. */
function describeWith(reason: string | undefined): (title: string, body: () => void) => void {
  return (title, body) => describe.skipIf(reason)(reason ? `${title} (skipped: ${reason})` : title, body);
}

export const describeCuda = describeWith(missing.gpu);
/** Of our own kernels. */
export const describeCudaKernels = describeWith(missing.gpu ?? missing.kernels);
