// What every .cu file launches its kernels with.
#pragma once
#include <cuda_runtime.h>

#include <cstdint>

namespace fewlabels::cuda {

constexpr int kThreads = 256;

inline const char* problem(cudaError_t error) { return error == cudaSuccess ? nullptr : cudaGetErrorString(error); }

__device__ __forceinline__ int64_t thread_index() { return static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; }

}  // namespace fewlabels::cuda
