// The one place that asks libtorch for its CUDA stream and memory: c10's headers for them want CUDA's own.
#include "cuda.h"

#if FEWLABELS_CUDA_KERNELS
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAStream.h>

namespace fewlabels::cuda {

void* stream(int device) { return c10::cuda::getCurrentCUDAStream(static_cast<c10::DeviceIndex>(device)).stream(); }

void leave_default_stream(int device) {
  const auto index = static_cast<c10::DeviceIndex>(device);
  if (c10::cuda::getCurrentCUDAStream(index) == c10::cuda::getDefaultCUDAStream(index))
    c10::cuda::setCurrentCUDAStream(c10::cuda::getStreamFromPool(/*isHighPriority=*/false, index));
}

size_t held() { return static_cast<size_t>(c10::cuda::CUDACachingAllocator::getDeviceStats(c10::cuda::current_device()).reserved_bytes[0].current); }

}  // namespace fewlabels::cuda
#endif
