// 3 x 3 convolutions by AMX in fewer products, for kernels_amx.cc: where they pay, and the convolution.
#pragma once
#include "amx_window.h"

namespace fewlabels::amx {

// Asks for the shapes of pictures and weights, not for the number of pictures. FEWLABELS_WINOGRAD=0 in the environment: never.
bool winograd_pays(const Shape& s);

// weight [O, C, 3, 3] of float32 or bfloat16; turned: of the way back, from O to C channels.
void convolve_in_tiles(const uint16_t* x, const at::Tensor& weight, bool turned, const Shape& s, uint16_t* y);

}  // namespace fewlabels::amx
