// Products of matrices in bfloat16 by AMX, and the orders in which it wants them. A tile is 16 rows of 64 bytes that lie one behind the other in memory.
//   c [16][16 floats] += a [16][32 bfloat16] b [16 pairs][16][2]
// where b's rows hold what is multiplied by two neighbors of a row of a. Rounds to nearest even; denormals count as 0, as in oneDNN's kernels for it.
#pragma once
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // GCC 12 says so of its own intrinsics
#endif
#include "bfloat16.h"

#include <immintrin.h>

#include <cstdint>

// Also of functions that only move numbers, and then run without AMX.
#define FEWLABELS_AMX __attribute__((target("amx-tile,amx-bf16,avx512f,avx512bw,avx512vl,avx512dq,avx512bf16")))

namespace fewlabels::bf16 {

constexpr int64_t kSide = 16;    // rows of a tile, and columns of a result
constexpr int64_t kDeep = 32;    // products that one instruction sums: channels or positions
constexpr int64_t kTile = 512;   // bfloat16 of a tile (1 KB)
constexpr int64_t kSums = 256;   // floats of one

// The compiler does not know what the instructions read and write.
FEWLABELS_AMX inline void memory_is_written() { asm volatile("" ::: "memory"); }

// This thread's eight tiles, all of full size, for as long as it lives; none where `wanted` is false.
struct TilesInUse {
  const bool wanted;
  FEWLABELS_AMX explicit TilesInUse(bool wanted) : wanted(wanted) {
    if (!wanted) return;
    struct alignas(64) {
      uint8_t palette = 1, start_row = 0, reserved[14] = {};
      uint16_t bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
      uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
    } configuration;
    asm volatile("" ::"r"(&configuration) : "memory");
    _tile_loadconfig(&configuration);
  }
  FEWLABELS_AMX ~TilesInUse() {
    if (wanted) _tile_release();
  }
  TilesInUse(const TilesInUse&) = delete;
};

// Two tiles of an operand, and how far behind them the next two lie, in elements.
struct Operand {
  const uint16_t *first, *second;
  int64_t step;
};

FEWLABELS_AMX FEWLABELS_INLINE void fetch_tile(const uint16_t* from) {
#pragma GCC unroll 16
  for (int64_t row = 0; row < kSide; row++) _mm_prefetch(reinterpret_cast<const char*>(from + row * kDeep), _MM_HINT_T0);
}

FEWLABELS_AMX FEWLABELS_INLINE void clear_sums() {
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
}

// Four sums (each of a's tiles with each of b's) grow by the products of `steps` tiles. Ahead: how far behind a's tiles, in elements, those lie that will be asked
// for soon and come from the second-level cache; 0 where a is in the first.
template <int64_t Ahead = 0>
FEWLABELS_AMX FEWLABELS_INLINE void add_products(Operand a, Operand b, int64_t steps) {
  for (int64_t i = 0; i < steps; i++, a.first += a.step, a.second += a.step, b.first += b.step, b.second += b.step) {
    _tile_loadd(4, a.first, 64);
    _tile_loadd(6, b.first, 64);
    _tile_loadd(7, b.second, 64);
    _tile_loadd(5, a.second, 64);
    _tile_dpbf16ps(0, 4, 6);
    if (Ahead) fetch_tile(a.first + Ahead);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    if (Ahead) fetch_tile(a.second + Ahead);
    _tile_dpbf16ps(3, 5, 7);
  }
}

// Where the four sums lie in memory: rows of a's tiles, `row` bytes apart; b's second tile at `right`, a's at `below`, floats behind the first.
FEWLABELS_AMX FEWLABELS_INLINE void load_sums(const float* from, int64_t row, int64_t right, int64_t below) {
  _tile_loadd(0, from, row);
  _tile_loadd(1, from + right, row);
  _tile_loadd(2, from + below, row);
  _tile_loadd(3, from + below + right, row);
}
FEWLABELS_AMX FEWLABELS_INLINE void store_sums(float* to, int64_t row, int64_t right, int64_t below) {
  _tile_stored(0, to, row);
  _tile_stored(1, to + right, row);
  _tile_stored(2, to + below, row);
  _tile_stored(3, to + below + right, row);
  memory_is_written();
}

// 32 floats as bfloat16.
FEWLABELS_AMX FEWLABELS_INLINE void round_row(const float* from, uint16_t* to) {
  _mm512_storeu_si512(to, (__m512i)_mm512_cvtne2ps_pbh(_mm512_loadu_ps(from + kSide), _mm512_loadu_ps(from)));
}

// 16 pairs of a low and a high half, in that order.
FEWLABELS_AMX FEWLABELS_INLINE __m512i pair_halves(__m512i halves) {
  alignas(64) static constexpr uint16_t order[kDeep] = {0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
  return _mm512_permutexvar_epi16(_mm512_load_si512(order), halves);
}

// 16 pairs of what two rows of bfloat16 have in one column; null rows are 0.
FEWLABELS_AMX FEWLABELS_INLINE __m512i pair_rows(const uint16_t* first, const uint16_t* second) {
  const __m512i low = first ? _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(first))) : _mm512_setzero_si512();
  const __m512i high = second ? _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(second))) : _mm512_setzero_si512();
  return _mm512_or_si512(low, _mm512_slli_epi32(high, 16));
}

// 16 x 16 pairs, rows to columns.
FEWLABELS_AMX FEWLABELS_INLINE void store_transposed(__m512i (&r)[kSide], uint16_t* to) {
  __m512i t[kSide];
#pragma GCC unroll 8
  for (int i = 0; i < 8; i++) {
    t[2 * i] = _mm512_unpacklo_epi32(r[2 * i], r[2 * i + 1]);
    t[2 * i + 1] = _mm512_unpackhi_epi32(r[2 * i], r[2 * i + 1]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 16; i += 4) {
    r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
    r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
    r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
    r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
  // r[4 i + j] holds, in its four quarters, columns j, j + 4, j + 8, j + 12 of rows 4 i to 4 i + 3
#pragma GCC unroll 4
  for (int j = 0; j < 4; j++) {
    const __m512i a = _mm512_shuffle_i32x4(r[j], r[4 + j], 0x88), b = _mm512_shuffle_i32x4(r[8 + j], r[12 + j], 0x88);
    const __m512i c = _mm512_shuffle_i32x4(r[j], r[4 + j], 0xdd), d = _mm512_shuffle_i32x4(r[8 + j], r[12 + j], 0xdd);
    t[j] = _mm512_shuffle_i32x4(a, b, 0x88);
    t[8 + j] = _mm512_shuffle_i32x4(a, b, 0xdd);
    t[4 + j] = _mm512_shuffle_i32x4(c, d, 0x88);
    t[12 + j] = _mm512_shuffle_i32x4(c, d, 0xdd);
  }
#pragma GCC unroll 16
  for (int i = 0; i < kSide; i++) _mm512_store_si512(to + i * kDeep, t[i]);
}

}  // namespace fewlabels::bf16
