// Winograd's F(2 x 2, 3 x 3) on some tiles, with AVX2: the transforms, and the products between them. kernels_winograd.cc puts them together.
// Four neighboring outputs (a tile) come from 16 products a pair of channels where the definition has 36 (Lavin & Gray, Fast Algorithms for Convolutional
// Neural Networks, 2016, section 4.1). A tile's 4 x 4 window d and the 3 x 3 weights g become 16 spots each; at every spot, tiles x channels times
// channels x outputs is a product of matrices, and a tile's outputs come from its 16 results:
//   y  = A' [(G g G') (B' d B)] A         dg = G' [sum over tiles of (A dy A') (B' d B)] G
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <utility>

#include <immintrin.h>

namespace fewlabels::winograd {

#define FEWLABELS_AVX2 __attribute__((target("avx2,fma")))

using Floats = __m256;  // 8 neighboring channels
constexpr int64_t kLanes = 8;
constexpr int64_t kSpots = 16;  // of a tile
constexpr int64_t kPanel = 16;  // channels that lie together: [channels / 16][tiles][16]
constexpr int64_t kRows = 6;    // rows of a product that fit the registers, two vectors each
constexpr int64_t kGap = 16;    // floats between the spots' matrices, which else would meet on the same lines of the cache

struct Shape {
  int64_t count, height, width, channels, outputs, padding;
  int64_t out_height() const { return height + 2 * padding - 2; }
  int64_t out_width() const { return width + 2 * padding - 2; }
  int64_t down() const { return (out_height() + 1) / 2; }  // tiles of a picture
  int64_t across() const { return (out_width() + 1) / 2; }
  int64_t tiles() const { return count * down() * across(); }
  int64_t spot() const { return channels * outputs + kGap; }  // transformed weights of a spot
};

// Where a tile's outputs are: the picture, and its upper left one.
struct Corner {
  int64_t picture, y, x;
  Corner(const Shape& s, int64_t tile) : picture(tile / (s.down() * s.across())), y(tile / s.across() % s.down() * 2), x(tile % s.across() * 2) {}
  bool has_below(const Shape& s) const { return y + 1 < s.out_height(); }
  bool has_right(const Shape& s) const { return x + 1 < s.out_width(); }
  int64_t offset(const Shape& s) const { return ((picture * s.out_height() + y) * s.out_width() + x) * s.outputs; }
};

// Some tiles, and some of their channels, in panels a spot.
struct Block {
  float* data;
  int64_t room, channels;  // room: for so many tiles
  int64_t spot() const { return room * channels + kGap; }
  float* at(int64_t channel, int64_t tile) const { return data + (channel / kPanel * room + tile) * kPanel + channel % kPanel; }
};

FEWLABELS_AVX2 inline Floats get(const float* from) { return _mm256_loadu_ps(from); }
FEWLABELS_AVX2 inline void put(float* to, Floats value) { _mm256_storeu_ps(to, value); }
FEWLABELS_AVX2 inline Floats half_of(Floats value) { return _mm256_set1_ps(0.5f) * value; }

// B' d B of `tiles` windows, channels first to first + block.channels; `zeros` stands for what lies outside a picture.
FEWLABELS_AVX2 inline void transform_windows(const float* x, const Shape& s, int64_t tile, int64_t tiles, int64_t first, const float* zeros, const Block& block) {
  const int64_t spot = block.spot();
  for (int64_t t = 0; t < tiles; t++) {
    const Corner corner(s, tile + t);
    const float* d[4][4];
    for (int64_t i = 0; i < 4; i++)
      for (int64_t j = 0; j < 4; j++) {
        const int64_t y = corner.y + i - s.padding, column = corner.x + j - s.padding;
        const bool inside = y >= 0 && y < s.height && column >= 0 && column < s.width;
        d[i][j] = inside ? x + ((corner.picture * s.height + y) * s.width + column) * s.channels + first : zeros;
      }
    for (int64_t c = 0; c < block.channels; c += kLanes) {
      Floats r[4][4];
      for (int j = 0; j < 4; j++) {
        const Floats d0 = get(d[0][j] + c), d1 = get(d[1][j] + c), d2 = get(d[2][j] + c), d3 = get(d[3][j] + c);
        r[0][j] = d0 - d2;
        r[1][j] = d1 + d2;
        r[2][j] = d2 - d1;
        r[3][j] = d1 - d3;
      }
      float* to = block.at(c, t);
      for (int i = 0; i < 4; i++) {
        put(to + (4 * i) * spot, r[i][0] - r[i][2]);
        put(to + (4 * i + 1) * spot, r[i][1] + r[i][2]);
        put(to + (4 * i + 2) * spot, r[i][2] - r[i][1]);
        put(to + (4 * i + 3) * spot, r[i][1] - r[i][3]);
      }
    }
  }
}

// y = A' m A of `tiles` tiles, m being [16][room][outputs].
FEWLABELS_AVX2 inline void transform_results(const float* m, int64_t spot, const Shape& s, int64_t tile, int64_t tiles, float* y) {
  const int64_t next = s.outputs, below = s.out_width() * s.outputs;
  for (int64_t t = 0; t < tiles; t++) {
    const Corner corner(s, tile + t);
    const bool has_below = corner.has_below(s), has_right = corner.has_right(s);
    for (int64_t c = 0; c < s.outputs; c += kLanes) {
      const float* from = m + t * s.outputs + c;
      Floats upper[4], lower[4];
      for (int j = 0; j < 4; j++) {
        const Floats m0 = get(from + j * spot), m1 = get(from + (4 + j) * spot), m2 = get(from + (8 + j) * spot), m3 = get(from + (12 + j) * spot);
        upper[j] = m0 + m1 + m2;
        lower[j] = m1 - m2 - m3;
      }
      float* to = y + corner.offset(s) + c;
      put(to, upper[0] + upper[1] + upper[2]);
      if (has_right) put(to + next, upper[1] - upper[2] - upper[3]);
      if (has_below) put(to + below, lower[0] + lower[1] + lower[2]);
      if (has_below && has_right) put(to + below + next, lower[1] - lower[2] - lower[3]);
    }
  }
}

// A dy A' of `tiles` tiles; 0 where a tile reaches over the picture.
FEWLABELS_AVX2 inline void transform_gradients(const float* grad, const Shape& s, int64_t tile, int64_t tiles, const Block& block) {
  const int64_t next = s.outputs, below = s.out_width() * s.outputs, spot = block.spot();
  const Floats zero = _mm256_setzero_ps();
  for (int64_t t = 0; t < tiles; t++) {
    const Corner corner(s, tile + t);
    const bool has_below = corner.has_below(s), has_right = corner.has_right(s);
    for (int64_t c = 0; c < s.outputs; c += kLanes) {
      const float* from = grad + corner.offset(s) + c;
      const Floats g00 = get(from), g01 = has_right ? get(from + next) : zero;
      const Floats g10 = has_below ? get(from + below) : zero, g11 = has_below && has_right ? get(from + below + next) : zero;
      const Floats left[4] = {g00, g00 + g10, g00 - g10, zero - g10}, right[4] = {g01, g01 + g11, g01 - g11, zero - g11};
      float* to = block.at(c, t);
      for (int i = 0; i < 4; i++) {
        put(to + (4 * i) * spot, left[i]);
        put(to + (4 * i + 1) * spot, left[i] + right[i]);
        put(to + (4 * i + 2) * spot, left[i] - right[i]);
        put(to + (4 * i + 3) * spot, zero - right[i]);
      }
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

// u = G g G' of one input channel and a panel of outputs from o on, u being [16][outputs / 16][channels][16].
FEWLABELS_AVX2 inline void transform_weights(const Weights& weights, int64_t c, int64_t o, const Shape& s, float* u) {
  alignas(64) float g[3][3][kPanel];
  for (int64_t p = 0; p < kPanel; p++)
    for (int64_t i = 0; i < 3; i++)
      for (int64_t j = 0; j < 3; j++) g[i][j][p] = *weights.at(c, o + p, i, j);
  const int64_t spot = s.spot();
  for (int64_t half = 0; half < kPanel; half += kLanes) {
    Floats r[4][3];
    for (int j = 0; j < 3; j++) {
      const Floats g0 = get(g[0][j] + half), g1 = get(g[1][j] + half), g2 = get(g[2][j] + half);
      r[0][j] = g0;
      r[1][j] = half_of(g0 + g1 + g2);
      r[2][j] = half_of(g0 - g1 + g2);
      r[3][j] = g2;
    }
    float* to = u + o * s.channels + c * kPanel + half;
    for (int i = 0; i < 4; i++) {
      put(to + (4 * i) * spot, r[i][0]);
      put(to + (4 * i + 1) * spot, half_of(r[i][0] + r[i][1] + r[i][2]));
      put(to + (4 * i + 2) * spot, half_of(r[i][0] - r[i][1] + r[i][2]));
      put(to + (4 * i + 3) * spot, r[i][2]);
    }
  }
}

// dg = G' du G of one input channel and a panel of outputs, du being the sum of `parts` parts of [16][channels][outputs].
FEWLABELS_AVX2 inline void transform_sums(const float* du, int64_t parts, int64_t c, int64_t o, const Shape& s, const Weights& weights) {
  const int64_t spot = s.spot();
  alignas(64) float g[3][3][kPanel];
  for (int64_t half = 0; half < kPanel; half += kLanes) {
    const float* from = du + c * s.outputs + o + half;
    Floats r[3][4];
    for (int j = 0; j < 4; j++) {
      Floats m[4];
      for (int i = 0; i < 4; i++) {
        m[i] = get(from + (4 * i + j) * spot);
        for (int64_t p = 1; p < parts; p++) m[i] += get(from + (p * kSpots + 4 * i + j) * spot);
      }
      r[0][j] = m[0] + half_of(m[1] + m[2]);
      r[1][j] = half_of(m[1] - m[2]);
      r[2][j] = half_of(m[1] + m[2]) + m[3];
    }
    for (int64_t i = 0; i < 3; i++) {
      put(g[i][0] + half, r[i][0] + half_of(r[i][1] + r[i][2]));
      put(g[i][1] + half, half_of(r[i][1] - r[i][2]));
      put(g[i][2] + half, half_of(r[i][1] + r[i][2]) + r[i][3]);
    }
  }
  for (int64_t p = 0; p < kPanel; p++)
    for (int64_t i = 0; i < 3; i++)
      for (int64_t j = 0; j < 3; j++) *weights.at(c, o + p, i, j) = g[i][j][p];
}

// R rows and 16 columns of a product: c = a b, or c += a b. Row r of a begins at a + Row r and goes on by Step, `inner` elements, then the
// same `jump` further, `outer` times; b is [outer inner][16], rows of c are `line` apart.
template <int R, int Row, int Step, bool Add>
FEWLABELS_AVX2 inline void multiply(const float* a, int64_t inner, int64_t outer, int64_t jump, const float* b, float* c, int64_t line) {
  Floats left[R], right[R];
#pragma GCC unroll 6  // loops that the compiler leaves as they are would keep the sums in memory
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
FEWLABELS_AVX2 inline void multiply_tiles(const Block& v, int64_t spot, int64_t tiles, const float* u, int64_t outputs, float* m) {
  for (int64_t o = 0; o < outputs; o += kPanel)
    for (int64_t t = 0; t < tiles; t += kRows)
      multiply<kRows, kPanel, 1, false>(v.at(0, t) + spot * v.spot(), kPanel, v.channels / kPanel, v.room * kPanel, u + o * v.channels, m + t * outputs + o, outputs);
}

// du [channels][outputs] (+)= one spot of the windows, transposed, times that of the gradients.
template <bool Add>
FEWLABELS_AVX2 inline void multiply_channels(const Block& v, const Block& g, int64_t spot, int64_t tiles, float* du) {
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
