// Memory for kernels, aligned and uninitialized, from libtorch's allocator.
#pragma once
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

#include <cstdint>

namespace fewlabels {

template <typename T>
struct MemoryOf {
  at::Tensor owner;
  T* data;
  explicit MemoryOf(int64_t elements) : owner(at::empty({static_cast<int64_t>(elements * sizeof(T))}, at::TensorOptions().dtype(at::kByte))), data(static_cast<T*>(owner.data_ptr())) {}
};

}  // namespace fewlabels
