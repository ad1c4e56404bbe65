// What a convolution at stride 1 reads, in the orders of AMX's tiles (amx_tiles.h).
#pragma once
#include "amx_tiles.h"
#include "memory.h"
#include "share.h"

#include <algorithm>

namespace fewlabels::bf16 {

// Pictures and results in channels_last.
struct Shape {
  int64_t count, height, width, channels, outputs, kernel, padding;
  Shape(const at::Tensor& x, int64_t outputs, int64_t kernel, int64_t padding)
      : count(x.size(0)), height(x.size(2)), width(x.size(3)), channels(x.size(1)), outputs(outputs), kernel(kernel), padding(padding) {}
  int64_t out_height() const { return height + 2 * padding - kernel + 1; }
  int64_t out_width() const { return width + 2 * padding - kernel + 1; }
  int64_t rows() const { return count * out_height(); }    // of outputs in the batch
  int64_t pitch() const { return width + 2 * padding; }     // positions of a padded row
  int64_t taps() const { return kernel * kernel; }          // weights a pair of channels
  int64_t shift(int64_t tap) const { return tap / kernel * pitch() + tap % kernel; }  // from an output's position to what it reads
  // The channels of a pixel; null outside the picture.
  const uint16_t* pixel(const uint16_t* x, int64_t picture, int64_t y, int64_t column) const {
    const bool inside = y >= 0 && y < height && column >= 0 && column < width;
    return inside ? x + ((picture * height + y) * width + column) * channels : nullptr;
  }
};

using Memory = MemoryOf<uint16_t>;

// Neighboring rows of outputs of one picture.
struct Segment {
  int64_t picture, y, rows;
};

// body(segment) for rows from `from` to `to` of the batch's outputs.
template <typename Body>
FEWLABELS_AMX inline void each_segment(const Shape& s, int64_t from, int64_t to, const Body& body) {
  for (int64_t row = from; row < to;) {
    const int64_t y = row % s.out_height(), rows = std::min(s.out_height() - y, to - row);
    body(Segment{row / s.out_height(), y, rows});
    row += rows;
  }
}

// The padded rows that a segment reads: to [channels / 32][room][32], from `position` on.
FEWLABELS_AMX inline void copy_window(const uint16_t* x, const Shape& s, const Segment& segment, int64_t position, int64_t room, uint16_t* to) {
  const __m512i nothing = _mm512_setzero_si512();
  for (int64_t i = 0; i < segment.rows + s.kernel - 1; i++, position += s.pitch()) {
    const uint16_t* row = s.pixel(x, segment.picture, segment.y + i - s.padding, 0);
    for (int64_t c = 0; c < s.channels; c += kDeep) {
      uint16_t* out = to + (c / kDeep * room + position) * kDeep;
      const int64_t before = row ? s.padding : s.pitch();
      for (int64_t j = 0; j < before; j++, out += kDeep) _mm512_store_si512(out, nothing);
      if (!row) continue;
      for (int64_t j = 0; j < s.width; j++, out += kDeep) _mm512_store_si512(out, _mm512_loadu_si512(row + j * s.channels + c));
      for (int64_t j = 0; j < s.padding; j++, out += kDeep) _mm512_store_si512(out, nothing);
    }
  }
}

// Weights [O, C, K, K] in channels_last.
struct Weights {
  const uint16_t* data;
  int64_t outputs, channels, taps;
  const uint16_t* at(int64_t output, int64_t tap, int64_t channel) const { return data + (output * taps + tap) * channels + channel; }
};

// Those of 32 outputs of a convolution, `output` and the following: to [taps][channels / 32][2][16 pairs of channels][16 outputs][2].
FEWLABELS_AMX inline void pack_weights(const Weights& w, int64_t output, uint16_t* to) {
  for (int64_t tap = 0; tap < w.taps; tap++)
    for (int64_t c = 0; c < w.channels; c += kDeep)
      for (int64_t half = 0; half < kDeep; half += kSide, to += kTile) {
        __m512i r[kSide];
#pragma GCC unroll 16
        for (int i = 0; i < kSide; i++) r[i] = _mm512_loadu_si512(w.at(output + half + i, tap, c));
        store_transposed(r, to);
      }
}

// Those of the way back, where inputs and outputs change places and the window is turned by half a circle, for 32 of the inputs.
FEWLABELS_AMX inline void pack_turned_weights(const Weights& w, int64_t input, uint16_t* to) {
  for (int64_t tap = w.taps - 1; tap >= 0; tap--)
    for (int64_t o = 0; o < w.outputs; o += kDeep)
      for (int64_t half = 0; half < kDeep; half += kSide)
        for (int64_t pair = 0; pair < kDeep; pair += 2, to += kDeep)
          _mm512_store_si512(to, pair_rows(w.at(o + pair, tap, input + half), w.at(o + pair + 1, tap, input + half)));
}

// The channels at some positions (null: zeros), two neighbors an element: to [channels / 16][room][16][2], from channel `first` on.
FEWLABELS_AMX inline void pair_positions(const uint16_t* const* at, int64_t pairs, int64_t first, int64_t channels, int64_t room, uint16_t* to) {
  for (int64_t p = 0; p < pairs; p++) {
    const uint16_t *even = at[2 * p], *odd = at[2 * p + 1];
    for (int64_t c = 0; c < channels; c += kSide)
      _mm512_store_si512(to + (c / kSide * room + p) * kDeep, pair_rows(even ? even + first + c : nullptr, odd ? odd + first + c : nullptr));
  }
}

// The channels at some positions as rows: to [channels / 16][room][16 channels][32 positions].
FEWLABELS_AMX inline void turn_positions(const uint16_t* const* at, int64_t chunks, int64_t channels, int64_t room, uint16_t* to) {
  for (int64_t k = 0; k < chunks; k++, at += kDeep)
    for (int64_t c = 0; c < channels; c += kSide) {
      __m512i r[kSide];
#pragma GCC unroll 16
      for (int i = 0; i < kSide; i++) r[i] = pair_rows(at[2 * i] ? at[2 * i] + c : nullptr, at[2 * i + 1] ? at[2 * i + 1] + c : nullptr);
      store_transposed(r, to + (c / kSide * room + k) * kTile);
    }
}

// All outputs, in blocks of `room` of `units` (rows, tiles). make(room) gives a block; block.fill(from, to) reads what these units ask for, block.multiply(weights,
// results, output) computes 32 of their outputs, with what pack(output, weights) made of `panel` elements and in memory of its thread.
// Where there are few, the threads divide the outputs.
template <typename Block, typename Make, typename Pack>
void in_blocks(int64_t units, bool few, int64_t room, int64_t outputs, int64_t panel, const Make& make, const Pack& pack) {
  const int64_t panels = outputs / kDeep;
  if (few) {
    Block block = make(units);
    block.fill(0, units);
    return share_out(panels, [&] {
      return [&, packed = Memory(panel), results = typename Block::Results(block)](int64_t i) {
        pack(i * kDeep, packed.data);
        block.multiply(packed.data, results, i * kDeep);
      };
    });
  }
  const Memory packed(panels * panel);
  share_out(panels, [&] { return [&](int64_t i) { pack(i * kDeep, packed.data + i * panel); }; });
  share_out((units + room - 1) / room, [&] {
    Block block = make(room);
    return [&, block, results = typename Block::Results(block)](int64_t i) mutable {
      block.fill(i * room, std::min(units, (i + 1) * room));
      for (int64_t p = 0; p < panels; p++) block.multiply(packed.data + p * panel, results, p * kDeep);
    };
  });
}

}  // namespace fewlabels::bf16
