// Convolutions in bfloat16 of whole batches, by AMX (amx_tiles.h) or, where there is none, by AVX-512's dot products (bf16_products.h); the gradient of the weights is in kernels_bf16_weights.cc.
// An output is always the same sum in the same order: no bit depends on the number of threads or on the batch around a picture.
#include "bf16_conv.h"

#if defined(__x86_64__) && defined(__linux__)
#include "bf16_products.h"
#include "bf16_winograd.h"

#include <ATen/ops/conv2d.h>

#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>
#include <vector>

namespace fewlabels::bf16 {
namespace {

constexpr int64_t kAtATime = 192 << 10;  // elements of inputs that a thread works on: they stay in its second-level cache
constexpr int64_t kFew = 1024;           // outputs of a channel, up to which the threads divide the channels

// 16 outputs in a row of a window: where the window has the first, and where in the batch it is.
struct Tile {
  int64_t position, row, column, end;  // end: of the segment's rows
};

// A tile's outputs of 32 channels.
FEWLABELS_AMX void store_tile(const Tile& tile, const Shape& s, const float* sums, uint16_t* y) {
  if (tile.column + kSide <= s.out_width()) {
    y += (tile.row * s.out_width() + tile.column) * s.outputs;
    for (int64_t r = 0; r < kSide; r++) round_row(sums + r * kDeep, y + r * s.outputs);
    return;
  }
  int64_t row = tile.row, column = tile.column;
  for (int64_t r = 0; r < kSide && row < tile.end; r++, sums += kDeep) {
    if (column < s.out_width()) round_row(sums, y + (row * s.out_width() + column) * s.outputs);
    if (++column == s.pitch()) {
      column = 0;
      row++;
    }
  }
}

// Some rows of outputs: what they read, and their tiles. Where a picture's width is no multiple of 16 a tile goes on in the next row, over the padding.
struct Block {
  const uint16_t* x;
  uint16_t* y;
  const Shape& s;
  int64_t room;
  Memory window;
  std::vector<Tile> tiles;
  struct Results {
    explicit Results(const Block&) {}  // they need no memory but the stack
  };

  // For up to `rows` rows.
  Block(const uint16_t* x, uint16_t* y, const Shape& s, int64_t rows)
      : x(x), y(y), s(s), room((rows + (rows / s.out_height() + 2) * (s.kernel - 1)) * s.pitch() + 2 * kSide), window(s.channels * room) {}

  FEWLABELS_AMX void fill(int64_t from, int64_t to) {
    tiles.clear();
    int64_t position = 0;
    each_segment(s, from, to, [&](const Segment& segment) FEWLABELS_AMX {
      copy_window(x, s, segment, position, room, window.data);
      const int64_t first = segment.picture * s.out_height() + segment.y, end = first + segment.rows;
      if (s.out_width() % kSide == 0) {
        for (int64_t row = 0; row < segment.rows; row++)
          for (int64_t column = 0; column < s.out_width(); column += kSide) tiles.push_back({position + row * s.pitch() + column, first + row, column, end});
      } else {
        for (int64_t at = 0; at < (segment.rows - 1) * s.pitch() + s.out_width(); at += kSide)
          tiles.push_back({position + at, first + at / s.pitch(), at % s.pitch(), end});
      }
      position += (segment.rows + s.kernel - 1) * s.pitch();
    });
  }

