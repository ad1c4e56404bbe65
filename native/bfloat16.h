// bfloat16 as raw bits, in forms that compilers vectorize; and the attributes of vectorized loops.
#pragma once
#include <cstdint>
#include <cstring>

// One copy per instruction set, chosen at load; -ffp-contract=off keeps their results equal to the bit.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define FEWLABELS_VECTORIZED __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define FEWLABELS_VECTORIZED
#endif
#define FEWLABELS_INLINE inline __attribute__((always_inline))
// What the CPU's kernels and CUDA's share is compiled by the C++ compiler and by nvcc.
#if defined(__CUDACC__)
#define FEWLABELS_SHARED __host__ __device__ __forceinline__
#else
#define FEWLABELS_SHARED FEWLABELS_INLINE
#endif

namespace fewlabels {

FEWLABELS_SHARED float bf16_to_float(uint16_t bits) {
  const uint32_t wide = static_cast<uint32_t>(bits) << 16;
  float value;
  std::memcpy(&value, &wide, 4);
  return value;
}

FEWLABELS_SHARED uint16_t float_to_bf16(float value) {  // nearest, ties to even; NaN stays NaN
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  const uint32_t rounded = (bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16;
  return static_cast<uint16_t>(value != value ? 0x7FC0u : rounded);
}

// An element in memory (float, or bfloat16 as uint16_t) to and from the float that is computed with.
FEWLABELS_SHARED float load(float value) { return value; }
FEWLABELS_SHARED float load(uint16_t bits) { return bf16_to_float(bits); }
FEWLABELS_SHARED void store(float* to, float value) { *to = value; }
FEWLABELS_SHARED void store(uint16_t* to, float value) { *to = float_to_bf16(value); }

}  // namespace fewlabels
