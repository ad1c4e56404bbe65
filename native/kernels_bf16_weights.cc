// The gradient of a convolution's weights in bfloat16: a product of matrices a tap, summed over the positions of a batch. One is the outputs' gradient, turned; the other what
// the tap reads, in pairs of positions. Pictures wide enough lie padded in two copies that serve all taps, one for even shifts and one for odd; of narrow ones most
// positions would be padding, so each tap has a copy of its own there. The sums are float32.
// Work is cut by the shape alone and partial sums are joined in order: the bits do not depend on the number of threads.
#include "bf16_conv.h"

#if defined(__x86_64__) && defined(__linux__)
#include "bf16_window.h"
#include "bf16_products.h"

#include <vector>

namespace fewlabels::bf16 {
namespace {

constexpr int64_t kAtATime = 384 << 10;     // elements that a thread works on: about half of a second-level cache of 2 MB
constexpr int64_t kAllParts = 4 << 20;      // floats of all partial sums
constexpr int64_t kPositionsOfPart = 512;   // at least
constexpr int64_t kItems = 16;              // pieces of work, about
constexpr int64_t kNarrow = 12;             // outputs in a row below which each tap has a copy

int64_t whole(int64_t positions) { return (positions + kDeep - 1) / kDeep * kDeep; }
int64_t over(int64_t count, int64_t by) { return (count + by - 1) / by; }

struct Cut {
  Shape s;
  bool narrow;
  int64_t channels;  // of the input, of a piece of work
  int64_t ranges;    // of so many channels
  int64_t rows;      // of outputs, at a time
  int64_t room;      // positions of so many rows
  int64_t parts;     // of the batch's rows
  int64_t share;     // rows of a part

