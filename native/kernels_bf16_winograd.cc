// Winograd's F(2 x 2, 3 x 3) in bfloat16, by AMX or AVX-512's dot products: 16 products a pair of channels for four outputs where the definition has 36 (winograd_points.h has the equation). Windows and
// weights are transformed in float32 and then rounded to bfloat16, which less than doubles the error of an output that is rounded itself (docs/decisions/0041).
// An output comes from its own tile alone: no bit depends on the number of threads or on the batch around a picture.
#include "bf16_conv.h"

#if defined(__x86_64__) && defined(__linux__)
#include "bf16_products.h"
#include "bf16_winograd.h"
#define FEWLABELS_WIDE FEWLABELS_AMX
#include "winograd_points.h"

#include <cstdlib>
#include <cstring>

namespace fewlabels::bf16 {
namespace {

using winograd::Floats;
using winograd::Two;

constexpr int64_t kSpots = 16;           // of a tile: 4 x 4
constexpr int64_t kAtATime = 256 << 10;  // elements of transformed windows that a thread works on: a quarter of a second-level cache of 2 MB, which processors with AMX have
constexpr int64_t kAtATimeByDots = kAtATime / 2;  // others have half of it
constexpr int64_t kLeast = 128, kLeastByDots = 32;  // channels in and out, from which on these pay
constexpr int64_t kFew = 256;            // tiles of a call, up to which the threads divide the outputs
constexpr int64_t kGroup = 32;           // tiles of a product: two of AMX's rows
constexpr int64_t kGap = 32;             // elements between the spots' matrices, which else would meet on the same lines of the cache

struct Tiles {
  int64_t down, across;
  explicit Tiles(const Shape& s) : down((s.out_height() + 1) / 2), across((s.out_width() + 1) / 2) {}
  int64_t a_picture() const { return down * across; }
};

// Where a tile's outputs are: the picture, and the upper left one.
struct Corner {
  int64_t picture, y, x;
  Corner(const Tiles& tiles, int64_t tile) : picture(tile / tiles.a_picture()), y(tile / tiles.across % tiles.down * 2), x(tile % tiles.across * 2) {}
  void advance(const Tiles& tiles) {
    if ((x += 2) < 2 * tiles.across) return;
    x = 0;
    if ((y += 2) < 2 * tiles.down) return;
    y = 0;
    picture++;
  }
};

// Of 32 channels, windows and weights have the even ones first: to float32 a vector of bfloat16 is then shifted and masked, no more.
constexpr int64_t kOddMask = 0xffff0000;
constexpr int64_t channel_at(int64_t place) { return place % kSide * 2 + place / kSide; }
FEWLABELS_AMX FEWLABELS_INLINE __m512i even_first(__m512i channels) {
  alignas(64) static constexpr uint16_t order[kDeep] = {0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31};
  return _mm512_permutexvar_epi16(_mm512_load_si512(order), channels);
}

// Weights [outputs][9][channels] of float32, as the operator has them.
struct FloatWeights {
  const float* data;
  int64_t channels;
  bool turned;

  // G g G' of 16 neighboring channels of an output, to store(spot, values).
  template <typename Store>
  FEWLABELS_AMX FEWLABELS_INLINE void transform(int64_t output, int64_t channel, const Store& store) const {
    const int64_t step = turned ? -channels : channels;
    const float* from = data + (output * 9 + (turned ? 8 : 0)) * channels + channel;
    winograd::transform<3, 4, Two::weights>([&](int i, int j) FEWLABELS_AMX { return winograd::get(from + (3 * i + j) * step); },
                                            [&](int i, int j, Floats value) FEWLABELS_AMX { store(4 * i + j, value); });
  }
};

// Those of a convolution's 32 outputs: to [spots][channels / 32][2][16 pairs of channels][16 outputs][2].
FEWLABELS_AMX void pack_weights(const FloatWeights& w, const Shape& s, int64_t output, uint16_t* to) {
  alignas(64) float rows[kSpots][kSide][kDeep];  // 32 channels of 16 outputs; of the way back, 16 outputs of 32 channels
  const auto rounded = [&](int64_t spot, int64_t row) FEWLABELS_AMX {
    return (__m512i)_mm512_cvtne2ps_pbh(_mm512_load_ps(&rows[spot][row][kSide]), _mm512_load_ps(&rows[spot][row][0]));
  };
  for (int64_t c = 0; c < s.channels; c += kDeep)
    for (int64_t half = 0; half < kDeep; half += kSide, to += kTile) {
      for (int64_t i = 0; i < kDeep; i++) {
        const int64_t row = i / 2, side = i % 2 * kSide;
        const auto put = [&](int64_t spot, Floats value) FEWLABELS_AMX { winograd::put(&rows[spot][row][side], value); };
        if (w.turned) w.transform(c + channel_at(i), output + half, put);
        else w.transform(output + half + row, c + side, put);
      }
      for (int64_t spot = 0; spot < kSpots; spot++) {
        uint16_t* out = to + spot * s.channels * kDeep;
        __m512i r[kSide];
#pragma GCC unroll 16
        for (int64_t i = 0; i < kSide; i++) r[i] = w.turned ? pair_halves(rounded(spot, i)) : even_first(rounded(spot, i));
        if (!w.turned) store_transposed(r, out);
        else
          for (int64_t i = 0; i < kSide; i++) _mm512_store_si512(out + i * kDeep, r[i]);
      }
    }
}

// Some tiles: their windows, in [spots][channels / 32][room][32].
struct Block {
  const uint16_t* x;
  uint16_t* y;
  const Shape& s;
  Tiles tiles;
  int64_t room, spot, first = 0, count = 0;
  Memory windows, zeros;

