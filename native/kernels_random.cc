// Dropout, Gaussian noise and random fills. Element e of a tensor (in memory order) always gets the same draw, however
// many threads work: group g of 16 blocks serves 128 mask bits or 64 numbers.
#include "compat.h"
#include "cuda.h"
#include "philox.h"
#include "share.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/ones_like.h>
#include <c10/core/DeviceGuard.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

namespace fewlabels {
namespace {

// keep[e] = 1 where the 16-bit draw is at least the threshold.
FEWLABELS_INLINE void keep_lanes(PhiloxKey key, uint64_t block, uint32_t threshold, uint32_t keep[kMaskGroup]) {
  uint32_t words[4][kLanes];
  philox_lanes(key, block, words);
  for (int w = 0; w < 4; w++)
#pragma omp simd
    for (int i = 0; i < kLanes; i++) {
      keep[w * kLanes + i] = (words[w][i] & 0xFFFFu) >= threshold;
      keep[(4 + w) * kLanes + i] = (words[w][i] >> 16) >= threshold;
    }
}

FEWLABELS_VECTORIZED void mask_float(const float* in, float* out, int64_t from, int64_t to, int64_t n, PhiloxKey key,
                                     uint64_t first, uint32_t threshold, float scale) {
  for (int64_t group = from; group < to; group++) {
    uint32_t keep[kMaskGroup];
    keep_lanes(key, first + group * kLanes, threshold, keep);
    const int64_t start = group * kMaskGroup;
    const int64_t count = std::min(kMaskGroup, n - start);
    for (int64_t i = 0; i < count; i++) out[start + i] = keep[i] ? in[start + i] * scale : 0.0f;
  }
}

FEWLABELS_VECTORIZED void mask_bf16(const uint16_t* in, uint16_t* out, int64_t from, int64_t to, int64_t n, PhiloxKey key,
                                    uint64_t first, uint32_t threshold, float scale) {
  for (int64_t group = from; group < to; group++) {
    uint32_t keep[kMaskGroup];
    keep_lanes(key, first + group * kLanes, threshold, keep);
    const int64_t start = group * kMaskGroup;
    const int64_t count = std::min(kMaskGroup, n - start);
    for (int64_t i = 0; i < count; i++)
      out[start + i] = keep[i] ? float_to_bf16(bf16_to_float(in[start + i]) * scale) : 0;
  }
}

// out = (in or 0) + mean + std * N(0, 1)
FEWLABELS_VECTORIZED void normal_float(const float* in, float* out, int64_t from, int64_t to, int64_t n, PhiloxKey key,
                                       uint64_t first, float mean, float std) {
  for (int64_t group = from; group < to; group++) {
    uint32_t words[4][kLanes];
    philox_lanes(key, first + group * kLanes, words);
    float z[kNumberGroup];
    for (int pair = 0; pair < 2; pair++)
#pragma omp simd
      for (int i = 0; i < kLanes; i++)
        box_muller(words[2 * pair][i], words[2 * pair + 1][i], z[(2 * pair) * kLanes + i], z[(2 * pair + 1) * kLanes + i]);
    const int64_t start = group * kNumberGroup;
    const int64_t count = std::min(kNumberGroup, n - start);
    if (in) {
      for (int64_t i = 0; i < count; i++) out[start + i] = in[start + i] + mean + std * z[i];
    } else {
      for (int64_t i = 0; i < count; i++) out[start + i] = mean + std * z[i];
    }
  }
}

FEWLABELS_VECTORIZED void uniform_float(float* out, int64_t from, int64_t to, int64_t n, PhiloxKey key, uint64_t first,
                                        float low, float high) {
  for (int64_t group = from; group < to; group++) {
    uint32_t words[4][kLanes];
    philox_lanes(key, first + group * kLanes, words);
    const int64_t start = group * kNumberGroup;
    const int64_t count = std::min(kNumberGroup, n - start);
    for (int64_t i = 0; i < count; i++)
      out[start + i] = low + (high - low) * unit_float(words[i / kLanes][i % kLanes]);
  }
}

// Runs `body(from, to)` over the groups of `n` elements, on as many threads as the caller may use.
template <typename Body>
void over_groups(int64_t n, int64_t group, const Body& body) {
  share_ranges((n + group - 1) / group, std::max<int64_t>(1, 16384 / group), body);
}

// Rows of a tensor that several processes share: row j here is row j * size + rank of all, and gets the draws of that one.
struct Spread {
  int64_t rank, size;
};

// Runs `body(first block, groups, elements, in, out)` once a row, on buffers in which the row lies where it lies in its first group
// of all rows' elements. `in` may be null; its rows are then left out.
template <typename T, typename Body>
void over_rows(const T* in, T* out, int64_t rows, int64_t n, int64_t group, int64_t first, Spread s, const Body& body) {
  if (rows == 0 || n == 0) return;
  const int64_t length = n / rows;
  share_ranges(rows, std::max<int64_t>(1, 16384 / length), [&](int64_t from, int64_t to) {
    std::vector<T> given(in ? length + 2 * group : 0), made(length + 2 * group);
    for (int64_t row = from; row < to; row++) {
      const int64_t start = (row * s.size + s.rank) * length, skip = start % group;
      const int64_t groups = (skip + length + group - 1) / group;
      if (in) std::copy_n(in + row * length, length, given.data() + skip);
      body(first + start / group * kLanes, groups, groups * group, in ? given.data() : nullptr, made.data());
      std::copy_n(made.data() + skip, length, out + row * length);
    }
  });
}

Draw draw_of(int64_t k0, int64_t k1, int64_t first) {
  return {{static_cast<uint32_t>(k0), static_cast<uint32_t>(k1)}, static_cast<uint64_t>(first)};
}

// The three numbers of a draw in memory: a captured step finds others there each time.
Draw draw_at(const at::Tensor& place) {
  TORCH_CHECK(place.scalar_type() == at::kLong && place.numel() == 3 && place.is_contiguous(), "expected [3] int64: key and first block");
  const auto* numbers = place.data_ptr<int64_t>();
  if (place.is_cpu()) return draw_of(numbers[0], numbers[1], numbers[2]);
  TORCH_CHECK(FEWLABELS_CUDA_KERNELS, "draws from numbers on a GPU need the engine's CUDA kernels");
  return {{0, 0}, 0, numbers};
}

at::Tensor dense(const at::Tensor& x, at::MemoryFormat format) { return x.contiguous(format); }

// Whether draws are made where they are wanted; else on the CPU, the same ones, and carried over.
bool made_on(at::Device device) { return device.is_cpu() || (FEWLABELS_CUDA_KERNELS && device.is_cuda()); }

#if FEWLABELS_CUDA_KERNELS
cuda::Rows rows_of(const at::Tensor& x, Spread s) {
  const int64_t rows = x.dim() > 0 ? std::max<int64_t>(1, x.size(0)) : 1;
  return {std::max<int64_t>(1, x.numel() / rows), s.rank, s.size};
}
#endif

// The mask applied to any tensor: forward to the input, backward to the gradient.
at::Tensor masked(const at::Tensor& input, double p, Draw draw, at::MemoryFormat format, Spread s) {
  TORCH_CHECK(p >= 0 && p <= 1, "expected a probability in 0..1, got ", p);
  const auto threshold = static_cast<uint32_t>(std::lround(p * 65536));
  const float scale = p < 1 ? static_cast<float>(1 / (1 - p)) : 0.0f;
  const bool fits = input.scalar_type() == at::kFloat || input.scalar_type() == at::kBFloat16;
#if FEWLABELS_CUDA_KERNELS
  if (input.is_cuda()) {
    const c10::DeviceGuard guard(input.device());
    const at::Tensor in = fits ? dense(input, format) : at::ones_like(input, input.options().dtype(at::kFloat).memory_format(format));
    at::Tensor out = at::empty_like(in, in.options().memory_format(format));
    cuda::check(cuda::mask(in.data_ptr(), out.data_ptr(), in.scalar_type() == at::kBFloat16, in.numel(), draw, threshold, scale, rows_of(in, s),
                          cuda::stream(in.get_device())));
    return fits ? out : input.mul(out.to(input.options()));
  }
#endif
  const auto [key, first] = std::pair(draw.key, draw.first);
  const bool native = input.is_cpu() && fits;
  // Elsewhere (CUDA without its compiler, other types) the same draws are made on the CPU and carried over: slower, equal bits.
  const at::Tensor x = native ? dense(input, format) : at::empty(input.sizes(), at::TensorOptions().dtype(at::kFloat).memory_format(format)).fill_(1);
  at::Tensor out = at::empty_like(x, x.options().memory_format(format));
  const int64_t n = x.numel();
  const auto apply = [&](const auto* in, auto* result, auto mask) {
    if (s.size == 1) {
      over_groups(n, kMaskGroup, [&, key = key, first = first](int64_t from, int64_t to) { mask(in, result, from, to, n, key, first, threshold, scale); });
      return;
    }
    over_rows(in, result, x.size(0), n, kMaskGroup, first, s, [&, key = key](int64_t block, int64_t groups, int64_t count, const auto* row, auto* made) {
      mask(row, made, 0, groups, count, key, block, threshold, scale);
    });
  };
  if (x.scalar_type() == at::kFloat) apply(x.data_ptr<float>(), out.data_ptr<float>(), mask_float);
  else apply(static_cast<const uint16_t*>(x.data_ptr()), static_cast<uint16_t*>(out.data_ptr()), mask_bf16);
  return native ? out : input.mul(out.to(input.options()));
}

// at: where the draw lies, or nothing where it was told.
struct Dropout : torch::autograd::Function<Dropout> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x, double p, int64_t k0, int64_t k1, int64_t first,
                            const c10::optional<at::Tensor>& at, int64_t rank, int64_t size) {
    const auto format = x.suggest_memory_format();
    context->saved_data["p"] = p;
    context->saved_data["k0"] = k0;
    context->saved_data["k1"] = k1;
    context->saved_data["first"] = first;
    context->saved_data["at"] = at;
    context->saved_data["format"] = static_cast<int64_t>(format);
    context->saved_data["rank"] = rank;
    context->saved_data["size"] = size;
    at::AutoDispatchBelowADInplaceOrView guard;
    return masked(x, p, at ? draw_at(*at) : draw_of(k0, k1, first), format, {rank, size});
  }
  using variable_list = torch::autograd::variable_list;
  static variable_list backward(torch::autograd::AutogradContext* context, variable_list grads) {
    auto& saved = context->saved_data;
    const auto format = static_cast<at::MemoryFormat>(saved["format"].toInt());
    const Draw draw = saved["at"].isTensor() ? draw_at(saved["at"].toTensor()) : draw_of(saved["k0"].toInt(), saved["k1"].toInt(), saved["first"].toInt());
    at::Tensor grad = masked(grads[0], saved["p"].toDouble(), draw, format, {saved["rank"].toInt(), saved["size"].toInt()});
    variable_list all(8);  // what it was told has none
    all[0] = grad;
    return all;
  }
};

