// Batch norm followed by a leaky ReLU on the CPU, in one pass less each way than the two operators.
// Sums are taken over fixed chunks of rows and joined in order: the bits do not depend on the number of threads.
#include "bfloat16.h"
#include "norm.h"
#include "world.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace fewlabels::norm {
namespace {

constexpr int64_t kChunkElements = 32768;  // 64 KB of bfloat16: stays in the second-level cache
constexpr int64_t kShiftRows = 16;

// What the elementwise loops need of each channel, in arrays of length C.
struct Channels {
  int64_t count;
  const float *mean, *scale, *bias;  // scale = weight / standard deviation
  float slope;
};

// sum[c], square[c] = sums of (x - shift[c]) and of its square, shift[c] being the mean of the first rows: near enough to
// the mean for the squares not to cancel. Four rows at a time spare the accumulators' loads and stores.
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

// sum[c], product[c] = sums of g and of g (x - mean), g being the gradient before the leaky ReLU.
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

// out = scale g - level - tilt (x - mean)
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
#define FEWLABELS_FOR_TYPE(T)                                                                                          \
  FEWLABELS_VECTORIZED void sums(const T* x, int64_t rows, int64_t channels, float* shift, float* sum, float* square) { \
    sum_rows(x, rows, channels, shift, sum, square);                                                                   \
  }                                                                                                                    \
  FEWLABELS_VECTORIZED void normalize(const T* x, T* y, int64_t rows, const Channels& k) { normalize_rows(x, y, rows, k); } \
  FEWLABELS_VECTORIZED void gradient_sums(const T* x, const T* grad, int64_t rows, const Channels& k, float* sum,      \
                                          float* product) {                                                            \
    sum_gradients(x, grad, rows, k, sum, product);                                                                     \
  }                                                                                                                    \
  FEWLABELS_VECTORIZED void gradients(const T* x, const T* grad, T* out, int64_t rows, const Channels& k,              \
                                      const float* level, const float* tilt) {                                         \
    gradient_rows(x, grad, out, rows, k, level, tilt);                                                                 \
  }
FEWLABELS_FOR_TYPE(float)
FEWLABELS_FOR_TYPE(uint16_t)

// A tensor as rows of channels, cut into chunks that depend on its shape alone.
struct Rows {
  int64_t channels, count, chunk, chunks;
  explicit Rows(const at::Tensor& x)
      : channels(x.size(1)),
        count(channels > 0 ? x.numel() / channels : 0),
        chunk(std::max<int64_t>(16, kChunkElements / std::max<int64_t>(channels, 1))),
        chunks((count + chunk - 1) / chunk) {}
  int64_t length(int64_t i) const { return std::min(chunk, count - i * chunk); }
  // body(chunk, first element, rows)
  template <typename Body>
  void each(const Body& body) const {
    at::parallel_for(0, chunks, 1, [&](int64_t from, int64_t to) {
      for (int64_t i = from; i < to; i++) body(i, i * chunk * channels, length(i));
    });
  }
  // A second pass goes backwards: the last chunks are still in the cache.
  template <typename Body>
  void each_again(const Body& body) const {
    at::parallel_for(0, chunks, 1, [&](int64_t from, int64_t to) {
      for (int64_t i = to - 1; i >= from; i--) body(i * chunk * channels, length(i));
    });
  }
};

at::Tensor floats(int64_t n) { return at::empty({n}, at::TensorOptions().dtype(at::kFloat)); }

// Calls body(element pointer type) for the type that holds x's elements.
template <typename Body>
void with_elements(const at::Tensor& x, const Body& body) {
  if (x.scalar_type() == at::kFloat) body(static_cast<float*>(nullptr));
  else body(static_cast<uint16_t*>(nullptr));
}

struct Moments {
  std::vector<double> mean, variance;  // variance: divided by the number of rows
  double count;                        // of rows
};

// Of the rows of all processes, each of which has some.
Moments of_all(Moments m) {
  const size_t channels = m.mean.size();
  std::vector<double> sums(2 * channels + 1);
  for (size_t c = 0; c < channels; c++) {
    sums[c] = m.count * m.mean[c];
    sums[channels + c] = m.count * (m.variance[c] + m.mean[c] * m.mean[c]);
  }
  sums[2 * channels] = m.count;
  world_sum(sums.data(), sums.size());
  m.count = sums[2 * channels];
  for (size_t c = 0; c < channels; c++) {
    m.mean[c] = sums[c] / m.count;
    m.variance[c] = std::max(sums[channels + c] / m.count - m.mean[c] * m.mean[c], 0.0);
  }
  return m;
}

Moments moments(const at::Tensor& x) {
  const Rows rows(x);
  const int64_t channels = rows.channels;
  std::vector<float> parts(rows.chunks * 3 * channels);  // shift, sum, square of each chunk
  with_elements(x, [&](auto* type) {
    const auto* data = static_cast<const decltype(type)>(x.data_ptr());
    rows.each([&](int64_t i, int64_t start, int64_t n) {
      float* part = parts.data() + i * 3 * channels;
      sums(data + start, n, channels, part, part + channels, part + 2 * channels);
    });
  });
  const auto count = static_cast<double>(rows.count);
  Moments m{std::vector<double>(channels), std::vector<double>(channels), count};
  for (int64_t i = 0; i < rows.chunks; i++) {
    const float *shift = parts.data() + i * 3 * channels, *sum = shift + channels;
    const auto n = static_cast<double>(rows.length(i));
    for (int64_t c = 0; c < channels; c++) m.mean[c] += (n * shift[c] + sum[c]) / count;
  }
  for (int64_t i = 0; i < rows.chunks; i++) {
    const float *shift = parts.data() + i * 3 * channels, *sum = shift + channels, *square = sum + channels;
    const auto n = static_cast<double>(rows.length(i));
    for (int64_t c = 0; c < channels; c++) {  // sum of (x - mean)^2 from the sums about the shift
      const double off = shift[c] - m.mean[c];
      m.variance[c] += (square[c] + off * (2.0 * sum[c] + n * off)) / count;
    }
  }
  for (auto& v : m.variance) v = std::max(v, 0.0);
  return m;
}

Normalized forward(const Input& in, const Settings& s) {
  const at::Tensor &x = in.x, &weight = in.weight, &bias = in.bias;
  const Rows rows(x);
  at::Tensor mean = floats(rows.channels), inverse = floats(rows.channels), scale = floats(rows.channels);
  float *m = mean.data_ptr<float>(), *v = inverse.data_ptr<float>(), *a = scale.data_ptr<float>();
  if (s.training) {
    const Moments batch = s.everywhere ? of_all(moments(x)) : moments(x);
    const double unbias = batch.count / (batch.count - 1);
    for (int64_t c = 0; c < rows.channels; c++) {
      m[c] = static_cast<float>(batch.mean[c]);
      v[c] = s.mean_only ? 1 : static_cast<float>(1 / std::sqrt(batch.variance[c] + s.eps));
      if (!in.running()) continue;
      float& old_mean = in.running_mean->data_ptr<float>()[c];
      old_mean = static_cast<float>((1 - s.momentum) * old_mean + s.momentum * batch.mean[c]);
      if (s.mean_only) continue;
      float& old_var = in.running_var->data_ptr<float>()[c];
      old_var = static_cast<float>((1 - s.momentum) * old_var + s.momentum * batch.variance[c] * unbias);
    }
  } else {
    for (int64_t c = 0; c < rows.channels; c++) {
      m[c] = in.running_mean->data_ptr<float>()[c];
      v[c] = s.mean_only ? 1 : static_cast<float>(1 / std::sqrt(in.running_var->data_ptr<float>()[c] + s.eps));
    }
  }
  for (int64_t c = 0; c < rows.channels; c++) a[c] = v[c] * weight.data_ptr<float>()[c];
  at::Tensor y = s.overwrite ? x : at::empty_like(x);
  const Channels k{rows.channels, m, a, bias.data_ptr<float>(), static_cast<float>(s.slope)};
  with_elements(x, [&](auto* type) {
    using Pointer = decltype(type);
    const auto* from = static_cast<const Pointer>(x.data_ptr());
    auto* to = static_cast<Pointer>(y.data_ptr());
    rows.each_again([&](int64_t start, int64_t n) { normalize(from + start, to + start, n, k); });
  });
  return {y, mean, inverse};
}

Gradients backward(const at::Tensor& grad, const Input& input, const at::Tensor& mean, const at::Tensor& inverse, const Settings& s) {
  const at::Tensor &x = input.x, &weight = input.weight, &bias = input.bias;
  const Rows rows(x);
  const int64_t channels = rows.channels;
  const at::Tensor g = grad.contiguous(x.dim() == 4 ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous);
  at::Tensor scale = floats(channels), dx = at::empty_like(x), dweight = floats(channels), dbias = floats(channels);
  const float* v = inverse.data_ptr<float>();
  float* a = scale.data_ptr<float>();
  for (int64_t c = 0; c < channels; c++) a[c] = v[c] * weight.data_ptr<float>()[c];
  const Channels k{channels, mean.data_ptr<float>(), a, bias.data_ptr<float>(), static_cast<float>(s.slope)};
  with_elements(x, [&](auto* type) {
    using Pointer = decltype(type);
    const auto* in = static_cast<const Pointer>(x.data_ptr());
    const auto* grads = static_cast<const Pointer>(g.data_ptr());
    auto* out = static_cast<Pointer>(dx.data_ptr());
    std::vector<float> parts(rows.chunks * 2 * channels);  // sum, product of each chunk
    rows.each([&](int64_t i, int64_t start, int64_t n) {
      float* part = parts.data() + i * 2 * channels;
      gradient_sums(in + start, grads + start, n, k, part, part + channels);
    });
    std::vector<double> sum(channels), product(channels);
    auto count = static_cast<double>(rows.count);
    for (int64_t i = 0; i < rows.chunks; i++) {
      const float* part = parts.data() + i * 2 * channels;
      for (int64_t c = 0; c < channels; c++) sum[c] += part[c];
      for (int64_t c = 0; c < channels; c++) product[c] += part[channels + c];
    }
    for (int64_t c = 0; c < channels; c++) {  // of this process's rows: gradients are summed up later
      dweight.data_ptr<float>()[c] = static_cast<float>(product[c] * v[c]);
      dbias.data_ptr<float>()[c] = static_cast<float>(sum[c]);
    }
    if (s.everywhere && s.training) {
      std::vector<double> all(sum);
      all.insert(all.end(), product.begin(), product.end());
      all.push_back(count);
      world_sum(all.data(), all.size());
      std::copy_n(all.begin(), channels, sum.begin());
      std::copy_n(all.begin() + channels, channels, product.begin());
      count = all.back();
    }
    std::vector<float> level(channels), tilt(channels);  // 0 with fixed statistics
    for (int64_t c = 0; s.training && c < channels; c++) {
      const double share = a[c] / count;
      level[c] = static_cast<float>(share * sum[c]);
      tilt[c] = s.mean_only ? 0 : static_cast<float>(share * product[c] * v[c] * v[c]);
    }
    rows.each_again([&](int64_t start, int64_t n) { gradients(in + start, grads + start, out + start, n, k, level.data(), tilt.data()); });
  });
  return {dx, dweight, dbias};
}

}  // namespace

const Place on_cpu{forward, backward};

}  // namespace fewlabels::norm
