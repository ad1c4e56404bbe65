// Convolutions with 3 x 3 weights and stride 1 by Winograd's minimal filtering, float32 on the CPU: what kernels_winograd.cc offers to conv.cc.
// Pictures are [N, C, H, W] in channels_last, weights [O, C, 3, 3], all numbers of channels multiples of 16.
#pragma once
#include <ATen/core/Tensor.h>

namespace fewlabels::winograd {

// Whether these kernels are the faster ones on this processor. FEWLABELS_WINOGRAD in the environment: 0 never, 1 wherever they can run.
bool fits_processor();
// And whether they can do this.
bool serves(const at::Tensor& x, const at::Tensor& weight, int64_t padding);

at::Tensor convolve(const at::Tensor& x, const at::Tensor& weight, int64_t padding);
// Of x and of the weight, from the gradient of what `convolve` returned, in channels_last.
at::Tensor input_gradient(const at::Tensor& grad, const at::Tensor& weight, int64_t padding);
at::Tensor weight_gradient(const at::Tensor& grad, const at::Tensor& x, const at::Tensor& weight, int64_t padding);

}  // namespace fewlabels::winograd
