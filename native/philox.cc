// Philox4x32-10 with a block a lane. Its products are of 32 bits by 32; where compilers do not see that (GCC 12 takes AVX-512's slow product of 64 bits)
// the instruction for them is named: 35 instead of 95 ns for sixteen blocks.
#include "philox.h"

#if defined(__x86_64__)
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wuninitialized"  // GCC 12 says so of its own intrinsics
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>
#endif

namespace fewlabels {
namespace {

constexpr int kRounds = 10;
constexpr uint32_t kProduct0 = 0xD2511F53, kProduct1 = 0xCD9E8D57;  // what words 0 and 2 are multiplied by
constexpr uint32_t kStep0 = 0x9E3779B9, kStep1 = 0xBB67AE85;        // of the key, a round

FEWLABELS_VECTORIZED void by_compiler(PhiloxKey key, uint64_t first, uint32_t words[4][kLanes]) {
#pragma omp simd  // or the loops are unrolled before they can be vectorized
  for (int i = 0; i < kLanes; i++) {
    words[0][i] = static_cast<uint32_t>(first + i);
    words[1][i] = static_cast<uint32_t>((first + i) >> 32);
    words[2][i] = 0;
    words[3][i] = 0;
  }
  for (int round = 0; round < kRounds; round++, key.k0 += kStep0, key.k1 += kStep1) {
#pragma omp simd
    for (int i = 0; i < kLanes; i++) {
      const uint64_t p0 = uint64_t{kProduct0} * words[0][i];
      const uint64_t p1 = uint64_t{kProduct1} * words[2][i];
      const uint32_t c1 = words[1][i], c3 = words[3][i];
      words[0][i] = static_cast<uint32_t>(p1 >> 32) ^ c1 ^ key.k0;
      words[1][i] = static_cast<uint32_t>(p1);
      words[2][i] = static_cast<uint32_t>(p0 >> 32) ^ c3 ^ key.k1;
      words[3][i] = static_cast<uint32_t>(p0);
    }
  }
}

#if defined(__x86_64__)
// Eight blocks a vector, a word in the lower half of 64 bits; what is in the upper half does not count.
__attribute__((target("avx512f"))) void by_avx512(PhiloxKey key, uint64_t first, uint32_t words[4][kLanes]) {
  constexpr int kBlocks = 8, kVectors = kLanes / kBlocks;
  const __m512i product0 = _mm512_set1_epi64(kProduct0), product1 = _mm512_set1_epi64(kProduct1);
  __m512i w[4][kVectors];
  for (int i = 0; i < kVectors; i++) {
    w[0][i] = _mm512_add_epi64(_mm512_set1_epi64(static_cast<int64_t>(first) + i * kBlocks), _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7));
    w[1][i] = _mm512_srli_epi64(w[0][i], 32);
    w[2][i] = w[3][i] = _mm512_setzero_si512();
  }
  for (int round = 0; round < kRounds; round++, key.k0 += kStep0, key.k1 += kStep1) {
    const __m512i k0 = _mm512_set1_epi64(key.k0), k1 = _mm512_set1_epi64(key.k1);
#pragma GCC unroll 2
    for (int i = 0; i < kVectors; i++) {
      const __m512i p0 = _mm512_mul_epu32(w[0][i], product0), p1 = _mm512_mul_epu32(w[2][i], product1);
      w[0][i] = _mm512_srli_epi64(p1, 32) ^ w[1][i] ^ k0;
      w[1][i] = p1;
      w[2][i] = _mm512_srli_epi64(p0, 32) ^ w[3][i] ^ k1;
      w[3][i] = p0;
    }
  }
  for (int word = 0; word < 4; word++)
    for (int i = 0; i < kVectors; i++) _mm256_storeu_si256(reinterpret_cast<__m256i*>(words[word] + i * kBlocks), _mm512_cvtepi64_epi32(w[word][i]));
}
#endif

}  // namespace

void philox_lanes(PhiloxKey key, uint64_t first, uint32_t words[4][kLanes]) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f")) return by_avx512(key, first, words);
#endif
  by_compiler(key, first, words);
}

}  // namespace fewlabels
