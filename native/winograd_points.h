// Winograd's F(2, 3) and F(4, 3) in one dimension, on vectors of neighboring channels: m neighboring outputs of three weights g over a window d of m + 2 inputs as
//   y = A' [(G g) * (B' d)]
// (Lavin & Gray, Fast Algorithms for Convolutional Neural Networks, 2016). The matrices follow from the points at which the polynomials are multiplied:
// 0, 1, -1 and infinity for two outputs; 0, +-sqrt(1/2), +-sqrt(2) and infinity for four. The usual 0, +-1, +-2 would lose a digit there; these keep the error within
// twice the direct sum's, since they lie closer to 1 and make matrices with small entries (docs/decisions/0039).
// A file that defines FEWLABELS_WIDE, the attribute of its functions, has vectors of 16 channels; else they are 8, with AVX2.
#pragma once
#include <cstdint>

#include <immintrin.h>

namespace fewlabels::winograd {

#ifdef FEWLABELS_WIDE
#define FEWLABELS_VECTORS FEWLABELS_WIDE
inline namespace wide {
using Floats = __m512;
constexpr int64_t kLanes = 16;
FEWLABELS_VECTORS inline Floats get(const float* from) { return _mm512_loadu_ps(from); }
FEWLABELS_VECTORS inline void put(float* to, Floats value) { _mm512_storeu_ps(to, value); }
FEWLABELS_VECTORS inline Floats times(float factor, Floats value) { return _mm512_set1_ps(factor) * value; }
#else
#define FEWLABELS_VECTORS __attribute__((target("avx2,fma")))
inline namespace narrow {
using Floats = __m256;
constexpr int64_t kLanes = 8;
FEWLABELS_VECTORS inline Floats get(const float* from) { return _mm256_loadu_ps(from); }
FEWLABELS_VECTORS inline void put(float* to, Floats value) { _mm256_storeu_ps(to, value); }
FEWLABELS_VECTORS inline Floats times(float factor, Floats value) { return _mm256_set1_ps(factor) * value; }
#endif

struct Two {
  static constexpr int kOutputs = 2, kWindow = 4;
  // B' d
  FEWLABELS_VECTORS static void window(const Floats* d, Floats* r) {
    r[0] = d[0] - d[2];
    r[1] = d[1] + d[2];
    r[2] = d[2] - d[1];
    r[3] = d[1] - d[3];
  }
  // A' m
  FEWLABELS_VECTORS static void results(const Floats* m, Floats* y) {
    y[0] = m[0] + m[1] + m[2];
    y[1] = m[1] - m[2] - m[3];
  }
  // A y, of y's gradient
  FEWLABELS_VECTORS static void gradients(const Floats* y, Floats* r) {
    r[0] = y[0];
    r[1] = y[0] + y[1];
    r[2] = y[0] - y[1];
    r[3] = Floats{} - y[1];
  }
  // G g
  FEWLABELS_VECTORS static void weights(const Floats* g, Floats* u) {
    u[0] = g[0];
    u[1] = times(0.5f, g[0] + g[1] + g[2]);
    u[2] = times(0.5f, g[0] - g[1] + g[2]);
    u[3] = g[2];
  }
  // G' u, of u's gradient
  FEWLABELS_VECTORS static void sums(const Floats* u, Floats* g) {
    g[0] = u[0] + times(0.5f, u[1] + u[2]);
    g[1] = times(0.5f, u[1] - u[2]);
    g[2] = times(0.5f, u[1] + u[2]) + u[3];
  }
};

struct Four {
  static constexpr int kOutputs = 4, kWindow = 6;
  static constexpr float kNear = 0.70710678118654752f, kFar = 1.41421356237309505f;  // the points; their squares are 1/2 and 2
  static constexpr float kNearWeight = -2.0f / 3.0f, kFarWeight = 1.0f / 6.0f;       // 1 / the product of a point's distances to the others
  // Values at the four points between 0 and infinity: what is even in the point, and what is odd.
  FEWLABELS_VECTORS static void at_points(Floats near_even, Floats near_odd, Floats far_even, Floats far_odd, Floats* r) {
    r[1] = near_even + near_odd;
    r[2] = near_even - near_odd;
    r[3] = far_even + far_odd;
    r[4] = far_even - far_odd;
  }
  FEWLABELS_VECTORS static void window(const Floats* d, Floats* r) {
    const Floats near_even = d[4] - times(2.0f, d[2]), near_odd = times(kNear, d[3] - times(2.0f, d[1]));
    const Floats far_even = d[4] - times(0.5f, d[2]), far_odd = times(kFar, d[3] - times(0.5f, d[1]));
    at_points(near_even, near_odd, far_even, far_odd, r);
    r[0] = d[0] + d[4] - times(2.5f, d[2]);
    r[5] = d[1] + d[5] - times(2.5f, d[3]);
  }
  FEWLABELS_VECTORS static void results(const Floats* m, Floats* y) {
    const Floats near_even = m[1] + m[2], near_odd = times(kNear, m[1] - m[2]);
    const Floats far_even = m[3] + m[4], far_odd = times(kFar, m[3] - m[4]);
    y[0] = m[0] + near_even + far_even;
    y[1] = near_odd + far_odd;
    y[2] = times(0.5f, near_even) + times(2.0f, far_even);
    y[3] = m[5] + times(0.5f, near_odd) + times(2.0f, far_odd);
  }
  FEWLABELS_VECTORS static void gradients(const Floats* y, Floats* r) {
    const Floats near_even = y[0] + times(0.5f, y[2]), near_odd = times(kNear, y[1] + times(0.5f, y[3]));
    const Floats far_even = y[0] + times(2.0f, y[2]), far_odd = times(kFar, y[1] + times(2.0f, y[3]));
    at_points(near_even, near_odd, far_even, far_odd, r);
    r[0] = y[0];
    r[5] = y[3];
  }
  FEWLABELS_VECTORS static void weights(const Floats* g, Floats* u) {
    const Floats near_even = times(kNearWeight, g[0] + times(0.5f, g[2])), near_odd = times(kNearWeight * kNear, g[1]);
    const Floats far_even = times(kFarWeight, g[0] + times(2.0f, g[2])), far_odd = times(kFarWeight * kFar, g[1]);
    at_points(near_even, near_odd, far_even, far_odd, u);
    u[0] = g[0];
    u[5] = g[2];
  }
  FEWLABELS_VECTORS static void sums(const Floats* u, Floats* g) {
    const Floats near_even = times(kNearWeight, u[1] + u[2]), far_even = times(kFarWeight, u[3] + u[4]);
    g[0] = u[0] + near_even + far_even;
    g[1] = times(kNearWeight * kNear, u[1] - u[2]) + times(kFarWeight * kFar, u[3] - u[4]);
    g[2] = u[5] + times(0.5f, near_even) + times(2.0f, far_even);
  }
};

// T d T' for a transform T of one dimension: down the columns, then along the rows. d comes from load(i, j), the result goes to store(i, j, value).
template <int From, int To, void (*T)(const Floats*, Floats*), typename Load, typename Store>
FEWLABELS_VECTORS inline void transform(const Load& load, const Store& store) {
  Floats half[To][From];
#pragma GCC unroll 6  // here and below: loops that the compiler leaves as they are would keep the values in memory
  for (int j = 0; j < From; j++) {
    Floats d[From], r[To];
#pragma GCC unroll 6
    for (int i = 0; i < From; i++) d[i] = load(i, j);
    T(d, r);
#pragma GCC unroll 6
    for (int i = 0; i < To; i++) half[i][j] = r[i];
  }
#pragma GCC unroll 6
  for (int i = 0; i < To; i++) {
    Floats r[To];
    T(half[i], r);
#pragma GCC unroll 6
    for (int j = 0; j < To; j++) store(i, j, r[j]);
  }
}

}  // namespace (of the vectors)
}  // namespace fewlabels::winograd
