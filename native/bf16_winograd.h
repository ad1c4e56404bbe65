// 3 x 3 convolutions in bfloat16 in fewer products, for kernels_bf16.cc: where they pay, and the convolution.
#pragma once
#include "bf16_window.h"

namespace fewlabels::bf16 {

// Asks for the shapes of pictures and weights, not for the number of pictures. FEWLABELS_WINOGRAD=0 in the environment: never.
bool winograd_pays(const Shape& s);

// weight [O, C, 3, 3] of float32 or bfloat16; turned: of the way back, from O to C channels. Multiplied by AMX where it is, else by AVX-512's dot products.
void convolve_in_tiles(const uint16_t* x, const at::Tensor& weight, bool turned, const Shape& s, uint16_t* y);

}  // namespace fewlabels::bf16
