// The one place that asks libtorch for a CUDA stream: c10's header for it wants CUDA's own.
#include "cuda.h"

#if FEWLABELS_CUDA_KERNELS
#include <c10/cuda/CUDAStream.h>

namespace fewlabels::cuda {

void* stream(int device) { return c10::cuda::getCurrentCUDAStream(static_cast<c10::DeviceIndex>(device)).stream(); }

}  // namespace fewlabels::cuda
#endif