  // What the products of 32 outputs are: [spots][room + 1][32].
  struct Results {
    int64_t spot;
    MemoryOf<float> memory;
    explicit Results(const Block& block) : spot((block.room + 1) * kDeep), memory(kSpots * spot) {}
  };

  Block(const uint16_t* x, uint16_t* y, const Shape& s, int64_t count)
      : x(x), y(y), s(s), tiles(s), room((count + kGroup - 1) / kGroup * kGroup), spot(room * s.channels + kGap), windows(kSpots * spot), zeros(s.channels) {
    std::memset(zeros.data, 0, sizeof(uint16_t) * s.channels);
  }

  // B' d B.
  FEWLABELS_AMX void fill(int64_t from, int64_t to) {
    first = from;
    count = to - from;
    Corner corner(tiles, first);
    for (int64_t t = 0; t < count; t++, corner.advance(tiles)) {
      const uint16_t* d[4][4];
      for (int64_t i = 0; i < 4; i++)
        for (int64_t j = 0; j < 4; j++) {
          const uint16_t* pixel = s.pixel(x, corner.picture, corner.y + i - s.padding, corner.x + j - s.padding);
          d[i][j] = pixel ? pixel : zeros.data;
        }
      for (int64_t c = 0; c < s.channels; c += kDeep) {
        uint16_t* out = windows.data + (c / kDeep * room + t) * kDeep;
        const auto put = [=](int64_t side) FEWLABELS_AMX {
          return [=](int i, int j, Floats value) FEWLABELS_AMX { _mm256_store_si256(reinterpret_cast<__m256i*>(out + (4 * i + j) * spot + side), (__m256i)_mm512_cvtneps_pbh(value)); };
        };
        winograd::transform<4, 4, Two::window>([&](int i, int j) FEWLABELS_AMX { return (Floats)_mm512_slli_epi32(_mm512_loadu_si512(d[i][j] + c), 16); }, put(0));
        winograd::transform<4, 4, Two::window>([&](int i, int j) FEWLABELS_AMX { return (Floats)_mm512_and_si512(_mm512_loadu_si512(d[i][j] + c), _mm512_set1_epi32(kOddMask)); }, put(kSide));
      }
    }
  }

  FEWLABELS_AMX void multiply(const uint16_t* weights, const Results& results, int64_t output) const {
    const TilesInUse in_use(has_tiles());
    for (int64_t k = 0; k < kSpots; k++) {
      const uint16_t *a = windows.data + k * spot, *b = weights + k * s.channels * kDeep;
      for (int64_t t = 0; t < count; t += kGroup)
        sum_products<2 * kTile>(in_use, true, results.memory.data + k * results.spot + t * kDeep, 128, kSide, kSide * kDeep, [&](const auto& add) FEWLABELS_AMX {
          add({a + t * kDeep, a + (t + kSide) * kDeep, room * kDeep}, {b, b + kTile, 2 * kTile}, s.channels / kDeep);
        });
    }
    write(results, output);
  }

  // y = A' m A.
  FEWLABELS_AMX void write(const Results& results, int64_t output) const {
    const float* m = results.memory.data;
    Corner corner(tiles, first);
    for (int64_t t = 0; t < count; t++, m += kDeep, corner.advance(tiles)) {
      Floats sums[2][2][2];
#pragma GCC unroll 2
      for (int64_t half = 0; half < 2; half++)
        winograd::transform<4, 2, Two::results>([&](int i, int j) FEWLABELS_AMX { return winograd::get(m + (4 * i + j) * results.spot + half * kSide); },
                                                [&](int i, int j, Floats value) FEWLABELS_AMX { sums[i][j][half] = value; });
      uint16_t* to = y + ((corner.picture * s.out_height() + corner.y) * s.out_width() + corner.x) * s.outputs + output;
#pragma GCC unroll 2
      for (int64_t i = 0; i < 2; i++)
#pragma GCC unroll 2
        for (int64_t j = 0; j < 2; j++)
          if (corner.y + i < s.out_height() && corner.x + j < s.out_width())
            _mm512_storeu_si512(to + (i * s.out_width() + j) * s.outputs, (__m512i)_mm512_cvtne2ps_pbh(sums[i][j][1], sums[i][j][0]));
    }
  }
};

}  // namespace

bool winograd_pays(const Shape& s) {
  static const bool asked = [] {
    const char* value = std::getenv("FEWLABELS_WINOGRAD");
    return !value || *value != '0';
  }();
  const int64_t least = has_tiles() ? kLeast : kLeastByDots, spots = kSpots * Tiles(s).a_picture(), outputs = s.out_height() * s.out_width();
  return asked && s.kernel == 3 && s.channels >= least && s.outputs >= least && 3 * spots <= 2 * 9 * outputs;
}

void convolve_in_tiles(const uint16_t* x, const at::Tensor& weight, bool turned, const Shape& s, uint16_t* y) {
  const at::Tensor floats = weight.to(at::kFloat).contiguous(at::MemoryFormat::ChannelsLast);
  const FloatWeights w{floats.data_ptr<float>(), weight.size(1), turned};
  const int64_t tiles = s.count * Tiles(s).a_picture(), at_a_time = has_tiles() ? kAtATime : kAtATimeByDots,
                room = std::max(at_a_time / (kSpots * s.channels) / kGroup, int64_t{1}) * kGroup;
  in_blocks<Block>(
      tiles, tiles <= kFew, room, s.outputs, kSpots * s.channels * kDeep, [&](int64_t count) { return Block(x, y, s, count); },
      [&](int64_t output, uint16_t* to) { pack_weights(w, s, output, to); });
}

}  // namespace fewlabels::bf16
#endif
