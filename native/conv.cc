// A convolution at stride 1, without bias and groups, as an operator with its gradients: in bfloat16 by AMX or dot products (bf16_conv.h), in float32 by Winograd's method (winograd.h),
// where the processor has the one or is faster with the other; else libtorch's.
#include "bf16_conv.h"
#include "compat.h"
#include "winograd.h"

#include <ATen/ops/conv2d.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

namespace fewlabels {
namespace {

using torch::autograd::variable_list;

// Who computes a convolution.
struct Way {
  at::Tensor (*convolve)(const at::Tensor& x, const at::Tensor& weight, int64_t padding);
  at::Tensor (*input_gradient)(const at::Tensor& grad, const at::Tensor& weight, int64_t padding);
  at::Tensor (*weight_gradient)(const at::Tensor& grad, const at::Tensor& x, const at::Tensor& weight, int64_t padding);
};
constexpr Way kWinograd{winograd::convolve, winograd::input_gradient, winograd::weight_gradient};
constexpr Way kBfloat16{bf16::convolve, bf16::input_gradient, bf16::weight_gradient};

// Ours, of pictures of this type.
const Way& way_for(at::ScalarType type) { return type == at::kBFloat16 ? kBfloat16 : kWinograd; }

// The pictures as ours takes them; none where libtorch does it.
c10::optional<at::Tensor> input_for_ours(const at::Tensor& x, const at::Tensor& weight, int64_t padding) {
  if (compat::autocast_to_bfloat16() || (x.scalar_type() == at::kBFloat16 && weight.scalar_type() == at::kBFloat16))
    return bf16::serves(x, weight, padding) ? c10::optional<at::Tensor>(x.to(at::kBFloat16)) : c10::nullopt;
  return !compat::autocast_enabled(at::kCPU) && winograd::serves(x, weight, padding) ? c10::optional<at::Tensor>(x) : c10::nullopt;
}

at::Tensor composed(const at::Tensor& x, const at::Tensor& weight, int64_t padding) { return at::conv2d(x, weight, {}, 1, padding); }

struct Conv2d : torch::autograd::Function<Conv2d> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x, const at::Tensor& weight, int64_t padding) {
    at::AutoDispatchBelowADInplaceOrView guard;
    context->save_for_backward({x, weight});
    context->saved_data["padding"] = padding;
    return way_for(x.scalar_type()).convolve(x, weight, padding);
  }
  static variable_list backward(torch::autograd::AutogradContext* context, variable_list grads) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "conv2d has no second derivative");
    const auto saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &weight = saved[1];
    const int64_t padding = context->saved_data["padding"].toInt();
    const Way& way = way_for(x.scalar_type());
    const at::Tensor grad = grads[0].contiguous(at::MemoryFormat::ChannelsLast);
    variable_list out(3);
    if (x.requires_grad()) out[0] = way.input_gradient(grad, weight, padding);
    if (weight.requires_grad()) out[1] = way.weight_gradient(grad, x, weight, padding);
    return out;
  }
};

at::Tensor plain(const at::Tensor& x, const at::Tensor& weight, int64_t padding) {
  const auto ours = input_for_ours(x, weight, padding);
  return ours ? way_for(ours->scalar_type()).convolve(*ours, weight, padding) : composed(x, weight, padding);
}

at::Tensor recorded(const at::Tensor& x, const at::Tensor& weight, int64_t padding) {
  const auto ours = input_for_ours(x, weight, padding);
  return ours ? Conv2d::apply(*ours, weight, padding) : composed(x, weight, padding);
}

}  // namespace
}  // namespace fewlabels

TORCH_LIBRARY_FRAGMENT(fewlabels, library) { library.def("conv2d(Tensor x, Tensor weight, int padding) -> Tensor"); }
TORCH_LIBRARY_IMPL(fewlabels, CompositeExplicitAutograd, library) { library.impl("conv2d", fewlabels::plain); }
TORCH_LIBRARY_IMPL(fewlabels, Autograd, library) { library.impl("conv2d", fewlabels::recorded); }
