// Batch norm with leaky ReLU on a GPU: kernels_norm.cu, which like kernels_cuda.cu sees plain pointers on the device. Elements are float, or bfloat16
// where `bf16`; the channel axis is the contiguous one.
#pragma once
#include <cstdint>

namespace fewlabels::cuda {

// x as `rows` of `channels`.
struct NormShape {
  int64_t rows, channels;
  bool bf16;
};

// What elementwise passes need of each channel: z = (x - mean) * inverse * weight + bias, y = z > 0 ? z : z * slope.
struct NormChannels {
  const float *mean, *inverse, *weight, *bias;
  float slope;
};

// Sums are taken over fixed parts of the rows and joined in order: the same bits each time.
int norm_parts(NormShape shape, const void* x, const void* other);

// parts [parts, 2, C] of x: sums of x - shift and of its square, shift being the mean of the first rows (of x as well).
const char* norm_sums(NormShape shape, const void* x, float* parts, void* stream);

struct NormStatistics {
  NormShape shape;
  const void* x;
  const float* parts;
  double* sums;  // [2 C + 1]: sums of x and of its square, and rows. Null: parts become statistics at once
  bool given;    // `sums` are those of all processes: they become statistics. Else parts become sums
  float *mean, *inverse;
  float *running_mean, *running_var;  // or null
  double momentum, eps;
  bool mean_only;  // inverse is 1, and there is no running variance
};
const char* norm_statistics(const NormStatistics& task, void* stream);

// mean and inverse of running statistics; without a running variance (null) inverse is 1.
const char* norm_running(int64_t channels, const float* running_mean, const float* running_var, double eps, float* mean, float* inverse, void* stream);

const char* normalize(NormShape shape, const void* x, void* y, NormChannels channels, void* stream);

// parts [parts, 2, C]: sums of g and of g (x - mean), g being the gradient before the leaky ReLU.
const char* norm_gradient_sums(NormShape shape, const void* x, const void* grad, NormChannels channels, float* parts, void* stream);

struct NormGradients {
  NormShape shape;
  const void *x, *grad;
  NormChannels channels;
  const float* parts;
  double* sums;  // [2 C + 1], as above
  bool given;
  bool fixed;  // the statistics do not depend on x
  float *weight, *bias;  // gradients, of this process's rows
  bool mean_only;
  float *level, *tilt;   // [C]: the gradient of x is scale g - level - tilt (x - mean)
};
const char* norm_gradient_statistics(const NormGradients& task, void* stream);

const char* norm_gradients(NormShape shape, const void* x, const void* grad, void* out, NormChannels channels, const float* level, const float* tilt,
                           void* stream);

}  // namespace fewlabels::cuda
