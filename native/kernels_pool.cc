// Max pooling of 2 x 2 windows, stride 2, of channels_last tensors on the CPU and on a GPU. One byte per output says where the largest
// element was (libtorch keeps 8 bytes and scatters serially); windows that the image cuts off are left out, as there.
#include "choose.h"
#include "compat.h"
#include "cuda.h"
#include "cuda_pool.h"
#include "share.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/max_pool2d.h>
#include <c10/core/DeviceGuard.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include <algorithm>

namespace fewlabels {
namespace {

struct Shape {
  int64_t height, width, channels;
  int64_t rows() const { return height / 2; }     // of windows in one image
  int64_t columns() const { return width / 2; }
};

// Back to memory what was loaded from there: no digit is lost.
FEWLABELS_INLINE void put_back(float* to, float value) { *to = value; }
FEWLABELS_INLINE void put_back(uint16_t* to, float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  *to = static_cast<uint16_t>(bits >> 16);
}

// Row `row` of windows, counted through the batch. `where` may be null.
template <typename T>
FEWLABELS_INLINE void pool_row(const T* in, T* out, uint8_t* where, int64_t row, const Shape& s) {
  const int64_t c = s.channels;
  const T* top = in + ((row / s.rows()) * s.height + (row % s.rows()) * 2) * s.width * c;
  for (int64_t x = 0; x < s.columns(); x++) {
    const T *__restrict p0 = top + 2 * x * c, *__restrict p1 = p0 + c, *__restrict p2 = p0 + s.width * c, *__restrict p3 = p2 + c;
    T* __restrict target = out + (row * s.columns() + x) * c;
    uint8_t* __restrict index = where ? where + (row * s.columns() + x) * c : nullptr;
    const auto at = [&](int64_t i, uint32_t& position) {
      float best = load(p0[i]);
      position = 0;
      choose(load(p1[i]), 1, best, position);
      choose(load(p2[i]), 2, best, position);
      choose(load(p3[i]), 3, best, position);
      return best;
    };
    uint32_t position;
    if (where) {
      for (int64_t i = 0; i < c; i++) {
        put_back(&target[i], at(i, position));
        index[i] = static_cast<uint8_t>(position);
      }
    } else {
      for (int64_t i = 0; i < c; i++) put_back(&target[i], at(i, position));
    }
  }
}

// The gradient of two image rows; the column and row that no window covers get 0.
template <typename T>
FEWLABELS_INLINE void spread_row(const T* grad, const uint8_t* where, T* out, int64_t row, const Shape& s) {
  const int64_t c = s.channels, line = s.width * c;
  T* top = out + ((row / s.rows()) * s.height + (row % s.rows()) * 2) * line;
  for (int64_t x = 0; x < s.columns(); x++) {
    T *__restrict p0 = top + 2 * x * c, *__restrict p1 = p0 + c, *__restrict p2 = p0 + line, *__restrict p3 = p2 + c;
    const T* __restrict g = grad + (row * s.columns() + x) * c;
    const uint8_t* __restrict index = where + (row * s.columns() + x) * c;
#pragma omp simd  // four targets and two sources: too many for the compiler's own tests of overlap
    for (int64_t i = 0; i < c; i++) {
      const T value = g[i];
      const auto position = static_cast<T>(index[i]);
      p0[i] = position == T(0) ? value : T(0);
      p1[i] = position == T(1) ? value : T(0);
      p2[i] = position == T(2) ? value : T(0);
      p3[i] = position == T(3) ? value : T(0);
    }
  }
  if (s.width % 2) {
    std::fill_n(top + line - c, c, T(0));
    std::fill_n(top + 2 * line - c, c, T(0));
  }
  if (s.height % 2 && row % s.rows() == s.rows() - 1) std::fill_n(top + 2 * line, line, T(0));
}

#define FEWLABELS_FOR_TYPE(T)                                                                                              \
  FEWLABELS_VECTORIZED void pool(const T* in, T* out, uint8_t* where, int64_t from, int64_t to, const Shape& s) {          \
    for (int64_t row = from; row < to; row++) pool_row(in, out, where, row, s);                                            \
  }                                                                                                                        \
  FEWLABELS_VECTORIZED void spread(const T* grad, const uint8_t* where, T* out, int64_t from, int64_t to, const Shape& s) { \
    for (int64_t row = from; row < to; row++) spread_row(grad, where, out, row, s);                                        \
  }
FEWLABELS_FOR_TYPE(float)
FEWLABELS_FOR_TYPE(uint16_t)

template <typename Body>
void over_rows(const at::Tensor& pooled, const Body& body) {
  const int64_t line = pooled.size(1) * pooled.size(3);
  share_ranges(pooled.size(0) * pooled.size(2), std::max<int64_t>(1, 8192 / line), body);
}

at::Tensor empty_image(int64_t n, const Shape& s, at::TensorOptions options) {
  return at::empty({n, s.channels, s.height, s.width}, options.memory_format(at::MemoryFormat::ChannelsLast));
}

#if FEWLABELS_CUDA_KERNELS
cuda::Pool on_card(const at::Tensor& x, const Shape& s) { return {x.size(0), s.height, s.width, s.channels, x.scalar_type() == at::kBFloat16}; }
#endif

at::Tensor forward_native(const at::Tensor& x, at::Tensor* where) {
  const Shape s{x.size(2), x.size(3), x.size(1)};
  const Shape pooled{s.rows(), s.columns(), s.channels};
  at::Tensor y = empty_image(x.size(0), pooled, x.options());
  if (where) *where = empty_image(x.size(0), pooled, x.options().dtype(at::kByte));
  uint8_t* index = where ? where->data_ptr<uint8_t>() : nullptr;
#if FEWLABELS_CUDA_KERNELS
  if (x.is_cuda()) {
    const c10::DeviceGuard guard(x.device());
    cuda::check(cuda::pool(on_card(x, s), x.data_ptr(), y.data_ptr(), index, cuda::stream(x.get_device())));
    return y;
  }
#endif
  over_rows(y, [&](int64_t from, int64_t to) {
    if (x.scalar_type() == at::kFloat) pool(x.data_ptr<float>(), y.data_ptr<float>(), index, from, to, s);
    else pool(static_cast<const uint16_t*>(x.data_ptr()), static_cast<uint16_t*>(y.data_ptr()), index, from, to, s);
  });
  return y;
}

struct MaxPool : torch::autograd::Function<MaxPool> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x) {
    at::AutoDispatchBelowADInplaceOrView guard;
    at::Tensor where;
    at::Tensor y = forward_native(x, &where);
    context->save_for_backward({where});
    context->saved_data["height"] = x.size(2);
    context->saved_data["width"] = x.size(3);
    return y;
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context, torch::autograd::variable_list grads) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "max_pool2x2 has no second derivative");
    const auto where = context->get_saved_variables()[0];
    const at::Tensor grad = grads[0].contiguous(at::MemoryFormat::ChannelsLast);
    const Shape s{context->saved_data["height"].toInt(), context->saved_data["width"].toInt(), grad.size(1)};
    at::Tensor out = empty_image(grad.size(0), s, grad.options());
