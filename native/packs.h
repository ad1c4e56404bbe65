// Elements of images on a GPU, 16 bytes at a time: V of them that lie side by side, as numbers to compute with and back.
#pragma once
#include "bfloat16.h"

#include <cuda_bf16.h>

namespace fewlabels::cuda {

template <typename T, int V>
struct alignas(sizeof(T) * V) Pack {
  T at[V];
};

template <typename T, int V>
__device__ __forceinline__ Pack<T, V> fetch(const T* from) {
  return *reinterpret_cast<const Pack<T, V>*>(from);
}

template <typename T, int V>
__device__ __forceinline__ void unpack(const Pack<T, V>& pack, float (&to)[V]) {
#pragma unroll
  for (int k = 0; k < V; k++) to[k] = load(pack.at[k]);
}
__device__ __forceinline__ void unpack(const Pack<uint16_t, 8>& pack, float (&to)[8]) {
  uint32_t pairs[4];
  std::memcpy(pairs, &pack, sizeof pairs);
#pragma unroll
  for (int k = 0; k < 4; k++) {
    to[2 * k] = __uint_as_float(pairs[k] << 16);
    to[2 * k + 1] = __uint_as_float(pairs[k] & 0xFFFF0000u);
  }
}

template <typename T, int V>
__device__ __forceinline__ void read(const T* from, float (&to)[V]) {
  unpack(fetch<T, V>(from), to);
}

template <typename T, int V>
__device__ __forceinline__ void write(T* to, const float (&from)[V]) {
  Pack<T, V> pack;
#pragma unroll
  for (int k = 0; k < V; k++) store(&pack.at[k], from[k]);
  *reinterpret_cast<Pack<T, V>*>(to) = pack;
}
// The processor's own rounding: to the nearest, as ours.
__device__ __forceinline__ void write(uint16_t* to, const float (&from)[8]) {
  Pack<uint32_t, 4> pack;
#pragma unroll
  for (int k = 0; k < 4; k++) {
    const auto pair = __floats2bfloat162_rn(from[2 * k], from[2 * k + 1]);
    std::memcpy(&pack.at[k], &pair, sizeof pair);
  }
  *reinterpret_cast<Pack<uint32_t, 4>*>(to) = pack;
}

FEWLABELS_SHARED bool aligned(const void* p) { return reinterpret_cast<uintptr_t>(p) % 16 == 0; }

// How many elements a pack has: as many as fill 16 bytes where rows of `channels` at a and b can be read so, else one.
inline int pack_width(bool bf16, int64_t channels, const void* a, const void* b) {
  const int wide = bf16 ? 8 : 4;
  return channels % wide == 0 && aligned(a) && aligned(b) ? wide : 1;
}

template <typename Type, int V>
struct Elements {
  using T = Type;
  static constexpr int width = V;
  static const T* of(const void* p) { return static_cast<const T*>(p); }
  static T* of(void* p) { return static_cast<T*>(p); }
};

// Calls body(Elements of that type and width).
template <typename Body>
void with_elements(bool bf16, int width, const Body& body) {
  if (bf16 && width == 8) body(Elements<uint16_t, 8>());
  else if (bf16) body(Elements<uint16_t, 1>());
  else if (width == 4) body(Elements<float, 4>());
  else body(Elements<float, 1>());
}

}  // namespace fewlabels::cuda
