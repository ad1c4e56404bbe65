// Steps of optimizers and averages on many tensors at once, told a number that lies in memory on the device: what libtorch's _foreach
// operators do with a number that is told. On the CPU those of single tensors do it, with the same bits.
#include "compat.h"
#include "cuda.h"

#include <c10/core/DeviceGuard.h>
#include <torch/library.h>

#include <vector>

namespace fewlabels {
namespace {

using cuda::Multi;

#if FEWLABELS_CUDA_KERNELS
// Whether the kernel can take the tensors element by element as they lie in memory.
bool alike(const at::Tensor& a, const at::Tensor& other) {
  return other.is_cuda() && other.scalar_type() == at::kFloat && other.strides() == a.strides() && other.sizes() == a.sizes();
}
#endif

void many(Multi what, at::TensorList self, at::TensorList b, at::TensorList c, const at::Tensor& number) {
  TORCH_CHECK(number.numel() == 1 && number.scalar_type() == at::kFloat, "expected one float32");
  std::vector<at::Tensor> rest[3];
#if FEWLABELS_CUDA_KERNELS
  if (number.is_cuda()) {
    const c10::DeviceGuard guard(number.device());
    std::vector<cuda::MultiRow> rows;
    for (size_t i = 0; i < self.size(); i++) {
      const at::Tensor& a = self[i];
      const bool fits = a.is_cuda() && a.scalar_type() == at::kFloat && a.is_non_overlapping_and_dense() && (b.empty() || alike(a, b[i])) && (c.empty() || alike(a, c[i]));
      if (fits) {
        rows.push_back({a.data_ptr<float>(), b.empty() ? nullptr : b[i].data_ptr<float>(), c.empty() ? nullptr : c[i].data_ptr<float>(), a.numel()});
        continue;
      }
      rest[0].push_back(a);
      if (!b.empty()) rest[1].push_back(b[i]);
      if (!c.empty()) rest[2].push_back(c[i]);
    }
    cuda::check(cuda::multi(what, rows.data(), static_cast<int>(rows.size()), number.data_ptr<float>(), cuda::stream(number.get_device())));
    for (size_t i = 0; i < rest[0].size(); i++) {
      at::Tensor& a = rest[0][i];
      if (what == Multi::scale) a.mul_(number);
      if (what == Multi::shift) a.add_(number);
      if (what == Multi::add) a.addcmul_(rest[1][i], number);
      if (what == Multi::addcmul) a.addcmul_(rest[1][i].mul(rest[2][i]), number);
      if (what == Multi::addcdiv) a.addcmul_(rest[1][i].div(rest[2][i]), number);
    }
    return;
  }
#endif
  const at::Scalar s = number.item();
  for (size_t i = 0; i < self.size(); i++) {
    at::Tensor a = self[i];
    if (what == Multi::scale) a.mul_(s);
    if (what == Multi::shift) a.add_(s);
    if (what == Multi::add) a.add_(b[i], s);
    if (what == Multi::addcmul) a.addcmul_(b[i], c[i], s);
    if (what == Multi::addcdiv) a.addcdiv_(b[i], c[i], s);
  }
}

void scale(at::TensorList self, const at::Tensor& s) { many(Multi::scale, self, {}, {}, s); }
void shift(at::TensorList self, const at::Tensor& s) { many(Multi::shift, self, {}, {}, s); }
void add(at::TensorList self, at::TensorList b, const at::Tensor& s) { many(Multi::add, self, b, {}, s); }
void addcmul(at::TensorList self, at::TensorList b, at::TensorList c, const at::Tensor& s) { many(Multi::addcmul, self, b, c, s); }
void addcdiv(at::TensorList self, at::TensorList b, at::TensorList c, const at::Tensor& s) { many(Multi::addcdiv, self, b, c, s); }

}  // namespace
}  // namespace fewlabels

TORCH_LIBRARY_FRAGMENT(fewlabels, library) {
  library.def("multi_scale_(Tensor(a!)[] self, Tensor s) -> ()", fewlabels::scale);
  library.def("multi_shift_(Tensor(a!)[] self, Tensor s) -> ()", fewlabels::shift);
  library.def("multi_add_(Tensor(a!)[] self, Tensor[] b, Tensor s) -> ()", fewlabels::add);
  library.def("multi_addcmul_(Tensor(a!)[] self, Tensor[] b, Tensor[] c, Tensor s) -> ()", fewlabels::addcmul);
  library.def("multi_addcdiv_(Tensor(a!)[] self, Tensor[] b, Tensor[] c, Tensor s) -> ()", fewlabels::addcdiv);
}
