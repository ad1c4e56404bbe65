// The part of CUDA's header that our kernels use.
#pragma once
#include "bfloat16.h"

struct __nv_bfloat162 {
  uint16_t first, second;
};
inline __nv_bfloat162 __floats2bfloat162_rn(float first, float second) { return {fewlabels::float_to_bf16(first), fewlabels::float_to_bf16(second)}; }