at::Tensor dropout_plain(const at::Tensor& x, double p, int64_t k0, int64_t k1, int64_t first, int64_t rank, int64_t size) {
  return masked(x, p, draw_of(k0, k1, first), x.suggest_memory_format(), {rank, size});
}

at::Tensor dropout_autograd(const at::Tensor& x, double p, int64_t k0, int64_t k1, int64_t first, int64_t rank, int64_t size) {
  return Dropout::apply(x, p, k0, k1, first, c10::nullopt, rank, size);
}

at::Tensor dropout_at_plain(const at::Tensor& x, double p, const at::Tensor& at, int64_t rank, int64_t size) {
  return masked(x, p, draw_at(at), x.suggest_memory_format(), {rank, size});
}

at::Tensor dropout_at_autograd(const at::Tensor& x, double p, const at::Tensor& at, int64_t rank, int64_t size) {
  return Dropout::apply(x, p, 0, 0, 0, c10::optional<at::Tensor>(at), rank, size);
}

// in: null, or what is added to, on the device of the result.
at::Tensor normal_like(at::IntArrayRef shape, at::MemoryFormat format, const float* in, double mean, double std, Draw draw, Spread s,
                       at::Device device = at::kCPU) {
  const c10::DeviceGuard guard(device);
  const bool here = made_on(device);
  at::Tensor out = at::empty(shape, at::TensorOptions().dtype(at::kFloat).memory_format(format).device(here ? device : at::Device(at::kCPU)));
  const int64_t n = out.numel();
  const auto [m, d] = std::pair(static_cast<float>(mean), static_cast<float>(std));
#if FEWLABELS_CUDA_KERNELS
  if (out.is_cuda()) {
    cuda::check(cuda::normal(in, out.data_ptr<float>(), n, draw, m, d, rows_of(out, s), cuda::stream(out.get_device())));
    return out;
  }
#endif
  const auto [key, first] = std::pair(draw.key, draw.first);
  if (s.size > 1) {
    over_rows(in, out.data_ptr<float>(), shape[0], n, kNumberGroup, first, s,
              [&, m = m, d = d, key = key](int64_t block, int64_t groups, int64_t count, const float* row, float* made) {
                normal_float(row, made, 0, groups, count, key, block, m, d);
              });
  } else {
    over_groups(n, kNumberGroup, [&, m = m, d = d, key = key, first = first](int64_t from, int64_t to) {
      normal_float(in, out.data_ptr<float>(), from, to, n, key, first, m, d);
    });
  }
  return here ? out : out.to(device);
}

