// Batch norm's loops as the compiler vectorizes them.
#include "bfloat16.h"
#include "norm_rows.h"

#include <algorithm>

namespace fewlabels::norm {
namespace {

// Four rows at a time spare the accumulators' loads and stores.
template <typename T>
FEWLABELS_INLINE void sum_rows(const T* __restrict x, int64_t rows, int64_t channels, float* __restrict shift,
                               float* __restrict sum, float* __restrict square) {
  for (int64_t c = 0; c < channels; c++) shift[c] = sum[c] = square[c] = 0;
  const int64_t first = std::min(rows, kShiftRows);
  for (int64_t r = 0; r < first; r++)
    for (int64_t c = 0; c < channels; c++) shift[c] += load(x[r * channels + c]);
  const float share = 1.0f / static_cast<float>(first);
  for (int64_t c = 0; c < channels; c++) shift[c] *= share;
  int64_t r = 0;
  for (; r + 4 <= rows; r += 4) {
    const T *x0 = x + r * channels, *x1 = x0 + channels, *x2 = x1 + channels, *x3 = x2 + channels;
    for (int64_t c = 0; c < channels; c++) {
      const float a = load(x0[c]) - shift[c], b = load(x1[c]) - shift[c];
      const float d = load(x2[c]) - shift[c], e = load(x3[c]) - shift[c];
      sum[c] += (a + b) + (d + e);
      square[c] += (a * a + b * b) + (d * d + e * e);
    }
  }
  for (; r < rows; r++)
    for (int64_t c = 0; c < channels; c++) {
      const float a = load(x[r * channels + c]) - shift[c];
      sum[c] += a;
      square[c] += a * a;
    }
}

template <typename T>
FEWLABELS_INLINE void normalize_rows(const T* x, T* y, int64_t rows, const Channels& k) {  // y may be x
  const float *__restrict mean = k.mean, *__restrict scale = k.scale, *__restrict bias = k.bias;
  const int64_t channels = k.count;
  const float slope = k.slope;
  for (int64_t r = 0; r < rows; r++)
#pragma omp simd
    for (int64_t c = 0; c < channels; c++) {
      const float z = (load(x[r * channels + c]) - mean[c]) * scale[c] + bias[c];
      store(&y[r * channels + c], z > 0 ? z : z * slope);
    }
}

// The gradient before the leaky ReLU; `centered` = x - mean.
FEWLABELS_INLINE float through_relu(float grad, float centered, float scale, float bias, float slope) {
  return centered * scale + bias > 0 ? grad : grad * slope;
}

template <typename T>
FEWLABELS_INLINE void sum_gradients(const T* __restrict x, const T* __restrict grad, int64_t rows, const Channels& k,
                                    float* __restrict sum, float* __restrict product) {
  const float *__restrict mean = k.mean, *__restrict scale = k.scale, *__restrict bias = k.bias;
  const int64_t channels = k.count;
  const float slope = k.slope;
  for (int64_t c = 0; c < channels; c++) sum[c] = product[c] = 0;
  int64_t r = 0;
  for (; r + 2 <= rows; r += 2) {
    const T *x0 = x + r * channels, *x1 = x0 + channels, *g0 = grad + r * channels, *g1 = g0 + channels;
    for (int64_t c = 0; c < channels; c++) {
      const float a = load(x0[c]) - mean[c], b = load(x1[c]) - mean[c];
      const float ga = through_relu(load(g0[c]), a, scale[c], bias[c], slope);
      const float gb = through_relu(load(g1[c]), b, scale[c], bias[c], slope);
      sum[c] += ga + gb;
      product[c] += ga * a + gb * b;
    }
  }
  for (; r < rows; r++)
    for (int64_t c = 0; c < channels; c++) {
      const float a = load(x[r * channels + c]) - mean[c];
      const float g = through_relu(load(grad[r * channels + c]), a, scale[c], bias[c], slope);
      sum[c] += g;
      product[c] += g * a;
    }
}

template <typename T>
FEWLABELS_INLINE void gradient_rows(const T* __restrict x, const T* __restrict grad, T* __restrict out, int64_t rows,
                                    const Channels& k, const float* __restrict level, const float* __restrict tilt) {
  const float *__restrict mean = k.mean, *__restrict scale = k.scale, *__restrict bias = k.bias;
  const int64_t channels = k.count;
  const float slope = k.slope;
  for (int64_t r = 0; r < rows; r++)
    for (int64_t c = 0; c < channels; c++) {
      const float a = load(x[r * channels + c]) - mean[c];
      const float g = through_relu(load(grad[r * channels + c]), a, scale[c], bias[c], slope);
      store(&out[r * channels + c], g * scale[c] - level[c] - a * tilt[c]);
    }
}

// Instruction sets are chosen per function, and not for templates.
#define FEWLABELS_LOOPS(T)                                                                                                                     \
  FEWLABELS_VECTORIZED void sums_of(const T* x, int64_t rows, int64_t channels, float* shift, float* sum, float* square) {                     \
    sum_rows(x, rows, channels, shift, sum, square);                                                                                           \
  }                                                                                                                                            \
  FEWLABELS_VECTORIZED void normalized(const T* x, T* y, int64_t rows, const Channels& k) { normalize_rows(x, y, rows, k); }                   \
  FEWLABELS_VECTORIZED void gradient_sums_of(const T* x, const T* grad, int64_t rows, const Channels& k, float* sum, float* product) {         \
    sum_gradients(x, grad, rows, k, sum, product);                                                                                             \
  }                                                                                                                                            \
  FEWLABELS_VECTORIZED void gradients_of(const T* x, const T* grad, T* out, int64_t rows, const Channels& k, const float* level, const float* tilt) { \
    gradient_rows(x, grad, out, rows, k, level, tilt);                                                                                         \
  }
FEWLABELS_LOOPS(float)
FEWLABELS_LOOPS(uint16_t)

}  // namespace

void sums(const float* x, int64_t rows, int64_t channels, float* shift, float* sum, float* square) { sums_of(x, rows, channels, shift, sum, square); }
void normalize(const float* x, float* y, int64_t rows, const Channels& k) { normalized(x, y, rows, k); }
void gradient_sums(const float* x, const float* grad, int64_t rows, const Channels& k, float* sum, float* product) { gradient_sums_of(x, grad, rows, k, sum, product); }
void gradients(const float* x, const float* grad, float* out, int64_t rows, const Channels& k, const float* level, const float* tilt) {
  gradients_of(x, grad, out, rows, k, level, tilt);
}

// Where bfloat16 has instructions of its own, by these.
#define FEWLABELS_CHOOSE(channels, name, other, ...)             \
  {                                                              \
    if (bf16::serves(channels)) return bf16::name(__VA_ARGS__); \
    other(__VA_ARGS__);                                          \
  }
void sums(const uint16_t* x, int64_t rows, int64_t channels, float* shift, float* sum, float* square) FEWLABELS_CHOOSE(channels, sums, sums_of, x, rows, channels, shift, sum, square)
void normalize(const uint16_t* x, uint16_t* y, int64_t rows, const Channels& k) FEWLABELS_CHOOSE(k.count, normalize, normalized, x, y, rows, k)
void gradient_sums(const uint16_t* x, const uint16_t* grad, int64_t rows, const Channels& k, float* sum, float* product)
FEWLABELS_CHOOSE(k.count, gradient_sums, gradient_sums_of, x, grad, rows, k, sum, product)
void gradients(const uint16_t* x, const uint16_t* grad, uint16_t* out, int64_t rows, const Channels& k, const float* level, const float* tilt)
FEWLABELS_CHOOSE(k.count, gradients, gradients_of, x, grad, out, rows, k, level, tilt)

}  // namespace fewlabels::norm
