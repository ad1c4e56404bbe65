// Pooling on a GPU: kernels_pool.cu, on plain pointers on the device.
#pragma once
#include <cstdint>

namespace fewlabels::cuda {

// Windows of 2 x 2, stride 2, in [images, height, width, channels], float or bfloat16; where [images, height / 2, width / 2, channels]: the place of the largest, or null.
struct Pool {
  int64_t images, height, width, channels;
  bool bf16;
};
const char* pool(const Pool& shape, const void* in, void* out, uint8_t* where, void* stream);
const char* unpool(const Pool& shape, const void* grad, const uint8_t* where, void* out, void* stream);

}  // namespace fewlabels::cuda
