// Philox4x32-10 (Salmon et al., SC 2011), the counter-based generator of src/rng.ts, sixteen blocks at a time so that
// the compiler can keep one lane per block.
#pragma once
#include "draws.h"

namespace fewlabels {

// words[w][lane] = word w of block first + lane.
FEWLABELS_INLINE void philox_lanes(PhiloxKey key, uint64_t first, uint32_t words[4][kLanes]) {
  uint32_t k0 = key.k0, k1 = key.k1;
#pragma omp simd  // or the loops are unrolled before they can be vectorized
  for (int i = 0; i < kLanes; i++) {
    words[0][i] = static_cast<uint32_t>(first + i);
    words[1][i] = static_cast<uint32_t>((first + i) >> 32);
    words[2][i] = 0;
    words[3][i] = 0;
  }
  for (int round = 0; round < 10; round++) {
#pragma omp simd
    for (int i = 0; i < kLanes; i++) {
      const uint64_t p0 = 0xD2511F53ull * words[0][i];
      const uint64_t p1 = 0xCD9E8D57ull * words[2][i];
      const uint32_t c1 = words[1][i], c3 = words[3][i];
      words[0][i] = static_cast<uint32_t>(p1 >> 32) ^ c1 ^ k0;
      words[1][i] = static_cast<uint32_t>(p1);
      words[2][i] = static_cast<uint32_t>(p0 >> 32) ^ c3 ^ k1;
      words[3][i] = static_cast<uint32_t>(p0);
    }
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
}

}  // namespace fewlabels
