// Batch norm followed by a leaky ReLU: what its two places (kernels_norm.cc on the CPU, norm_cuda.cc on a GPU) offer to the operator in norm.cc.
// Both want the channel axis contiguous ([N, C], or [N, C, H, W] in channels_last), float32 or bfloat16, and float32 vectors of C.
#pragma once
#include "compat.h"

namespace fewlabels::norm {

using Optional = c10::optional<at::Tensor>;

// `everywhere`: in training the statistics are those of the rows of all processes, one message of sums each way.
// `mean_only`: nothing is divided by the standard deviation (`inverse` is 1), and there is no running variance.
// `overwrite`: forward may write its result over x, which nobody needs any more.
struct Settings {
  bool training;
  double momentum, eps, slope;
  bool everywhere, mean_only, overwrite;
};

struct Input {
  at::Tensor x, weight, bias;
  Optional running_mean, running_var;
  bool running() const { return running_mean && running_mean->defined(); }
};

// y, and what the gradient needs: mean and 1 / standard deviation, [C] float32.
struct Normalized {
  at::Tensor y, mean, inverse;
};

struct Gradients {
  at::Tensor x, weight, bias;
};

struct Place {
  Normalized (*forward)(const Input&, const Settings&);
  Gradients (*backward)(const at::Tensor& grad, const Input&, const at::Tensor& mean, const at::Tensor& inverse, const Settings&);
};

extern const Place on_cpu, on_cuda;

}  // namespace fewlabels::norm