  FEWLABELS_AMX void multiply(const uint16_t* weights, const Results&, int64_t output) const {
    alignas(64) float sums[4 * kSums];
    const TilesInUse in_use(has_tiles());
    const int64_t deep = s.channels / kDeep;
    for (size_t i = 0; i < tiles.size(); i += 2) {
      const Tile &one = tiles[i], &other = tiles[std::min(i + 1, tiles.size() - 1)];
      sum_products(in_use, true, sums, 128, kSide, 2 * kSums, [&](const auto& add) FEWLABELS_AMX {
        const uint16_t* b = weights;
        for (int64_t tap = 0; tap < s.taps(); tap++, b += deep * 2 * kTile) {
          const uint16_t* a = window.data + s.shift(tap) * kDeep;
          add({a + one.position * kDeep, a + other.position * kDeep, room * kDeep}, {b, b + kTile, 2 * kTile}, deep);
        }
      });
      store_tile(one, s, sums, y + output);
      if (&other != &one) store_tile(other, s, sums + 2 * kSums, y + output);
    }
  }
};

at::Tensor convolved(const at::Tensor& x, const at::Tensor& weight, bool turned, int64_t padding) {
  const Shape s(x, weight.size(turned ? 1 : 0), weight.size(2), padding);
  const at::Tensor results = at::empty({s.count, s.outputs, s.out_height(), s.out_width()}, x.options().memory_format(at::MemoryFormat::ChannelsLast));
  const auto* pictures = static_cast<const uint16_t*>(x.data_ptr());
  auto* y = static_cast<uint16_t*>(results.data_ptr());
  if (winograd_pays(s)) {
    convolve_in_tiles(pictures, weight, turned, s, y);
    return results;
  }
  const at::Tensor lower = weight.to(at::kBFloat16).contiguous(at::MemoryFormat::ChannelsLast);
  const Weights w{static_cast<const uint16_t*>(lower.data_ptr()), weight.size(0), weight.size(1), s.taps()};
  const int64_t fair = s.rows() / (4 * at::get_num_threads()), rows = std::clamp<int64_t>(std::min(fair, kAtATime / (s.pitch() * s.channels)), 1, s.rows());
  in_blocks<Block>(
      s.rows(), s.rows() * s.out_width() <= kFew, rows, s.outputs, s.taps() * s.channels * kDeep, [&](int64_t room) { return Block(pictures, y, s, room); },
      [&](int64_t output, uint16_t* to) { turned ? pack_turned_weights(w, output, to) : pack_weights(w, output, to); });
  return results;
}

// Linux lends the tiles' registers to processes that ask for them.
bool asks_for_tiles() {
  constexpr int kAsk = 0x1023, kTiles = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  return syscall(SYS_arch_prctl, kAsk, kTiles) == 0;
}

bool is_there() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  const bool tiles = __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d >> 22 & 1) && (d >> 24 & 1);  // bfloat16, and tiles
  const bool bfloat16 = __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a >> 5 & 1);                 // of AVX-512
  return tiles && bfloat16;
}

bool is(const char* variable, char wanted) {
  const char* value = std::getenv(variable);
  return value && *value == wanted;
}

}  // namespace

bool has_tiles() {
  static const bool has = is_there() && !is("FEWLABELS_AMX", '0') && __builtin_cpu_supports("avx512bw") && asks_for_tiles();
  return has;
}

bool fits_processor() {
  static const bool fits = [] {
    if (has_tiles()) return true;
    // Of AMX that is switched off oneDNN's remains.
    if (is("FEWLABELS_WINOGRAD", '0') || (is_there() && !is("FEWLABELS_WINOGRAD", '1'))) return false;
    return __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
  }();
  return fits;
}

bool serves(const at::Tensor& x, const at::Tensor& weight, int64_t padding) {
  const auto whole = [](int64_t channels) { return channels > 0 && channels % kDeep == 0; };
  const auto takes = [](const at::Tensor& t) { return t.is_cpu() && t.dim() == 4 && (t.scalar_type() == at::kFloat || t.scalar_type() == at::kBFloat16); };
  if (!takes(x) || !takes(weight)) return false;
  const int64_t kernel = weight.size(2);
  if (weight.size(3) != kernel || (kernel != 1 && kernel != 3) || weight.size(1) != x.size(1) || !whole(x.size(1)) || !whole(weight.size(0))) return false;
  if (padding < 0 || padding >= kernel || x.size(0) == 0 || x.size(2) + 2 * padding < kernel || x.size(3) + 2 * padding < kernel) return false;
  return x.is_contiguous(at::MemoryFormat::ChannelsLast) && fits_processor();
}

// Of a single pixel each, oneDNN's need no copy of it.
at::Tensor convolve(const at::Tensor& x, const at::Tensor& weight, int64_t padding) {
  return weight.size(2) == 1 ? at::conv2d(x, weight.to(at::kBFloat16), {}, 1, padding) : convolved(x, weight, false, padding);
}

// Each input feeds the outputs around it: a convolution too.
at::Tensor input_gradient(const at::Tensor& grad, const at::Tensor& weight, int64_t padding) {
  return convolved(grad, weight, true, weight.size(2) - 1 - padding);
}

}  // namespace fewlabels::bf16

#else  // other processors: oneDNN's

namespace fewlabels::bf16 {
bool has_tiles() { return false; }
bool fits_processor() { return false; }
bool serves(const at::Tensor&, const at::Tensor&, int64_t) { return false; }
at::Tensor convolve(const at::Tensor& x, const at::Tensor&, int64_t) { return x; }
at::Tensor input_gradient(const at::Tensor& grad, const at::Tensor&, int64_t) { return grad; }
at::Tensor weight_gradient(const at::Tensor& grad, const at::Tensor&, const at::Tensor&, int64_t) { return grad; }
}  // namespace fewlabels::bf16

#endif
