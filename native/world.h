// The processes that train one network together, as our own kernels see them; group.h keeps the group.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstddef>

namespace fewlabels {

// 1 where a process trains alone.
int world_size();
// Every number becomes its sum over all processes: the same bits everywhere. Throws where another process is gone or stuck.
void world_sum(double* values, size_t count);
// The same for a contiguous tensor of doubles or floats, in place, wherever it lies. Of one on a GPU with NCCL nobody waits here: the current
// stream does, and another process that is gone or stuck is found at the next message of the training step.
void world_sum(at::Tensor& sums);

}  // namespace fewlabels
