// Batch norm followed by a leaky ReLU on a GPU: the passes of kernels_norm.cu in their order.
#include "cuda.h"
#include "norm.h"

#if FEWLABELS_CUDA_KERNELS
#include "cuda_norm.h"
#include "world.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <c10/core/DeviceGuard.h>

namespace fewlabels::norm {
namespace {

at::Tensor floats(at::IntArrayRef shape, const at::Tensor& beside) { return at::empty(shape, beside.options().dtype(at::kFloat).memory_format(at::MemoryFormat::Contiguous)); }

cuda::NormShape shape_of(const at::Tensor& x) { return {x.numel() / x.size(1), x.size(1), x.scalar_type() == at::kBFloat16}; }

// Room for the sums of all processes, where they are wanted.
at::Tensor sums_of_all(const at::Tensor& x, const Settings& s) {
  if (!s.everywhere || !s.training) return {};
  return at::empty({2 * x.size(1) + 1}, x.options().dtype(at::kDouble).memory_format(at::MemoryFormat::Contiguous));
}

// One task for this process's rows; where `task.sums` are wanted, what they are over all processes, and a second one for them.
template <typename Task>
void in_two(Task& task, at::Tensor sums, const char* (*run)(const Task&, void*), void* stream) {
  task.sums = sums.defined() ? sums.data_ptr<double>() : nullptr;
  task.given = false;
  cuda::check(run(task, stream));
  if (!task.sums) return;
  world_sum(sums);
  task.given = true;
  cuda::check(run(task, stream));
}

cuda::NormChannels channels_of(const Input& in, const at::Tensor& mean, const at::Tensor& inverse, const Settings& s) {
  return {mean.data_ptr<float>(), inverse.data_ptr<float>(), in.weight.data_ptr<float>(), in.bias.data_ptr<float>(), static_cast<float>(s.slope)};
}

Normalized forward(const Input& in, const Settings& s) {
  const at::Tensor& x = in.x;
  const c10::DeviceGuard guard(x.device());
  void* stream = cuda::stream(x.get_device());
  const auto shape = shape_of(x);
  const at::Tensor mean = floats({shape.channels}, x), inverse = floats({shape.channels}, x);
  const auto running = [](const Optional& t) { return t && t->defined() ? t->data_ptr<float>() : nullptr; };
  if (s.training) {
    const at::Tensor parts = floats({cuda::norm_parts(shape, x.data_ptr(), x.data_ptr()), 2, shape.channels}, x);
    cuda::check(cuda::norm_sums(shape, x.data_ptr(), parts.data_ptr<float>(), stream));
    cuda::NormStatistics task{shape, x.data_ptr(), parts.data_ptr<float>(), nullptr, false, mean.data_ptr<float>(), inverse.data_ptr<float>(),
                              running(in.running_mean), running(in.running_var), s.momentum, s.eps, s.mean_only};
    in_two(task, sums_of_all(x, s), cuda::norm_statistics, stream);
  } else {
    cuda::check(cuda::norm_running(shape.channels, running(in.running_mean), running(in.running_var), s.eps, mean.data_ptr<float>(),
                                   inverse.data_ptr<float>(), stream));
  }
  const at::Tensor y = at::empty_like(x);
  cuda::check(cuda::normalize(shape, x.data_ptr(), y.data_ptr(), channels_of(in, mean, inverse, s), stream));
  return {y, mean, inverse};
}

Gradients backward(const at::Tensor& given, const Input& in, const at::Tensor& mean, const at::Tensor& inverse, const Settings& s) {
  const at::Tensor& x = in.x;
  const c10::DeviceGuard guard(x.device());
  void* stream = cuda::stream(x.get_device());
  const auto shape = shape_of(x);
  const at::Tensor grad = given.contiguous(x.dim() == 4 ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous);
  const at::Tensor dx = at::empty_like(x), dweight = floats({shape.channels}, x), dbias = floats({shape.channels}, x);
  const at::Tensor level = floats({shape.channels}, x), tilt = floats({shape.channels}, x);
  const auto channels = channels_of(in, mean, inverse, s);
  const at::Tensor parts = floats({cuda::norm_parts(shape, x.data_ptr(), grad.data_ptr()), 2, shape.channels}, x);
  cuda::check(cuda::norm_gradient_sums(shape, x.data_ptr(), grad.data_ptr(), channels, parts.data_ptr<float>(), stream));
  cuda::NormGradients task{shape, x.data_ptr(), grad.data_ptr(), channels, parts.data_ptr<float>(), nullptr, false, !s.training,
                           dweight.data_ptr<float>(), dbias.data_ptr<float>(), s.mean_only, level.data_ptr<float>(), tilt.data_ptr<float>()};
  in_two(task, sums_of_all(x, s), cuda::norm_gradient_statistics, stream);
  cuda::check(cuda::norm_gradients(shape, x.data_ptr(), grad.data_ptr(), dx.data_ptr(), channels, level.data_ptr<float>(), tilt.data_ptr<float>(), stream));
  return {dx, dweight, dbias};
}

}  // namespace

const Place on_cuda{forward, backward};

}  // namespace fewlabels::norm
#endif
