// A convolution with 3 x 3 weights and stride 1, without bias and groups, as an operator with its gradients: by Winograd's method where that is the faster
// one (winograd.h), else libtorch's.
#include "compat.h"
#include "winograd.h"

#include <ATen/ops/conv2d.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

namespace fewlabels {
namespace {

using torch::autograd::variable_list;

bool by_winograd(const at::Tensor& x, const at::Tensor& weight, int64_t padding) {
  return !compat::autocast_enabled(at::kCPU) && winograd::serves(x, weight, padding);
}

at::Tensor composed(const at::Tensor& x, const at::Tensor& weight, int64_t padding) { return at::conv2d(x, weight, {}, 1, padding); }

struct Conv3x3 : torch::autograd::Function<Conv3x3> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x, const at::Tensor& weight, int64_t padding) {
    at::AutoDispatchBelowADInplaceOrView guard;
    context->save_for_backward({x, weight});
    context->saved_data["padding"] = padding;
    return winograd::convolve(x, weight, padding);
  }
  static variable_list backward(torch::autograd::AutogradContext* context, variable_list grads) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "conv3x3 has no second derivative");
    const auto saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &weight = saved[1];
    const int64_t padding = context->saved_data["padding"].toInt();
    const at::Tensor grad = grads[0].contiguous(at::MemoryFormat::ChannelsLast);
    variable_list out(3);
    if (x.requires_grad()) out[0] = winograd::input_gradient(grad, weight, padding);
    if (weight.requires_grad()) out[1] = winograd::weight_gradient(grad, x, weight, padding);
    return out;
  }
};

at::Tensor plain(const at::Tensor& x, const at::Tensor& weight, int64_t padding) {
  return by_winograd(x, weight, padding) ? winograd::convolve(x, weight, padding) : composed(x, weight, padding);
}

at::Tensor recorded(const at::Tensor& x, const at::Tensor& weight, int64_t padding) {
  return by_winograd(x, weight, padding) ? Conv3x3::apply(x, weight, padding) : composed(x, weight, padding);
}

}  // namespace
}  // namespace fewlabels

TORCH_LIBRARY_FRAGMENT(fewlabels, library) { library.def("conv3x3(Tensor x, Tensor weight, int padding) -> Tensor"); }
TORCH_LIBRARY_IMPL(fewlabels, CompositeExplicitAutograd, library) { library.impl("conv3x3", fewlabels::plain); }
TORCH_LIBRARY_IMPL(fewlabels, Autograd, library) { library.impl("conv3x3", fewlabels::recorded); }