// No graph node of its own: with a gradient to carry it is a plain addition.
at::Tensor noisy(const at::Tensor& x, double sigma, Draw draw, Spread s) {
  const auto format = x.suggest_memory_format();
  if (made_on(x.device()) && x.scalar_type() == at::kFloat && !x.requires_grad()) {
    const at::Tensor in = dense(x, format);
    return normal_like(x.sizes(), format, in.data_ptr<float>(), 0, sigma, draw, s, x.device());
  }
  return x.add(normal_like(x.sizes(), format, nullptr, 0, sigma, draw, s, x.device()).to(x.options()));
}

at::Tensor add_gaussian_noise(const at::Tensor& x, double sigma, int64_t k0, int64_t k1, int64_t first, int64_t rank, int64_t size) {
  return noisy(x, sigma, draw_of(k0, k1, first), {rank, size});
}

at::Tensor add_gaussian_noise_at(const at::Tensor& x, double sigma, const at::Tensor& at, int64_t rank, int64_t size) {
  return noisy(x, sigma, draw_at(at), {rank, size});
}

at::Tensor normal(at::IntArrayRef shape, double mean, double std, int64_t k0, int64_t k1, int64_t first, int64_t rank, int64_t size,
                  c10::optional<at::Device> device) {
  return normal_like(shape, at::MemoryFormat::Contiguous, nullptr, mean, std, draw_of(k0, k1, first), {rank, size}, device.value_or(at::kCPU));
}

