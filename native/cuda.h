// What CUDA does in place of the CPU's kernels, where a compiler for it was there (scripts/setup/cuda.mjs). kernels_cuda.cu behind
// it sees plain pointers on the device and no libtorch, so that nvcc of any version compiles it in seconds.
#pragma once
#include "draws.h"

#include <cstddef>
#include <stdexcept>
#include <string>

#ifndef FEWLABELS_CUDA_KERNELS
#define FEWLABELS_CUDA_KERNELS 0
#endif

namespace fewlabels::cuda {

// Rows that several processes share: row j here is row j * size + rank of all; `length` elements each. size 1: all are here.
struct Rows {
  int64_t length, rank, size;
};

struct Gather {
  const void* images;  // [N, C, H, W] bytes or floats
  bool bytes;
  int64_t rows, channels, height, width;
  const int32_t* moves;  // [rows, 4]: image, dy, dx, flip
  const float *scale, *offset;
  bool per_image;
  float* out;  // [rows, H, W, C]
};

// Throws what a call of those below says is wrong.
inline void check(const char* problem) {
  if (problem) throw std::runtime_error(std::string("CUDA: ") + problem);
}

// Each launches on `stream` and returns what CUDA says is wrong, or null.
const char* mask(const void* in, void* out, bool bf16, int64_t n, Draw draw, uint32_t threshold, float scale, Rows rows, void* stream);
const char* normal(const float* in, float* out, int64_t n, Draw draw, float mean, float std, Rows rows, void* stream);
const char* uniform(float* out, int64_t n, Draw draw, float low, float high, Rows rows, void* stream);
const char* gather(const Gather& task, void* stream);

// Of many tensors at once, with the number s on the device: a *= s; a += s; a += s b; a += s b c; a += s b / c.
enum class Multi { scale, shift, add, addcmul, addcdiv };
struct MultiRow {
  float* a;
  const float *b, *c;
  int64_t n;
};
const char* multi(Multi what, const MultiRow* rows, int count, const float* s, void* stream);

// Bytes of the calling thread's device.
const char* memory(size_t* free, size_t* total);

// Bytes of it that libtorch has taken for this process, in use or kept for later (cuda_stream.cc).
size_t held();

// The stream that libtorch works on, on this device (cuda_stream.cc); its current one for -1.
void* stream(int device);
// Gives the calling thread a stream other than the default one: what it is told can be captured.
void leave_default_stream(int device);

}  // namespace fewlabels::cuda
