// Batch norm's loops by bfloat16's instructions of AVX-512: what kernels_norm_rows.cc computes, to the bit. Rounding with them takes a quarter of the instructions,
// and a channel's numbers are read once for several rows.
#include "norm_rows.h"

#include <algorithm>
#include <type_traits>

#if defined(__x86_64__)
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // GCC 12 says so of its own intrinsics
#endif
#include <immintrin.h>

#define FEWLABELS_BF16 __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16")))
#define FEWLABELS_BF16_INLINE FEWLABELS_BF16 inline __attribute__((always_inline))

namespace fewlabels::norm::bf16 {
namespace {

constexpr int64_t kWide = 32;  // channels at a time
constexpr int64_t kHalf = 16;

FEWLABELS_BF16_INLINE __m512 wide(const uint16_t* from) {
  return (__m512)_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from))), 16);
}
FEWLABELS_BF16_INLINE void round(__m512 low, __m512 high, uint16_t* to) { _mm512_storeu_si512(to, (__m512i)_mm512_cvtne2ps_pbh(high, low)); }

// What the loops read of 16 channels.
struct Sixteen {
  __m512 mean, scale, bias, slope;
  FEWLABELS_BF16_INLINE Sixteen(const Channels& k, int64_t c)
      : mean(_mm512_loadu_ps(k.mean + c)), scale(_mm512_loadu_ps(k.scale + c)), bias(_mm512_loadu_ps(k.bias + c)), slope(_mm512_set1_ps(k.slope)) {}
  FEWLABELS_BF16_INLINE __m512 centered(const uint16_t* x) const { return wide(x) - mean; }
  FEWLABELS_BF16_INLINE __mmask16 negative(__m512 z) const { return _mm512_cmp_ps_mask(z, _mm512_setzero_ps(), _CMP_NGT_UQ); }
  FEWLABELS_BF16_INLINE __m512 normalized(const uint16_t* x) const {
    const __m512 z = centered(x) * scale + bias;
    return _mm512_mask_mul_ps(z, negative(z), z, slope);
  }
  // The gradient before the leaky ReLU.
  FEWLABELS_BF16_INLINE __m512 before(const uint16_t* grad, __m512 a) const {
    const __m512 g = wide(grad);
    return _mm512_mask_mul_ps(g, negative(a * scale + bias), g, slope);
  }
};

// body(first row, rows): as many rows at a time as At, then one by one.
template <int64_t At, typename Body>
FEWLABELS_BF16_INLINE void in_groups(int64_t rows, const Body& body) {
  int64_t r = 0;
  for (; r + At <= rows; r += At) body(r, std::integral_constant<int64_t, At>());
  for (; r < rows; r++) body(r, std::integral_constant<int64_t, 1>());
}

// out = value(16 channels, where their elements are, which they are), rounded.
template <typename Value>
FEWLABELS_BF16_INLINE void write_rows(uint16_t* out, int64_t rows, const Channels& k, const Value& value) {
  in_groups<4>(rows, [&](int64_t r, auto count) FEWLABELS_BF16 {
    for (int64_t c = 0; c < k.count; c += kWide) {
      const Sixteen low(k, c), high(k, c + kHalf);
#pragma GCC unroll 4
      for (int64_t i = 0; i < count; i++) {
        const int64_t at = (r + i) * k.count + c;
        round(value(low, at, c), value(high, at + kHalf, c + kHalf), out + at);
      }
    }
  });
}

FEWLABELS_BF16_INLINE void add(float* to, __m512 value) { _mm512_storeu_ps(to, _mm512_loadu_ps(to) + value); }

}  // namespace

bool serves(int64_t channels) {
  static const bool here = __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
  return here && channels % kWide == 0;
}

FEWLABELS_BF16 void sums(const uint16_t* x, int64_t rows, int64_t channels, float* shift, float* sum, float* square) {
  const int64_t first = std::min(rows, kShiftRows);
  const __m512 share = _mm512_set1_ps(1.0f / static_cast<float>(first));
  for (int64_t c = 0; c < channels; c += kHalf) {
    __m512 start = _mm512_setzero_ps();
    for (int64_t r = 0; r < first; r++) start += wide(x + r * channels + c);
    _mm512_storeu_ps(shift + c, start * share);
    _mm512_storeu_ps(sum + c, _mm512_setzero_ps());
    _mm512_storeu_ps(square + c, _mm512_setzero_ps());
  }
  in_groups<4>(rows, [&](int64_t r, auto count) FEWLABELS_BF16 {
    const uint16_t* row = x + r * channels;
    for (int64_t c = 0; c < channels; c += kHalf) {
      const __m512 off = _mm512_loadu_ps(shift + c), a = wide(row + c) - off;
      if constexpr (count == 1) {
        add(sum + c, a);
        add(square + c, a * a);
      } else {
        const __m512 b = wide(row + channels + c) - off, d = wide(row + 2 * channels + c) - off, e = wide(row + 3 * channels + c) - off;
        add(sum + c, (a + b) + (d + e));
        add(square + c, (a * a + b * b) + (d * d + e * e));
      }
    }
  });
}

FEWLABELS_BF16 void normalize(const uint16_t* x, uint16_t* y, int64_t rows, const Channels& k) {
  write_rows(y, rows, k, [&](const Sixteen& here, int64_t at, int64_t) FEWLABELS_BF16 { return here.normalized(x + at); });
}

FEWLABELS_BF16 void gradient_sums(const uint16_t* x, const uint16_t* grad, int64_t rows, const Channels& k, float* sum, float* product) {
  std::fill_n(sum, k.count, 0.0f);
  std::fill_n(product, k.count, 0.0f);
  in_groups<2>(rows, [&](int64_t r, auto count) FEWLABELS_BF16 {
    for (int64_t c = 0; c < k.count; c += kHalf) {
      const int64_t at = r * k.count + c;
      const Sixteen here(k, c);
      const __m512 a = here.centered(x + at), g = here.before(grad + at, a);
      if constexpr (count == 1) {
        add(sum + c, g);
        add(product + c, g * a);
      } else {
        const __m512 b = here.centered(x + at + k.count), h = here.before(grad + at + k.count, b);
        add(sum + c, g + h);
        add(product + c, g * a + h * b);
      }
    }
  });
}

FEWLABELS_BF16 void gradients(const uint16_t* x, const uint16_t* grad, uint16_t* out, int64_t rows, const Channels& k, const float* level, const float* tilt) {
  write_rows(out, rows, k, [&](const Sixteen& here, int64_t at, int64_t c) FEWLABELS_BF16 {
    const __m512 a = here.centered(x + at), g = here.before(grad + at, a);
    return g * here.scale - _mm512_loadu_ps(level + c) - a * _mm512_loadu_ps(tilt + c);
  });
}

}  // namespace fewlabels::norm::bf16

#else

namespace fewlabels::norm::bf16 {
bool serves(int64_t) { return false; }
void sums(const uint16_t*, int64_t, int64_t, float*, float*, float*) {}
void normalize(const uint16_t*, uint16_t*, int64_t, const Channels&) {}
void gradient_sums(const uint16_t*, const uint16_t*, int64_t, const Channels&, float*, float*) {}
void gradients(const uint16_t*, const uint16_t*, uint16_t*, int64_t, const Channels&, const float*, const float*) {}
}  // namespace fewlabels::norm::bf16

#endif