at::Tensor normal_at(at::IntArrayRef shape, double mean, double std, const at::Tensor& at, int64_t rank, int64_t size, c10::optional<at::Device> device) {
  return normal_like(shape, at::MemoryFormat::Contiguous, nullptr, mean, std, draw_at(at), {rank, size}, device.value_or(at::kCPU));
}

at::Tensor spread_evenly(at::IntArrayRef shape, double low, double high, Draw draw, Spread s, at::Device device) {
  const auto [rank, size] = s;
  const c10::DeviceGuard guard(device);
  const bool here = made_on(device);
  at::Tensor out = at::empty(shape, at::TensorOptions().dtype(at::kFloat).device(here ? device : at::Device(at::kCPU)));
  const int64_t n = out.numel();
#if FEWLABELS_CUDA_KERNELS
  if (out.is_cuda()) {
    cuda::check(cuda::uniform(out.data_ptr<float>(), n, draw, static_cast<float>(low), static_cast<float>(high), rows_of(out, s),
                             cuda::stream(out.get_device())));
    return out;
  }
#endif
  const PhiloxKey key = draw.key;
  const auto first = static_cast<int64_t>(draw.first);
  const auto fill = [&](float* into, int64_t from, int64_t to, int64_t count, int64_t block) {
    uniform_float(into, from, to, count, key, block, static_cast<float>(low), static_cast<float>(high));
  };
  if (size > 1) {
    over_rows(static_cast<const float*>(nullptr), out.data_ptr<float>(), shape[0], n, kNumberGroup, first, {rank, size},
              [&](int64_t block, int64_t groups, int64_t count, const float*, float* made) { fill(made, 0, groups, count, block); });
  } else {
    over_groups(n, kNumberGroup, [&](int64_t from, int64_t to) { fill(out.data_ptr<float>(), from, to, n, first); });
  }
  return here ? out : out.to(device);
}

