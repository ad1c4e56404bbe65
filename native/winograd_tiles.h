// Winograd's convolutions on some tiles, with AVX2: the transforms in two dimensions, and the products between them. kernels_winograd.cc puts them together.
// m x m neighboring outputs (a tile; m = 2 or 4) come from (m + 2)^2 products a pair of channels where the definition has 9 m^2: 16 for 36, 36 for 144. A tile's
// window d of inputs and the 3 x 3 weights g become (m + 2)^2 spots each; at every spot, tiles x channels times channels x outputs is a product of matrices, and a
// tile's outputs come from its results:
//   y  = A' [(G g G') (B' d B)] A         dg = G' [sum over tiles of (A dy A') (B' d B)] G
// `F` is what one dimension does: Two or Four (winograd_points.h).
#pragma once
#include "winograd_points.h"

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <utility>

namespace fewlabels::winograd {

template <typename F>
constexpr int64_t kSpots = F::kWindow * F::kWindow;  // of a tile
constexpr int64_t kPanel = 16;                       // channels that lie together: [channels / 16][tiles][16]
constexpr int64_t kRows = 6;                         // rows of a product that fit the registers, two vectors each
constexpr int64_t kGap = 16;                         // floats between the spots' matrices, which else would meet on the same lines of the cache

struct Shape {
  int64_t count, height, width, channels, outputs, padding;
  int64_t out_height() const { return height + 2 * padding - 2; }
  int64_t out_width() const { return width + 2 * padding - 2; }
  int64_t spot() const { return channels * outputs + kGap; }  // transformed weights of a spot
};

// Of a picture's outputs.
template <typename F>
struct Tiles {
  int64_t down, across;
  explicit Tiles(const Shape& s) : down((s.out_height() + F::kOutputs - 1) / F::kOutputs), across((s.out_width() + F::kOutputs - 1) / F::kOutputs) {}
  int64_t a_picture() const { return down * across; }
};

// Where a tile's outputs are: the picture, the upper left one, and how many of its rows and columns are in the picture.
template <typename F>
struct Corner {
  int64_t picture, y, x, rows, columns;
  Corner(const Shape& s, const Tiles<F>& tiles, int64_t tile)
      : picture(tile / tiles.a_picture()),
        y(tile / tiles.across % tiles.down * F::kOutputs),
        x(tile % tiles.across * F::kOutputs),
        rows(std::min<int64_t>(F::kOutputs, s.out_height() - y)),
        columns(std::min<int64_t>(F::kOutputs, s.out_width() - x)) {}
  int64_t offset(const Shape& s) const { return ((picture * s.out_height() + y) * s.out_width() + x) * s.outputs; }
};

// Some tiles, and some of their channels, in panels a spot.
struct Block {
  float* data;
  int64_t room, channels;  // room: for so many tiles
  int64_t spot() const { return room * channels + kGap; }
  float* at(int64_t channel, int64_t tile) const { return data + (channel / kPanel * room + tile) * kPanel + channel % kPanel; }
};

// B' d B of `count` windows, channels first to first + block.channels; `zeros` stands for what lies outside a picture.
template <typename F>
FEWLABELS_VECTORS inline void transform_windows(const float* x, const Shape& s, int64_t tile, int64_t count, int64_t first, const float* zeros, const Block& block) {
  constexpr int W = F::kWindow;
  const int64_t spot = block.spot();
  const Tiles<F> tiles(s);
  for (int64_t t = 0; t < count; t++) {
    const Corner<F> corner(s, tiles, tile + t);
    const float* from[W][W];
    for (int64_t i = 0; i < W; i++)
      for (int64_t j = 0; j < W; j++) {
        const int64_t y = corner.y + i - s.padding, column = corner.x + j - s.padding;
        const bool inside = y >= 0 && y < s.height && column >= 0 && column < s.width;
        from[i][j] = inside ? x + ((corner.picture * s.height + y) * s.width + column) * s.channels + first : zeros;
      }
    for (int64_t c = 0; c < block.channels; c += kLanes) {
      float* to = block.at(c, t);
      transform<W, W, F::window>([&](int i, int j) FEWLABELS_VECTORS { return get(from[i][j] + c); },
                                 [&](int i, int j, Floats value) FEWLABELS_VECTORS { put(to + (W * i + j) * spot, value); });
    }
  }
}

// y = A' m A of `count` tiles, outputs first to first + width, m being [spots][room][width].
template <typename F>
FEWLABELS_VECTORS inline void transform_results(const float* m, int64_t spot, const Shape& s, int64_t tile, int64_t count, int64_t first, int64_t width, float* y) {
  constexpr int W = F::kWindow, M = F::kOutputs;
  const int64_t next = s.outputs, below = s.out_width() * s.outputs;
  const Tiles<F> tiles(s);
  for (int64_t t = 0; t < count; t++) {
    const Corner<F> corner(s, tiles, tile + t);
    for (int64_t c = 0; c < width; c += kLanes) {
      const float* from = m + t * width + c;
      float* to = y + corner.offset(s) + first + c;
      transform<W, M, F::results>([&](int i, int j) FEWLABELS_VECTORS { return get(from + (W * i + j) * spot); },
                                  [&](int i, int j, Floats value) FEWLABELS_VECTORS {
                                    if (i < corner.rows && j < corner.columns) put(to + i * below + j * next, value);
                                  });
    }
  }
}

// A dy A' of `count` tiles; 0 where a tile reaches over the picture.
template <typename F>
FEWLABELS_VECTORS inline void transform_gradients(const float* grad, const Shape& s, int64_t tile, int64_t count, const Block& block) {
  constexpr int W = F::kWindow, M = F::kOutputs;
  const int64_t next = s.outputs, below = s.out_width() * s.outputs, spot = block.spot();
  const Tiles<F> tiles(s);
  for (int64_t t = 0; t < count; t++) {
    const Corner<F> corner(s, tiles, tile + t);
    for (int64_t c = 0; c < s.outputs; c += kLanes) {
      const float* from = grad + corner.offset(s) + c;
      float* to = block.at(c, t);
      transform<M, W, F::gradients>(
          [&](int i, int j) FEWLABELS_VECTORS { return i < corner.rows && j < corner.columns ? get(from + i * below + j * next) : _mm256_setzero_ps(); },
          [&](int i, int j, Floats value) FEWLABELS_VECTORS { put(to + (W * i + j) * spot, value); });
    }
  }
}

// Weights where a tensor has them, by input and output channel; strides in floats.
struct Weights {
  float* data;
  int64_t input, output, row, column;
  explicit Weights(const at::Tensor& w)
      : data(w.data_ptr<float>()), input(w.stride(1)), output(w.stride(0)), row(w.stride(2)), column(w.stride(3)) {}
  // Those of the way back: inputs and outputs change places, and the window is turned by half a circle.
  Weights turned() const {
    Weights other(*this);
    other.data += 2 * (row + column);
    std::swap(other.input, other.output);
    other.row = -row;
    other.column = -column;
    return other;
  }
  float* at(int64_t c, int64_t o, int64_t i, int64_t j) const { return data + c * input + o * output + i * row + j * column; }
};

// u = G g G' of one input channel and a panel of outputs from o on, u being the panel's [spots][channels][16].
template <typename F>
FEWLABELS_VECTORS inline void transform_weights(const Weights& weights, int64_t c, int64_t o, float* u, int64_t spot) {
  constexpr int W = F::kWindow;
  alignas(64) float g[3][3][kPanel];
  for (int64_t p = 0; p < kPanel; p++)
    for (int64_t i = 0; i < 3; i++)
      for (int64_t j = 0; j < 3; j++) g[i][j][p] = *weights.at(c, o + p, i, j);
  for (int64_t side = 0; side < kPanel; side += kLanes) {
    float* to = u + c * kPanel + side;
    transform<3, W, F::weights>([&](int i, int j) FEWLABELS_VECTORS { return get(g[i][j] + side); },
                                [&](int i, int j, Floats value) FEWLABELS_VECTORS { put(to + (W * i + j) * spot, value); });
  }
}

// dg = G' du G of one input channel and a panel of outputs, du being the sum of `parts` parts of [spots][channels][outputs].
template <typename F>
FEWLABELS_VECTORS inline void transform_sums(const float* du, int64_t parts, int64_t c, int64_t o, const Shape& s, const Weights& weights) {
  constexpr int W = F::kWindow;
  const int64_t spot = s.spot();
  alignas(64) float g[3][3][kPanel];
  for (int64_t side = 0; side < kPanel; side += kLanes) {
    const float* from = du + c * s.outputs + o + side;
    transform<W, 3, F::sums>(
        [&](int i, int j) FEWLABELS_VECTORS {
          Floats sum = get(from + (W * i + j) * spot);
          for (int64_t p = 1; p < parts; p++) sum += get(from + (p * kSpots<F> + W * i + j) * spot);
          return sum;
        },
        [&](int i, int j, Floats value) FEWLABELS_VECTORS { put(g[i][j] + side, value); });
  }
  for (int64_t p = 0; p < kPanel; p++)
    for (int64_t i = 0; i < 3; i++)
      for (int64_t j = 0; j < 3; j++) *weights.at(c, o + p, i, j) = g[i][j][p];
}

// R rows and 16 columns of a product: c = a b, or c += a b. Row r of a begins at a + Row r and goes on by Step, `inner` elements, then the
// same `jump` further, `outer` times; b is [outer inner][16], rows of c are `line` apart.
template <int R, int Row, int Step, bool Add>
FEWLABELS_VECTORS inline void multiply(const float* a, int64_t inner, int64_t outer, int64_t jump, const float* b, float* c, int64_t line) {
  Floats left[R], right[R];
#pragma GCC unroll 6
  for (int r = 0; r < R; r++) {
    left[r] = Add ? get(c + r * line) : _mm256_setzero_ps();
    right[r] = Add ? get(c + r * line + kLanes) : _mm256_setzero_ps();
  }
  for (int64_t k = 0; k < outer; k++, a += jump)
    for (int64_t i = 0; i < inner; i++, b += kPanel) {
      const Floats b0 = get(b), b1 = get(b + kLanes);
#pragma GCC unroll 6
      for (int r = 0; r < R; r++) {
        const Floats value = _mm256_broadcast_ss(a + r * Row + i * Step);
        left[r] = _mm256_fmadd_ps(value, b0, left[r]);
        right[r] = _mm256_fmadd_ps(value, b1, right[r]);
      }
    }
#pragma GCC unroll 6
  for (int r = 0; r < R; r++) {
    put(c + r * line, left[r]);
    put(c + r * line + kLanes, right[r]);
  }
}

// m [tiles][outputs] = one spot of the block's tiles times u [outputs / 16][channels][16]. Rows behind the last tile are computed and not used.
FEWLABELS_VECTORS inline void multiply_tiles(const Block& v, int64_t spot, int64_t tiles, const float* u, int64_t outputs, float* m) {
  for (int64_t o = 0; o < outputs; o += kPanel)
    for (int64_t t = 0; t < tiles; t += kRows)
      multiply<kRows, kPanel, 1, false>(v.at(0, t) + spot * v.spot(), kPanel, v.channels / kPanel, v.room * kPanel, u + o * v.channels, m + t * outputs + o, outputs);
}

// du [channels][outputs] (+)= one spot of the windows, transposed, times that of the gradients.
template <bool Add>
FEWLABELS_VECTORS inline void multiply_channels(const Block& v, const Block& g, int64_t spot, int64_t tiles, float* du) {
  for (int64_t c = 0; c < v.channels; c += kPanel)
    for (int64_t o = 0; o < g.channels; o += kPanel) {
      const float *a = v.at(c, 0) + spot * v.spot(), *b = g.at(o, 0) + spot * g.spot();
      float* to = du + c * g.channels + o;
      multiply<6, 1, kPanel, Add>(a, tiles, 1, 0, b, to, g.channels);
      multiply<6, 1, kPanel, Add>(a + 6, tiles, 1, 0, b, to + 6 * g.channels, g.channels);
      multiply<4, 1, kPanel, Add>(a + 12, tiles, 1, 0, b, to + 12 * g.channels, g.channels);
    }
}

}  // namespace fewlabels::winograd
