// The processes that train one network together, as our own kernels see them; distributed.cc keeps the group.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstddef>

namespace fewlabels {

// 1 where a process trains alone.
int world_size();
// Every number becomes its sum over all processes: the same bits everywhere. Throws where another process is gone or stuck.
void world_sum(double* values, size_t count);
// The same of a contiguous float64 tensor, on whatever device.
void world_sum(at::Tensor& sums);

}  // namespace fewlabels