at::Tensor uniform(at::IntArrayRef shape, double low, double high, int64_t k0, int64_t k1, int64_t first, int64_t rank, int64_t size,
                   c10::optional<at::Device> device) {
  return spread_evenly(shape, low, high, draw_of(k0, k1, first), {rank, size}, device.value_or(at::kCPU));
}

at::Tensor uniform_at(at::IntArrayRef shape, double low, double high, const at::Tensor& at, int64_t rank, int64_t size, c10::optional<at::Device> device) {
  return spread_evenly(shape, low, high, draw_at(at), {rank, size}, device.value_or(at::kCPU));
}

}  // namespace
}  // namespace fewlabels

TORCH_LIBRARY_FRAGMENT(fewlabels, library) {
  library.def("dropout(Tensor x, float p, int key0, int key1, int first, int rank=0, int size=1) -> Tensor");
  library.def("add_gaussian_noise(Tensor x, float sigma, int key0, int key1, int first, int rank=0, int size=1) -> Tensor", fewlabels::add_gaussian_noise);
  library.def("normal(int[] shape, float mean, float std, int key0, int key1, int first, int rank=0, int size=1, Device? device=None) -> Tensor", fewlabels::normal);
  library.def("uniform(int[] shape, float low, float high, int key0, int key1, int first, int rank=0, int size=1, Device? device=None) -> Tensor", fewlabels::uniform);
  // The same, told where the key and the first block lie, [3] int64.
  library.def("dropout_at(Tensor x, float p, Tensor at, int rank=0, int size=1) -> Tensor");
  library.def("add_gaussian_noise_at(Tensor x, float sigma, Tensor at, int rank=0, int size=1) -> Tensor", fewlabels::add_gaussian_noise_at);
  library.def("normal_at(int[] shape, float mean, float std, Tensor at, int rank=0, int size=1, Device? device=None) -> Tensor", fewlabels::normal_at);
  library.def("uniform_at(int[] shape, float low, float high, Tensor at, int rank=0, int size=1, Device? device=None) -> Tensor", fewlabels::uniform_at);
}
TORCH_LIBRARY_IMPL(fewlabels, CompositeExplicitAutograd, library) {
  library.impl("dropout", fewlabels::dropout_plain);
  library.impl("dropout_at", fewlabels::dropout_at_plain);
}
TORCH_LIBRARY_IMPL(fewlabels, Autograd, library) {
  library.impl("dropout", fewlabels::dropout_autograd);
  library.impl("dropout_at", fewlabels::dropout_at_autograd);
}
