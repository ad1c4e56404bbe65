// Batch norm followed by a leaky ReLU, as an operator with its gradient: kernels of our own where the channel axis is contiguous and elements are
// float32 or bfloat16, on the CPU or a GPU; all else goes to libtorch.
// With `mean_only` the mean alone is taken off (mean-only batch norm, Salimans & Kingma 2016, section 4): what weight normalization needs.
// With `everywhere` the statistics are those of the rows of all processes: one message of sums forward, one backward.
#include "cuda.h"
#include "norm.h"
#include "world.h"

#include <ATen/ops/batch_norm.h>
#include <ATen/ops/leaky_relu.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

namespace fewlabels::norm {
namespace {

bool fits(const at::Tensor& vector, const at::Tensor& x) {
  return vector.device() == x.device() && vector.scalar_type() == at::kFloat && vector.is_contiguous();
}
bool fits(const Optional& vector, const at::Tensor& x) { return !vector || !vector->defined() || fits(*vector, x); }

bool channels_inside(const at::Tensor& x) {
  if (x.dim() == 2) return x.is_contiguous();
  return x.dim() == 4 && x.is_contiguous(at::MemoryFormat::ChannelsLast);
}

// Whose kernels serve this input; null: libtorch's.
const Place* place_of(const Input& in) {
  const at::Tensor& x = in.x;
  const bool native = (x.scalar_type() == at::kFloat || x.scalar_type() == at::kBFloat16) && channels_inside(x) && fits(in.weight, x) &&
                      fits(in.bias, x) && fits(in.running_mean, x) && fits(in.running_var, x);
  if (!native) return nullptr;
  if (x.is_cpu()) return &on_cpu;
#if FEWLABELS_CUDA_KERNELS
  if (x.is_cuda() && x.numel() > 0) return &on_cuda;
#endif
  return nullptr;
}

void check_arguments(const Input& in, const Settings& s) {
  const at::Tensor& x = in.x;
  TORCH_CHECK(x.dim() >= 2, "expected [N, C, ...], got ", x.sizes());
  const int64_t channels = x.size(1);
  const auto counts = [&](const at::Tensor& t) { return t.dim() == 1 && t.size(0) == channels; };
  const auto given = [](const Optional& t) { return t && t->defined(); };
  const bool mean = given(in.running_mean), var = given(in.running_var);
  TORCH_CHECK(counts(in.weight) && counts(in.bias) && (!mean || counts(*in.running_mean)) && (!var || counts(*in.running_var)),
              "expected weight, bias and statistics of ", channels, " channels");
  TORCH_CHECK(s.mean_only ? !var : mean == var, s.mean_only ? "expected no running variance" : "expected both running statistics or none");
  TORCH_CHECK(s.training || mean, "expected running statistics outside training");
  TORCH_CHECK(!s.training || s.everywhere || s.mean_only || x.numel() > channels, "training needs more than one value per channel, got ", x.sizes());
}

struct BatchNormLeakyRelu : torch::autograd::Function<BatchNormLeakyRelu> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                            const Optional& running_mean, const Optional& running_var, const Settings& s) {
    at::AutoDispatchBelowADInplaceOrView guard;
    const Input in{x, weight, bias, running_mean, running_var};
    const auto [y, mean, inverse] = place_of(in)->forward(in, s);
    context->save_for_backward({x, weight, bias, mean, inverse});
    context->saved_data["training"] = s.training;
    context->saved_data["slope"] = s.slope;
    context->saved_data["everywhere"] = s.everywhere;
    context->saved_data["mean_only"] = s.mean_only;
    return y;
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context, torch::autograd::variable_list grads) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "batch_norm_leaky_relu has no second derivative");
    const auto saved = context->get_saved_variables();
    auto& data = context->saved_data;
    const Settings s{data["training"].toBool(), 0, 0, data["slope"].toDouble(), data["everywhere"].toBool(), data["mean_only"].toBool(), false};
    const Input in{saved[0], saved[1], saved[2], {}, {}};
    const auto [x, weight, bias] = place_of(in)->backward(grads[0], in, saved[3], saved[4], s);
    return {x, weight, bias, {}, {}, {}};  // running statistics and settings have none
  }
};

