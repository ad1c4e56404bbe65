// Batch norm's loops over rows of channels, float32 or bfloat16 (as uint16_t), for kernels_norm.cc. What they compute is the same to the bit on every processor,
// but for results below 1e-38, which bfloat16's own instructions round to 0.
#pragma once
#include <cstdint>

namespace fewlabels::norm {

constexpr int64_t kShiftRows = 16;  // whose mean is what squares are taken about

// What the elementwise loops need of each channel, in arrays of length C.
struct Channels {
  int64_t count;
  const float *mean, *scale, *bias;  // scale = weight / standard deviation
  float slope;
};

// sum[c], square[c] = sums of (x - shift[c]) and of its square, shift[c] being the mean of the first rows: near enough to the mean for the squares not to cancel.
void sums(const float* x, int64_t rows, int64_t channels, float* shift, float* sum, float* square);
void sums(const uint16_t* x, int64_t rows, int64_t channels, float* shift, float* sum, float* square);

// y = the leaky ReLU of (x - mean) scale + bias; y may be x.
void normalize(const float* x, float* y, int64_t rows, const Channels& k);
void normalize(const uint16_t* x, uint16_t* y, int64_t rows, const Channels& k);

// sum[c], product[c] = sums of g and of g (x - mean), g being the gradient before the leaky ReLU.
void gradient_sums(const float* x, const float* grad, int64_t rows, const Channels& k, float* sum, float* product);
void gradient_sums(const uint16_t* x, const uint16_t* grad, int64_t rows, const Channels& k, float* sum, float* product);

// out = scale g - level - tilt (x - mean)
void gradients(const float* x, const float* grad, float* out, int64_t rows, const Channels& k, const float* level, const float* tilt);
void gradients(const uint16_t* x, const uint16_t* grad, uint16_t* out, int64_t rows, const Channels& k, const float* level, const float* tilt);

// The same with bfloat16's instructions (AVX-512), for channels in multiples of 32.
namespace bf16 {
bool serves(int64_t channels);
void sums(const uint16_t* x, int64_t rows, int64_t channels, float* shift, float* sum, float* square);
void normalize(const uint16_t* x, uint16_t* y, int64_t rows, const Channels& k);
void gradient_sums(const uint16_t* x, const uint16_t* grad, int64_t rows, const Channels& k, float* sum, float* product);
void gradients(const uint16_t* x, const uint16_t* grad, uint16_t* out, int64_t rows, const Channels& k, const float* level, const float* tilt);
}  // namespace bf16

}  // namespace fewlabels::norm
