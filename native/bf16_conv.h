// Convolutions at stride 1 in bfloat16 on the CPU, by AMX or AVX-512's dot products: what kernels_bf16.cc offers to conv.cc.
// Pictures are [N, C, H, W] in channels_last, weights [O, C, K, K] of float32 or bfloat16, all numbers of channels multiples of 32.
#pragma once
#include <ATen/core/Tensor.h>

namespace fewlabels::bf16 {

// Whether this processor has AMX and the system lets us use it. FEWLABELS_AMX=0 in the environment: never.
bool has_tiles();
// Or has AVX-512's dot products of bfloat16 and no AMX; these not with FEWLABELS_WINOGRAD=0.
bool fits_processor();
// And whether these kernels can do this, once x is bfloat16.
bool serves(const at::Tensor& x, const at::Tensor& weight, int64_t padding);

// x and grad are bfloat16 in channels_last, and so is what comes, but for the weight's gradient: it has the weight's type.
at::Tensor convolve(const at::Tensor& x, const at::Tensor& weight, int64_t padding);
at::Tensor input_gradient(const at::Tensor& grad, const at::Tensor& weight, int64_t padding);
at::Tensor weight_gradient(const at::Tensor& grad, const at::Tensor& x, const at::Tensor& weight, int64_t padding);

}  // namespace fewlabels::bf16
