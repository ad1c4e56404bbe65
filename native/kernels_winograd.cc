// Winograd's convolutions (winograd_tiles.h) of whole batches.
// Tiles are cut by the shape alone and partial sums joined in order: the bits depend neither on the number of threads nor on the batch around a picture.
#include "winograd.h"

#if defined(__x86_64__)
#include "memory.h"
#include "share.h"
#include "winograd_tiles.h"

#include <ATen/ops/empty_like.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace fewlabels::winograd {
namespace {

constexpr int64_t kAtATime = 65536;        // floats that a thread works on: half of a second-level cache of 512 KB
constexpr int64_t kAllParts = 4 << 20;     // of all partial sums of a weight gradient
constexpr int64_t kFewTiles = 64;          // of a call, up to which the threads divide the outputs
constexpr int64_t kChannelsAtATime = 128;  // of the input, for a weight gradient

using Memory = MemoryOf<float>;

Memory zeros_for(int64_t channels) {
  Memory zeros(channels);
  std::memset(zeros.data, 0, sizeof(float) * channels);
  return zeros;
}

template <typename F>
int64_t tiles_at_a_time(int64_t channels, int64_t multiple, int64_t least, int64_t most) {
  return std::clamp(kAtATime / (kSpots<F> * channels) / multiple * multiple, least, most);
}

// body(input channel, first output of a panel), over the processor's threads.
template <typename Body>
void each_panel(const Shape& s, const Body& body) {
  const int64_t panels = s.outputs / kPanel;
  at::parallel_for(0, s.channels * panels, 64, [&](int64_t from, int64_t to) {
    for (int64_t i = from; i < to; i++) body(i % s.channels, i / s.channels * kPanel);
  });
}

// `convolve` of few tiles: the threads share them and divide the outputs, and no thread transforms weights that it does not need at once. For one picture and many
// channels the transformed weights would be most of the memory's traffic.
template <typename F>
void convolve_few(const float* x, const Weights& weights, float* y, const Shape& s, int64_t tiles) {
  const int64_t room = (tiles + kRows - 1) / kRows * kRows;
  Block v{nullptr, room, s.channels};
  const Memory windows(kSpots<F> * v.spot()), zeros = zeros_for(s.channels);
  v.data = windows.data;
  at::parallel_for(0, tiles, 4, [&](int64_t from, int64_t to) {
    transform_windows<F>(x, s, from, to - from, 0, zeros.data, Block{v.at(0, from), room, s.channels});
  });
  at::parallel_for(0, s.outputs / kPanel, 1, [&](int64_t from, int64_t to) {
    const int64_t spot = s.channels * kPanel + kGap, result = room * kPanel + kGap;
    const Memory u(kSpots<F> * spot), results(kSpots<F> * result);
    for (int64_t o = from * kPanel; o < to * kPanel; o += kPanel) {
      for (int64_t c = 0; c < s.channels; c++) transform_weights<F>(weights, c, o, u.data, spot);
      for (int64_t k = 0; k < kSpots<F>; k++) multiply_tiles(v, k, tiles, u.data + k * spot, kPanel, results.data + k * result);
      transform_results<F>(results.data, result, s, 0, tiles, o, kPanel, y);
    }
  });
}

// x [N, H, W, channels], y [N, H', W', outputs].
template <typename F>
void convolve(const float* x, const Weights& weights, float* y, const Shape& s) {
  const int64_t tiles = s.count * Tiles<F>(s).a_picture();
  if (tiles <= kFewTiles) return convolve_few<F>(x, weights, y, s, tiles);
  const Memory u(kSpots<F> * s.spot()), zeros = zeros_for(s.channels);
  each_panel(s, [&](int64_t c, int64_t o) { transform_weights<F>(weights, c, o, u.data + o * s.channels, s.spot()); });
  const int64_t room = tiles_at_a_time<F>(s.channels + s.outputs, kRows, 3 * kRows, 8 * kRows);
  const int64_t window = Block{nullptr, room, s.channels}.spot(), spot = room * s.outputs + kGap;
  share_out((tiles + room - 1) / room, [&] {
    return [&, windows = Memory(kSpots<F> * window), results = Memory(kSpots<F> * spot)](int64_t b) {
      const Block v{windows.data, room, s.channels};
      const int64_t tile = b * room, here = std::min(room, tiles - tile);
      transform_windows<F>(x, s, tile, here, 0, zeros.data, v);
      for (int64_t k = 0; k < kSpots<F>; k++) multiply_tiles(v, k, here, u.data + k * s.spot(), s.outputs, results.data + k * spot);
      transform_results<F>(results.data, spot, s, tile, here, 0, s.outputs, y);
    };
  });
}

// The gradient of the weights. Its tiles are cut into parts and its input channels into ranges, for as many threads.
template <typename F>
void sum_weights(const float* x, const float* grad, const Weights& weights, const Shape& s) {
  const int64_t size = kSpots<F> * s.spot(), tiles = s.count * Tiles<F>(s).a_picture();
  const int64_t ranges = (s.channels + kChannelsAtATime - 1) / kChannelsAtATime, range = (s.channels / kPanel + ranges - 1) / ranges * kPanel;
  const int64_t parts = std::clamp<int64_t>(std::min(kAllParts / size, tiles / 64), 1, 16), share = (tiles + parts - 1) / parts;
  const int64_t room = tiles_at_a_time<F>(range + s.outputs, 8, 48, 64);
  const Memory du(parts * size), zeros = zeros_for(range);
  share_out(parts * ranges, [&] {
    return [&, windows = Memory(kSpots<F> * (room * range + kGap)), gradients = Memory(kSpots<F> * (room * s.outputs + kGap))](int64_t item) {
      const Block g{gradients.data, room, s.outputs};
      const int64_t first = item % ranges * range, begin = item / ranges * share, end = std::min(tiles, begin + share);
      const Block v{windows.data, room, std::min(range, s.channels - first)};
      for (int64_t tile = begin; tile < end; tile += room) {
        const int64_t here = std::min(room, end - tile);
        transform_windows<F>(x, s, tile, here, first, zeros.data, v);
        transform_gradients<F>(grad, s, tile, here, g);
        for (int64_t k = 0; k < kSpots<F>; k++) {
          float* to_spot = du.data + item / ranges * size + k * s.spot() + first * s.outputs;
          if (tile == begin) multiply_channels<false>(v, g, k, here, to_spot);
          else multiply_channels<true>(v, g, k, here, to_spot);
        }
      }
    };
  });
  each_panel(s, [&](int64_t c, int64_t o) { transform_sums<F>(du.data, parts, c, o, s, weights); });
}

// Whether tiles of 4 x 4 outputs need fewer products than those of 2 x 2: not where many of their outputs lie outside the picture.
bool four_pay(const Shape& s) {
  return kSpots<Four> * Tiles<Four>(s).a_picture() < kSpots<Two> * Tiles<Two>(s).a_picture();
}

at::Tensor convolved(const at::Tensor& x, const Weights& weights, int64_t outputs, int64_t padding) {
  const Shape s{x.size(0), x.size(2), x.size(3), x.size(1), outputs, padding};
  at::Tensor y = at::empty({s.count, s.outputs, s.out_height(), s.out_width()}, x.options().memory_format(at::MemoryFormat::ChannelsLast));
  const auto run = four_pay(s) ? convolve<Four> : convolve<Two>;
  run(x.data_ptr<float>(), weights, y.data_ptr<float>(), s);
  return y;
}

}  // namespace

// With AVX-512 too, though oneDNN has twice the arithmetic then: measured on Intel's (Emerald Rapids) and AMD's Zen 4, not on Zen 5, whose units are twice as wide.
bool fits_processor() {
  static const bool fits = [] {
    const char* asked = std::getenv("FEWLABELS_WINOGRAD");
    const bool possible = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    if (asked && (*asked == '0' || *asked == '1')) return possible && *asked == '1';
    return possible && (!__builtin_cpu_supports("avx512f") || __builtin_cpu_is("intel") || __builtin_cpu_is("amdfam19h"));
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
  const auto run = four_pay(s) ? sum_weights<Four> : sum_weights<Two>;
  run(x.data_ptr<float>(), grad.data_ptr<float>(), Weights(dweight), s);
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