  explicit Cut(const Shape& shape) : s(shape) {
    narrow = s.kernel == 1 || s.out_width() < kNarrow;
    channels = std::min<int64_t>(64, s.channels);
    ranges = over(s.channels, channels);
    rows = in_pictures(std::clamp<int64_t>(kAtATime / (s.pitch() * (s.outputs + copies() * channels)), 1, s.rows()));
    const int64_t pictures = rows / s.out_height() + 2;
    room = narrow ? whole(rows * s.out_width()) + kDeep : whole((rows + 2 * pictures * s.kernel) * s.pitch()) + pictures * kDeep;
    const int64_t most = std::max<int64_t>(1, std::min({kAllParts / size(), s.rows() * s.out_width() / kPositionsOfPart, over(kItems, ranges)}));
    share = in_pictures(over(s.rows(), most));
    parts = over(s.rows(), share);
  }
  int64_t in_pictures(int64_t count) const { return count < s.out_height() ? count : count / s.out_height() * s.out_height(); }
  int64_t copies() const { return narrow ? s.taps() : 2; }
  int64_t size() const { return s.taps() * s.channels * s.outputs; }
  // Where the sums of a tile of each are: [taps][channels / 16][outputs / 16][16 outputs][16 channels].
  int64_t sums_at(int64_t tap, int64_t c, int64_t o) const { return ((tap * (s.channels / kSide) + c) * (s.outputs / kSide) + o) * kSums; }
};

// Which pixels some rows have at their positions.
struct Positions {
  struct Run {
    int64_t first, chunks;  // of 32 positions, that have outputs
  };
  std::vector<const uint16_t*> input[9], grad;
  std::vector<Run> runs;
};

Positions positions_of(const Cut& cut, const uint16_t* x, const uint16_t* grad, int64_t from, int64_t to) {
  const Shape& s = cut.s;
  Positions p;
  p.grad.assign(cut.room, nullptr);
  for (int64_t i = 0; i < (cut.narrow ? cut.copies() : 1); i++) p.input[i].assign(cut.room, nullptr);
  int64_t position = 0;
  each_segment(s, from, to, [&](const Segment& segment) {
    const int64_t pitch = cut.narrow ? s.out_width() : s.pitch();
    const uint16_t* gradients = grad + (segment.picture * s.out_height() + segment.y) * s.out_width() * s.outputs;
    for (int64_t i = 0; i < segment.rows; i++)
      for (int64_t j = 0; j < s.out_width(); j++, gradients += s.outputs) {
        const int64_t here = position + i * pitch + j;
        p.grad[here] = gradients;
        if (cut.narrow)
          for (int64_t tap = 0; tap < s.taps(); tap++)
            p.input[tap][here] = s.pixel(x, segment.picture, segment.y + i + tap / s.kernel - s.padding, j + tap % s.kernel - s.padding);
      }
    if (cut.narrow) {
      position += segment.rows * pitch;
      return;
    }
    const int64_t below = segment.rows + s.kernel - 1;
    for (int64_t i = 0; i < below; i++)
      for (int64_t j = 0; j < pitch; j++) p.input[0][position + i * pitch + j] = s.pixel(x, segment.picture, segment.y + i - s.padding, j - s.padding);
    p.runs.push_back({position / kDeep, over(segment.rows * pitch, kDeep)});
    position += whole(below * pitch);
  });
  if (cut.narrow) p.runs.push_back({0, over(position, kDeep)});
  return p;
}

// What a thread works in.
struct Orders {
  Memory windows, turned;
  explicit Orders(const Cut& cut) : windows(cut.copies() * cut.channels * cut.room), turned(cut.s.outputs * cut.room) {}
};

// The sums of channels from `first` on, over some rows; they begin with these or grow by them.
FEWLABELS_AMX void add_rows(const Cut& cut, const Positions& p, int64_t first, bool begin, const Orders& orders, float* sums) {
  const Shape& s = cut.s;
  const int64_t wide = std::min(cut.channels, s.channels - first), pairs = cut.room / 2, copy = cut.channels * cut.room;
  for (int64_t i = 0; i < cut.copies(); i++)
    pair_positions(cut.narrow ? p.input[i].data() : p.input[0].data() + i, pairs - 1, first, wide, pairs, orders.windows.data + i * copy);
  for (const auto& run : p.runs)
    turn_positions(p.grad.data() + run.first * kDeep, run.chunks, s.outputs, cut.room / kDeep, orders.turned.data + run.first * kTile);
  const int64_t right = s.outputs / kSide * kSums;
  const TilesInUse in_use(has_tiles());
  for (int64_t c = 0; c < wide / kSide; c += 2)
    for (int64_t o = 0; o < s.outputs / kSide; o += 2)
      for (int64_t tap = 0; tap < s.taps(); tap++) {
        float* to = sums + cut.sums_at(tap, first / kSide + c, o);
        const int64_t shift = cut.narrow ? 0 : s.shift(tap);
        const uint16_t* a = orders.turned.data + o * cut.room * kSide;
        const uint16_t* b = orders.windows.data + (cut.narrow ? tap : shift % 2) * copy + (c * pairs + shift / 2) * kDeep;
        sum_products(in_use, begin, to, 64, right, kSums, [&](const auto& add) FEWLABELS_AMX {
          for (const auto& run : p.runs) {
            const int64_t at = run.first * kTile;
            add({a + at, a + at + cut.room * kSide, kTile}, {b + at, b + at + pairs * kDeep, kTile}, run.chunks);
          }
        });
      }
}

// to [outputs][taps][channels] = the sum of the parts.
void join(const float* sums, const Cut& cut, float* to) {
  const Shape& s = cut.s;
  at::parallel_for(0, s.outputs / kSide * s.taps(), 4, [&](int64_t from, int64_t end) {
    for (int64_t i = from; i < end; i++)
      for (int64_t c = 0; c < s.channels / kSide; c++) {
        const int64_t o = i / s.taps(), tap = i % s.taps();
        alignas(64) float sum[kSums];
        std::copy_n(sums + cut.sums_at(tap, c, o), kSums, sum);
        for (int64_t part = 1; part < cut.parts; part++) {
          const float* more = sums + part * cut.size() + cut.sums_at(tap, c, o);
          for (int64_t k = 0; k < kSums; k++) sum[k] += more[k];
        }
        for (int64_t r = 0; r < kSide; r++) std::copy_n(sum + r * kSide, kSide, to + ((o * kSide + r) * s.taps() + tap) * s.channels + c * kSide);
      }
  });
}

}  // namespace

at::Tensor weight_gradient(const at::Tensor& grad, const at::Tensor& x, const at::Tensor& weight, int64_t padding) {
  const Cut cut(Shape(x, weight.size(0), weight.size(2), padding));
  const auto* pictures = static_cast<const uint16_t*>(x.data_ptr());
  const auto* gradients = static_cast<const uint16_t*>(grad.data_ptr());
  const auto floats = at::TensorOptions().dtype(at::kFloat);
  const at::Tensor sums = at::empty({cut.parts, cut.size()}, floats);
  share_out(cut.parts * cut.ranges, [&] {
    return [&, orders = Orders(cut)](int64_t item) {
      const int64_t part = item / cut.ranges, begin = part * cut.share, end = std::min(cut.s.rows(), begin + cut.share);
      for (int64_t row = begin; row < end; row += cut.rows) {
        const Positions p = positions_of(cut, pictures, gradients, row, std::min(end, row + cut.rows));
        add_rows(cut, p, item % cut.ranges * cut.channels, row == begin, orders, sums.data_ptr<float>() + part * cut.size());
      }
    };
  });
  const at::Tensor dweight = at::empty(weight.sizes(), floats.memory_format(at::MemoryFormat::ChannelsLast));
  join(sums.data_ptr<float>(), cut, dweight.data_ptr<float>());
  return dweight.to(weight.scalar_type());
}

}  // namespace fewlabels::bf16
#endif
