// Steps of optimizers and averages on many tensors at once, with a number that is told or that lies in memory on the device. On the CPU all tensors are one loop:
// libtorch's _foreach operators make a call of each, which takes longer than the numbers of a layer do. The bits are theirs.
#include "bfloat16.h"
#include "compat.h"
#include "cuda.h"

#include <ATen/Parallel.h>
#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_foreach_addcdiv.h>
#include <ATen/ops/_foreach_addcmul.h>
#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/_foreach_sqrt.h>
#include <ATen/ops/empty_like.h>
#include <c10/core/DeviceGuard.h>
#include <torch/library.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace fewlabels {
namespace {

using cuda::Multi;
using cuda::MultiRow;

constexpr int64_t kAtATime = 16384;  // elements of a piece of work on the CPU

// Whether kernels can take the tensors element by element as they lie in memory.
bool plain(const at::Tensor& a) { return a.scalar_type() == at::kFloat && a.is_non_overlapping_and_dense(); }
bool alike(const at::Tensor& a, const at::Tensor& other) {
  if (other.device() != a.device() || other.scalar_type() != at::kFloat || other.sizes() != a.sizes()) return false;
  for (int64_t axis = 0; axis < a.dim(); axis++)
    if (a.size(axis) != 1 && other.stride(axis) != a.stride(axis)) return false;  // of a single element nobody asks how far the next is
  return true;
}

// Other operands, none to two: each a tensor for every one that changes.
using Others = std::vector<at::TensorList>;

// The pieces of work; none where a tensor is not on the CPU, or not as the loops want it, and where gradients are recorded.
std::vector<MultiRow> pieces(at::TensorList self, const Others& others) {
  std::vector<MultiRow> all;
  if (at::GradMode::is_enabled()) return all;
  for (const at::TensorList& other : others)
    if (other.size() != self.size()) return all;
  for (size_t i = 0; i < self.size(); i++) {
    const at::Tensor& a = self[i];
    if (!a.is_cpu() || !plain(a)) return {};
    for (const at::TensorList& other : others)
      if (!alike(a, other[i])) return {};
    const auto at_place = [&](size_t which) { return which < others.size() ? others[which][i].data_ptr<float>() : nullptr; };
    float *b = at_place(0), *c = at_place(1);
    for (int64_t from = 0; from < a.numel(); from += kAtATime)
      all.push_back({a.data_ptr<float>() + from, b ? b + from : nullptr, c ? c + from : nullptr, std::min(kAtATime, a.numel() - from)});
  }
  return all;
}

FEWLABELS_VECTORIZED void scale_row(const MultiRow& row, float s) {
  for (int64_t i = 0; i < row.n; i++) row.a[i] *= s;
}
FEWLABELS_VECTORIZED void shift_row(const MultiRow& row, float s) {
  for (int64_t i = 0; i < row.n; i++) row.a[i] += s;
}
FEWLABELS_VECTORIZED void add_row(const MultiRow& row, float s) {
  for (int64_t i = 0; i < row.n; i++) row.a[i] = std::fma(row.b[i], s, row.a[i]);
}
FEWLABELS_VECTORIZED void addcmul_row(const MultiRow& row, float s) {
  for (int64_t i = 0; i < row.n; i++) row.a[i] = std::fma(s * row.b[i], row.c[i], row.a[i]);
}
FEWLABELS_VECTORIZED void addcdiv_row(const MultiRow& row, float s) {
  for (int64_t i = 0; i < row.n; i++) row.a[i] += s * row.b[i] / row.c[i];
}
FEWLABELS_VECTORIZED void root_row(const MultiRow& row, float) {
  for (int64_t i = 0; i < row.n; i++) row.a[i] = std::sqrt(row.b[i]);
}

void run(at::TensorList changed, const std::vector<MultiRow>& rows, void (*loop)(const MultiRow&, float), double s) {
  for (const at::Tensor& t : changed) t.unsafeGetTensorImpl()->bump_version();
  at::parallel_for(0, static_cast<int64_t>(rows.size()), 8, [&](int64_t from, int64_t to) {
    for (int64_t i = from; i < to; i++) loop(rows[i], static_cast<float>(s));
  });
}

// The loops, or libtorch's operator.
template <typename Otherwise>
void told(at::TensorList self, const Others& others, void (*loop)(const MultiRow&, float), const at::Scalar& s, const Otherwise& otherwise) {
  if (self.empty()) return;
  const std::vector<MultiRow> rows = pieces(self, others);
  if (rows.empty()) return otherwise();
  run(self, rows, loop, s.toDouble());
}
void scale_told(at::TensorList self, const at::Scalar& s) {
  told(self, {}, scale_row, s, [&] { at::_foreach_mul_(self, s); });
}
void shift_told(at::TensorList self, const at::Scalar& s) {
  told(self, {}, shift_row, s, [&] { at::_foreach_add_(self, s); });
}
void add_told(at::TensorList self, at::TensorList b, const at::Scalar& s) {
  told(self, {b}, add_row, s, [&] { at::_foreach_add_(self, b, s); });
}
void addcmul_told(at::TensorList self, at::TensorList b, at::TensorList c, const at::Scalar& s) {
  told(self, {b, c}, addcmul_row, s, [&] { at::_foreach_addcmul_(self, b, c, s); });
}
void addcdiv_told(at::TensorList self, at::TensorList b, at::TensorList c, const at::Scalar& s) {
  told(self, {b, c}, addcdiv_row, s, [&] { at::_foreach_addcdiv_(self, b, c, s); });
}
std::vector<at::Tensor> roots(at::TensorList of) {
  if (pieces(of, {}).empty() && !of.empty()) return at::_foreach_sqrt(of);
  std::vector<at::Tensor> made;
  for (const at::Tensor& t : of) made.push_back(at::empty_like(t));
  run({}, pieces(made, {of}), root_row, 0);
  return made;
}

void many(Multi what, at::TensorList self, at::TensorList b, at::TensorList c, const at::Tensor& number) {
  TORCH_CHECK(number.numel() == 1 && number.scalar_type() == at::kFloat, "expected one float32");
  std::vector<at::Tensor> rest[3];
#if FEWLABELS_CUDA_KERNELS
  if (number.is_cuda()) {
    const c10::DeviceGuard guard(number.device());
    std::vector<MultiRow> rows;
    for (size_t i = 0; i < self.size(); i++) {
      const at::Tensor& a = self[i];
      const bool fits = a.is_cuda() && plain(a) && (b.empty() || alike(a, b[i])) && (c.empty() || alike(a, c[i]));
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
  switch (what) {
    case Multi::scale: return scale_told(self, s);
    case Multi::shift: return shift_told(self, s);
    case Multi::add: return add_told(self, b, s);
    case Multi::addcmul: return addcmul_told(self, b, c, s);
    case Multi::addcdiv: return addcdiv_told(self, b, c, s);
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
  library.def("multi_scale_.Scalar(Tensor(a!)[] self, Scalar s) -> ()", fewlabels::scale_told);
  library.def("multi_shift_.Scalar(Tensor(a!)[] self, Scalar s) -> ()", fewlabels::shift_told);
  library.def("multi_add_.Scalar(Tensor(a!)[] self, Tensor[] b, Scalar s) -> ()", fewlabels::add_told);
  library.def("multi_addcmul_.Scalar(Tensor(a!)[] self, Tensor[] b, Tensor[] c, Scalar s) -> ()", fewlabels::addcmul_told);
  library.def("multi_addcdiv_.Scalar(Tensor(a!)[] self, Tensor[] b, Tensor[] c, Scalar s) -> ()", fewlabels::addcdiv_told);
  library.def("multi_sqrt(Tensor[] of) -> Tensor[]", fewlabels::roots);
  library.def("multi_scale_(Tensor(a!)[] self, Tensor s) -> ()", fewlabels::scale);
  library.def("multi_shift_(Tensor(a!)[] self, Tensor s) -> ()", fewlabels::shift);
  library.def("multi_add_(Tensor(a!)[] self, Tensor[] b, Tensor s) -> ()", fewlabels::add);
  library.def("multi_addcmul_(Tensor(a!)[] self, Tensor[] b, Tensor[] c, Tensor s) -> ()", fewlabels::addcmul);
  library.def("multi_addcdiv_(Tensor(a!)[] self, Tensor[] b, Tensor[] c, Tensor s) -> ()", fewlabels::addcdiv);
}
