// Winograd's convolutions (winograd_tiles.h) of whole batches.
// Tiles are cut by the shape alone and partial sums joined in order: the bits depend neither on the number of threads nor on the batch around a picture.
#include "winograd.h"

#if defined(__x86_64__)
#include "winograd_tiles.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace fewlabels::winograd {
namespace {

constexpr int64_t kAtATime = 65536;        // floats that a thread works on: half of a second-level cache of 512 KB
constexpr int64_t kAllParts = 4 << 20;     // of all partial sums of a weight gradient
constexpr int64_t kChannelsAtATime = 128;  // of the input, for a weight gradient

struct Memory {
  at::Tensor owner;
  float* data;
  explicit Memory(int64_t floats) : owner(at::empty({floats}, at::TensorOptions().dtype(at::kFloat))), data(owner.data_ptr<float>()) {}
};

Memory zeros_for(int64_t channels) {
  Memory zeros(channels);
  std::memset(zeros.data, 0, sizeof(float) * channels);
  return zeros;
}

int64_t tiles_at_a_time(int64_t channels, int64_t multiple, int64_t least, int64_t most) {
  return std::clamp(kAtATime / (kSpots * channels) / multiple * multiple, least, most);
}

// body(input channel, first output of a panel), over the processor's threads.
template <typename Body>
void each_panel(const Shape& s, const Body& body) {
  const int64_t panels = s.outputs / kPanel;
  at::parallel_for(0, s.channels * panels, 64, [&](int64_t from, int64_t to) {
    for (int64_t i = from; i < to; i++) body(i % s.channels, i / s.channels * kPanel);
  });
}

// x [N, H, W, channels], y [N, H', W', outputs].
void convolve(const float* x, const Weights& weights, float* y, const Shape& s) {
  const Memory u(kSpots * s.spot()), zeros = zeros_for(s.channels);
  each_panel(s, [&](int64_t c, int64_t o) { transform_weights(weights, c, o, s, u.data); });
  const int64_t room = tiles_at_a_time(s.channels + s.outputs, kRows, 3 * kRows, 8 * kRows), tiles = s.tiles();
  at::parallel_for(0, (tiles + room - 1) / room, 1, [&](int64_t from, int64_t to) {
    Block v{nullptr, room, s.channels};
    const int64_t spot = room * s.outputs + kGap;
    const Memory windows(kSpots * v.spot()), results(kSpots * spot);
    v.data = windows.data;
    for (int64_t b = from; b < to; b++) {
      const int64_t tile = b * room, here = std::min(room, tiles - tile);
      transform_windows(x, s, tile, here, 0, zeros.data, v);
      for (int64_t k = 0; k < kSpots; k++) multiply_tiles(v, k, here, u.data + k * s.spot(), s.outputs, results.data + k * spot);
      transform_results(results.data, spot, s, tile, here, y);
    }
  });
}

// The gradient of the weights. Its tiles are cut into parts and its input channels into ranges, for as many threads.
void sum_weights(const float* x, const float* grad, const Weights& weights, const Shape& s) {
  const int64_t size = kSpots * s.spot(), tiles = s.tiles();
  const int64_t ranges = (s.channels + kChannelsAtATime - 1) / kChannelsAtATime, range = (s.channels / kPanel + ranges - 1) / ranges * kPanel;
  const int64_t parts = std::clamp<int64_t>(std::min(kAllParts / size, tiles / 64), 1, 16), share = (tiles + parts - 1) / parts;
  const int64_t room = tiles_at_a_time(range + s.outputs, 8, 48, 64);
  const Memory du(parts * size), zeros = zeros_for(range);
  at::parallel_for(0, parts * ranges, 1, [&](int64_t from, int64_t to) {
    const Memory windows(kSpots * (room * range + kGap)), gradients(kSpots * (room * s.outputs + kGap));
    const Block g{gradients.data, room, s.outputs};
    for (int64_t item = from; item < to; item++) {
      const int64_t first = item % ranges * range, begin = item / ranges * share, end = std::min(tiles, begin + share);
      const Block v{windows.data, room, std::min(range, s.channels - first)};
      for (int64_t tile = begin; tile < end; tile += room) {
        const int64_t here = std::min(room, end - tile);
        transform_windows(x, s, tile, here, first, zeros.data, v);
        transform_gradients(grad, s, tile, here, g);
        for (int64_t k = 0; k < kSpots; k++) {
          float* to_spot = du.data + item / ranges * size + k * s.spot() + first * s.outputs;
          if (tile == begin) multiply_channels<false>(v, g, k, here, to_spot);
          else multiply_channels<true>(v, g, k, here, to_spot);
        }
      }
    }
  });
  each_panel(s, [&](int64_t c, int64_t o) { transform_sums(du.data, parts, c, o, s, weights); });
}

at::Tensor convolved(const at::Tensor& x, const Weights& weights, int64_t outputs, int64_t padding) {
  const Shape s{x.size(0), x.size(2), x.size(3), x.size(1), outputs, padding};
  at::Tensor y = at::empty({s.count, s.outputs, s.out_height(), s.out_width()}, x.options().memory_format(at::MemoryFormat::ChannelsLast));
  convolve(x.data_ptr<float>(), weights, y.data_ptr<float>(), s);
  return y;
}

}  // namespace