at::Tensor composed_mean_only(const Input& in, const Settings& s) {
  std::vector<int64_t> rows, shape(in.x.dim(), 1);
  for (int64_t axis = 0; axis < in.x.dim(); axis++)
    if (axis != 1) rows.push_back(axis);
  shape[1] = in.x.size(1);
  const at::Tensor mean = s.training ? in.x.mean(rows, false, at::kFloat) : *in.running_mean;
  if (s.training && in.running()) {
    const at::NoGradGuard guard;
    in.running_mean->mul_(1 - s.momentum).add_(mean, s.momentum);
  }
  return at::leaky_relu(in.x.sub(mean.view(shape)).mul(in.weight.view(shape)).add(in.bias.view(shape)).to(in.x.scalar_type()), s.slope);
}

at::Tensor composed(const Input& in, const Settings& s) {
  if (s.mean_only) return composed_mean_only(in, s);
  at::Tensor y = at::batch_norm(in.x, in.weight, in.bias, in.running_mean, in.running_var, s.training, s.momentum, s.eps, false);
  return at::leaky_relu_(y, s.slope);
}

Settings settings(const Input& in, bool training, double momentum, double eps, double slope, bool everywhere, bool mean_only, bool overwrite) {
  const Settings s{training, momentum, eps, slope, everywhere && world_size() > 1, mean_only, overwrite && !at::GradMode::is_enabled()};
  check_arguments(in, s);
  TORCH_CHECK(!s.everywhere || place_of(in),
              "statistics of all processes need [N, C] or [N, C, H, W] channels_last, float32 or bfloat16, on the CPU or a GPU for which the engine "
              "has its kernels");
  return s;
}

at::Tensor plain(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, const Optional& running_mean, const Optional& running_var,
                 bool training, double momentum, double eps, double slope, bool everywhere, bool mean_only, bool overwrite) {
  const Input in{x, weight, bias, running_mean, running_var};
  const Settings s = settings(in, training, momentum, eps, slope, everywhere, mean_only, overwrite);
  const Place* place = place_of(in);
  return place ? place->forward(in, s).y : composed(in, s);
}

at::Tensor recorded(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, const Optional& running_mean, const Optional& running_var,
                    bool training, double momentum, double eps, double slope, bool everywhere, bool mean_only, bool overwrite) {
  const Input in{x, weight, bias, running_mean, running_var};
  const Settings s = settings(in, training, momentum, eps, slope, everywhere, mean_only, overwrite);
  const Place* place = place_of(in);
  if (!place) return composed(in, s);
  if (!at::GradMode::is_enabled()) {
    at::AutoDispatchBelowADInplaceOrView guard;
    return place->forward(in, s).y;
  }
  return BatchNormLeakyRelu::apply(x, weight, bias, running_mean, running_var, s);
}

}  // namespace
}  // namespace fewlabels::norm

TORCH_LIBRARY_FRAGMENT(fewlabels, library) {
  library.def(
      "batch_norm_leaky_relu(Tensor x, Tensor weight, Tensor bias, Tensor(a!)? running_mean, Tensor(b!)? running_var, "
      "bool training, float momentum, float eps, float slope, bool everywhere=False, bool mean_only=False, bool overwrite=False) -> Tensor");
}
TORCH_LIBRARY_IMPL(fewlabels, CompositeExplicitAutograd, library) {
  library.impl("batch_norm_leaky_relu", fewlabels::norm::plain);
}
TORCH_LIBRARY_IMPL(fewlabels, Autograd, library) {
  library.impl("batch_norm_leaky_relu", fewlabels::norm::recorded);
}
