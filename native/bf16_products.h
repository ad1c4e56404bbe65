// Sums of products of matrices in bfloat16: by AMX's tiles, or where there are none by AVX-512's dot products of pairs, from the same orders.
#pragma once
#include "amx_tiles.h"

#include <cstring>
#include <utility>

namespace fewlabels::bf16 {

// The four sums at `to` (store_sums says where; row in bytes) become, or grow by, the products of `steps` tiles.
FEWLABELS_AMX inline void dot_products(Operand a, Operand b, int64_t steps, bool add, float* to, int64_t row, int64_t right, int64_t below) {
  constexpr int64_t kRows = 8;  // whose sums fit the registers, two vectors each
  row /= sizeof(float);
  for (int64_t first = 0; first < 2 * kSide; first += kRows) {
    float* sums = to + first / kSide * below + first % kSide * row;
    __m512 c[kRows][2];
#pragma GCC unroll 8
    for (int64_t r = 0; r < kRows; r++) {
      c[r][0] = add ? _mm512_loadu_ps(sums + r * row) : _mm512_setzero_ps();
      c[r][1] = add ? _mm512_loadu_ps(sums + r * row + right) : _mm512_setzero_ps();
    }
    const uint16_t* rows = (first < kSide ? a.first : a.second) + first % kSide * kDeep;
    const uint16_t *left = b.first, *other = b.second;
    for (int64_t step = 0; step < steps; step++, rows += a.step, left += b.step, other += b.step)
      for (int64_t pair = 0; pair < kSide; pair++) {
        const auto low = (__m512bh)_mm512_loadu_si512(left + pair * kDeep), high = (__m512bh)_mm512_loadu_si512(other + pair * kDeep);
#pragma GCC unroll 8
        for (int64_t r = 0; r < kRows; r++) {
          int32_t both;
          std::memcpy(&both, rows + r * kDeep + 2 * pair, sizeof both);
          const auto x = (__m512bh)_mm512_set1_epi32(both);
          c[r][0] = _mm512_dpbf16_ps(c[r][0], x, low);
          c[r][1] = _mm512_dpbf16_ps(c[r][1], x, high);
        }
      }
#pragma GCC unroll 8
    for (int64_t r = 0; r < kRows; r++) {
      _mm512_storeu_ps(sums + r * row, c[r][0]);
      _mm512_storeu_ps(sums + r * row + right, c[r][1]);
    }
  }
}

// The four sums at `to` begin with, or grow by, what each(add) tells with add(a, b, steps). Ahead: as in add_products.
template <int64_t Ahead = 0, typename Each>
FEWLABELS_AMX FEWLABELS_INLINE void sum_products(const TilesInUse& tiles, bool begin, float* to, int64_t row, int64_t right, int64_t below, const Each& each) {
  if (!tiles.wanted) return each([&](Operand a, Operand b, int64_t steps) FEWLABELS_AMX { dot_products(a, b, steps, !std::exchange(begin, false), to, row, right, below); });
  if (begin) clear_sums();
  else load_sums(to, row, right, below);
  each([&](Operand a, Operand b, int64_t steps) FEWLABELS_AMX { add_products<Ahead>(a, b, steps); });
  store_sums(to, row, right, below);
}

}  // namespace fewlabels::bf16