// AVX-512 has twice the arithmetic, and oneDNN's convolutions for it use it.
bool fits_processor() {
  static const bool fits = [] {
    const char* asked = std::getenv("FEWLABELS_WINOGRAD");
    const bool possible = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    if (asked && (*asked == '0' || *asked == '1')) return possible && *asked == '1';
    return possible && !__builtin_cpu_supports("avx512f");
  }();
  return fits;
}

bool serves(const at::Tensor& x, const at::Tensor& weight, int64_t padding) {
  const auto whole = [](int64_t channels) { return channels > 0 && channels % kPanel == 0; };
  if (!x.is_cpu() || !weight.is_cpu() || x.scalar_type() != at::kFloat || weight.scalar_type() != at::kFloat || x.dim() != 4 || weight.dim() != 4) return false;
  if (weight.size(2) != 3 || weight.size(3) != 3 || weight.size(1) != x.size(1) || !whole(x.size(1)) || !whole(weight.size(0))) return false;
  if (padding < 0 || padding > 2 || x.size(0) == 0 || x.size(2) + 2 * padding < 3 || x.size(3) + 2 * padding < 3) return false;
  return x.is_contiguous(at::MemoryFormat::ChannelsLast) && fits_processor();
}

at::Tensor convolve(const at::Tensor& x, const at::Tensor& weight, int64_t padding) {
  return convolved(x, Weights(weight), weight.size(0), padding);
}

// Each input feeds the outputs around it: a convolution too.
at::Tensor input_gradient(const at::Tensor& grad, const at::Tensor& weight, int64_t padding) {
  return convolved(grad, Weights(weight).turned(), weight.size(1), 2 - padding);
}

at::Tensor weight_gradient(const at::Tensor& grad, const at::Tensor& x, const at::Tensor& weight, int64_t padding) {
  const Shape s{x.size(0), x.size(2), x.size(3), x.size(1), weight.size(0), padding};
  at::Tensor dweight = at::empty_like(weight);
  sum_weights(x.data_ptr<float>(), grad.data_ptr<float>(), Weights(dweight), s);
  return dweight;
}

}  // namespace fewlabels::winograd

#else  // other processors: oneDNN's and Accelerate's

namespace fewlabels::winograd {
bool fits_processor() { return false; }
bool serves(const at::Tensor&, const at::Tensor&, int64_t) { return false; }
at::Tensor convolve(const at::Tensor& x, const at::Tensor&, int64_t) { return x; }
at::Tensor input_gradient(const at::Tensor& grad, const at::Tensor&, int64_t) { return grad; }
at::Tensor weight_gradient(const at::Tensor& grad, const at::Tensor&, const at::Tensor&, int64_t) { return grad; }
}  // namespace fewlabels::winograd

#endif
