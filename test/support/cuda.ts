/** Whether there is a GPU to test on. Tests that need one are skipped, and say so, where there is none. */
import { describe } from "vitest";
import { engineInfo, transports } from "../../src/torch/index.js";
import { enginePresent } from "./engine.js";

const info = enginePresent ? engineInfo() : undefined;

const missing = {
  gpu: info?.cuda ? undefined : "libtorch has no CUDA device here",
  kernels: info?.cudaKernels ? undefined : "the engine was built without nvcc",
  nccl: enginePresent && transports().includes("nccl") ? undefined : "the engine was built without NCCL",
  second: (info?.cuda ?? 0) > 1 ? undefined : "there is one GPU",
  sharing: (info?.cuda ?? 0) > 1 || (enginePresent && transports().includes("gloo")),
};

/** The skipped suite's title says why. */
function describeWith(reason: string | undefined): (title: string, body: () => void) => void {
  return (title, body) => describe.skipIf(reason)(reason ? `${title} (skipped: ${reason})` : title, body);
}

export const describeCuda = describeWith(missing.gpu);
/** Of our own kernels. */
export const describeCudaKernels = describeWith(missing.gpu ?? missing.kernels);
/** Of messages between GPUs. */
export const describeNccl = describeWith(missing.gpu ?? missing.nccl);
/** Of two processes that have one GPU between them, and NCCL alone. */
export const describeSharedCard = describeWith(
  missing.gpu ?? missing.nccl ?? (missing.sharing ? "each has its own GPU, or Gloo carries their messages" : undefined),
);
/** Of several GPUs. */
export const describeTwoCards = describeWith(missing.gpu ?? missing.nccl ?? missing.second);
