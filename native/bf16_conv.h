// Convolutions at stride 1 by AMX, bfloat16 on the CPU: what kernels_amx.cc offers to conv.cc.
// Pictures are [N, C, H, W] in channels_last, weights [O, C, K, K] of float32 or bfloat16, all numbers of channels multiples of 32.
#pragma once
#include <ATen/core/Tensor.h>

namespace fewlabels::amx {

// Whether this processor has AMX and the system lets us use it. FEWLABELS_AMX=0 in the environment: never.
bool fits_processor();
// And whether these kernels can do this, once x is bfloat16.
bool serves(const at::Tensor& x, const at::Tensor& weight, int64_t padding);

// x and grad are bfloat16 in channels_last, and so is what comes, but for the weight's gradient: it has the weight's type.
at::Tensor convolve(const at::Tensor& x, const at::Tensor& weight, int64_t padding);
at::Tensor input_gradient(const at::Tensor& grad, const at::Tensor& weight, int64_t padding);
at::Tensor weight_gradient(const at::Tensor& grad, const at::Tensor& x, const at::Tensor& weight, int64_t padding);

}  // namespace fewlabels::amx
