// Random draws one at a time, and pixels mirrored at the ends: the arithmetic that the CPU's kernels and CUDA's share, so that
// both make the same bits (no fused multiply-add on either side). Compiled by the C++ compiler and by nvcc.
#pragma once
#include "bfloat16.h"

#include <cmath>

namespace fewlabels {

constexpr int kLanes = 16;
constexpr int64_t kMaskGroup = 8 * kLanes;    // 16-bit draws in 16 blocks
constexpr int64_t kNumberGroup = 4 * kLanes;  // 32-bit draws in 16 blocks

struct PhiloxKey {
  uint32_t k0, k1;
};

// What a draw begins with: the generator's key and its first block; or (`at`) where those three lie on the device that draws.
struct Draw {
  PhiloxKey key;
  uint64_t first;
  const int64_t* at = nullptr;
};

// Natural logarithm of a float in (0, 1]: exponent and the atanh series of the mantissa, error under 1e-7.
FEWLABELS_SHARED float log_unit(float u) {
  uint32_t bits;
  std::memcpy(&bits, &u, 4);
  const int32_t shifted = static_cast<int32_t>(bits) - 0x3F3504F3;  // mantissa in [sqrt(1/2), sqrt(2))
  const int32_t exponent = shifted >> 23;
  bits -= static_cast<uint32_t>(exponent) << 23;
  float m;
  std::memcpy(&m, &bits, 4);
  const float s = (m - 1.0f) / (m + 1.0f);
  const float s2 = s * s;
  const float series = 2.0f * s * (1.0f + s2 * (1.0f / 3 + s2 * (1.0f / 5 + s2 * (1.0f / 7 + s2 * (1.0f / 9)))));
  return static_cast<float>(exponent) * 0.69314718f + series;
}

// Two normals from two words (Box-Muller).
FEWLABELS_SHARED void box_muller(uint32_t a, uint32_t b, float& z0, float& z1) {
  const float u = static_cast<float>(static_cast<int32_t>(a >> 8) + 1) * 5.9604645e-8f;  // (0, 1], 24 bits
  const float radius = std::sqrt(-2.0f * log_unit(u));
  const float t = static_cast<float>(static_cast<int32_t>(b >> 8)) * 2.3841858e-7f;  // quarter turns, [0, 4)
  const int32_t quadrant = static_cast<int32_t>(t + 0.5f);
  const float r = (t - static_cast<float>(quadrant)) * 1.57079633f;
  const float r2 = r * r;
  const float sine = r * (1 + r2 * (-1.0f / 6 + r2 * (1.0f / 120 + r2 * (-1.0f / 5040 + r2 * (1.0f / 362880)))));
  const float cosine = 1 + r2 * (-0.5f + r2 * (1.0f / 24 + r2 * (-1.0f / 720 + r2 * (1.0f / 40320))));
  const bool odd = quadrant & 1;
  const float s = odd ? cosine : sine;
  const float c = odd ? sine : cosine;
  z0 = radius * (((quadrant + 1) & 2) ? -c : c);
  z1 = radius * ((quadrant & 2) ? -s : s);
}

// In [0, 1), 24 bits.
FEWLABELS_SHARED float unit_float(uint32_t word) { return static_cast<float>(word >> 8) * 5.9604645e-8f; }

// Position i of a line of n pixels, mirrored at the ends without repeating the end pixel.
FEWLABELS_SHARED int64_t reflect(int64_t i, int64_t n) {
  if (n == 1) return 0;
  const int64_t period = 2 * (n - 1);
  i %= period;
  if (i < 0) i += period;
  return i < n ? i : period - i;
}

}  // namespace fewlabels
