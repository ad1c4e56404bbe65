// Batch norm followed by a leaky ReLU on the CPU, in one pass less each way than the two operators.
// Sums are taken over fixed chunks of rows and joined in order: the bits do not depend on the number of threads.
#include "norm.h"
#include "norm_rows.h"
#include "share.h"
#include "world.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace fewlabels::norm {
namespace {

constexpr int64_t kChunkElements = 32768;  // 64 KB of bfloat16: stays in the second-level cache

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
    share_fairly(chunks, Order::up, [&](int64_t i) { body(i, i * chunk * channels, length(i)); });
  }
  // A second pass goes backwards: the last chunks are still in the cache.
  template <typename Body>
  void each_again(const Body& body) const {
    share_fairly(chunks, Order::down, [&](int64_t i) { body(i * chunk * channels, length(i)); });
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