#if FEWLABELS_CUDA_KERNELS
    if (grad.is_cuda()) {
      const c10::DeviceGuard guard(grad.device());
      cuda::check(cuda::unpool(on_card(grad, s), grad.data_ptr(), where.data_ptr<uint8_t>(), out.data_ptr(), cuda::stream(grad.get_device())));
      return {out};
    }
#endif
    over_rows(grad, [&](int64_t from, int64_t to) {
      const uint8_t* index = where.data_ptr<uint8_t>();
      if (grad.scalar_type() == at::kFloat) spread(grad.data_ptr<float>(), index, out.data_ptr<float>(), from, to, s);
      else spread(static_cast<const uint16_t*>(grad.data_ptr()), index, static_cast<uint16_t*>(out.data_ptr()), from, to, s);
    });
    return {out};
  }
};

bool is_native(const at::Tensor& x) {
  return (x.is_cpu() || (FEWLABELS_CUDA_KERNELS && x.is_cuda())) && x.dim() == 4 && (x.scalar_type() == at::kFloat || x.scalar_type() == at::kBFloat16) && x.numel() > 0 &&
         x.size(2) >= 2 && x.size(3) >= 2 && x.is_contiguous(at::MemoryFormat::ChannelsLast);
}

at::Tensor plain(const at::Tensor& x) { return is_native(x) ? forward_native(x, nullptr) : at::max_pool2d(x, {2, 2}, {2, 2}); }

at::Tensor recorded(const at::Tensor& x) {
  if (!is_native(x)) return at::max_pool2d(x, {2, 2}, {2, 2});
  if (!at::GradMode::is_enabled() || !x.requires_grad()) return forward_native(x.detach(), nullptr);
  return MaxPool::apply(x);
}

}  // namespace
}  // namespace fewlabels

TORCH_LIBRARY_FRAGMENT(fewlabels, library) { library.def("max_pool2x2(Tensor x) -> Tensor"); }
TORCH_LIBRARY_IMPL(fewlabels, CompositeExplicitAutograd, library) { library.impl("max_pool2x2", fewlabels::plain); }
TORCH_LIBRARY_IMPL(fewlabels, Autograd, library) { library.impl("max_pool2x2", fewlabels::recorded); }
