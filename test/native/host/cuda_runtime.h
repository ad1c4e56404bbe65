// CUDA's blocks and threads on one thread of the processor, for tests of what kernels compute: one after the other, and all of a block meet
// at __syncthreads(). A launch is told as `launch_on_host(grid, block, kernel)` (kernels-on-host.test.ts rewrites the angle brackets).
#pragma once
#include <ucontext.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <vector>

#define __global__ static
#define __device__
#define __host__
#define __forceinline__ inline
#define __shared__ static
#define __launch_bounds__(...)

using std::sqrt;
using cudaStream_t = void*;
using cudaError_t = int;
constexpr int cudaSuccess = 0;
inline const char* cudaGetErrorString(cudaError_t) { return "never"; }
inline cudaError_t cudaGetLastError() { return cudaSuccess; }
inline cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  *free = *total = 0;
  return cudaSuccess;
}

struct dim3 {
  unsigned x, y, z;
  dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};
inline dim3 threadIdx, blockIdx, blockDim, gridDim;

namespace host {

struct Fiber {
  ucontext_t context;
  std::vector<char> stack;
  bool done;
};
inline ucontext_t scheduler;
inline std::vector<Fiber> fibers;
inline size_t current;
inline std::function<void()> body;

inline void run_fiber() {
  body();
  fibers[current].done = true;
}

inline void run_block() {
  const unsigned count = blockDim.x * blockDim.y;
  if (fibers.size() < count) fibers.resize(count);
  for (unsigned t = 0; t < count; t++) {
    Fiber& fiber = fibers[t];
    fiber.done = false;
    fiber.stack.resize(64 << 10);
    getcontext(&fiber.context);
    fiber.context.uc_stack.ss_sp = fiber.stack.data();
    fiber.context.uc_stack.ss_size = fiber.stack.size();
    fiber.context.uc_link = &scheduler;
    makecontext(&fiber.context, run_fiber, 0);
  }
  for (bool more = true; more;) {
    more = false;
    for (current = 0; current < count; current++) {
      if (fibers[current].done) continue;
      threadIdx = dim3(current % blockDim.x, current / blockDim.x);
      swapcontext(&scheduler, &fibers[current].context);
      more = more || !fibers[current].done;
    }
  }
}

}  // namespace host

inline void __syncthreads() { swapcontext(&host::fibers[host::current].context, &host::scheduler); }

template <typename Kernel>
void launch_on_host(dim3 grid, dim3 block, int, cudaStream_t, const Kernel& kernel) {
  gridDim = grid;
  blockDim = block;
  host::body = kernel;
  for (unsigned y = 0; y < grid.y; y++) {
    for (unsigned x = 0; x < grid.x; x++) {
      blockIdx = dim3(x, y);
      host::run_block();
    }
  }
}

inline float __uint_as_float(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, 4);
  return value;
}
inline float __fmaf_rn(float a, float b, float c) { return std::fma(a, b, c); }
