// Strong views: a list of image operations for each row of a batch, on bytes, between a crop before and a crop after;
// then normalization. Which operations, and how strong, is decided by the caller (src/augment/): here they are carried
// out. Rounding follows the Python imaging library, whose results test/reference/image-ops.json holds.
#include "compat.h"
#include "image_desk.h"
#include "photo_ops.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <torch/library.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>
#include <vector>

namespace fewlabels {
namespace {

// The numbers of src/torch/kernels.ts, `imageOps`.
enum Op : int64_t { kNothing, kAutocontrast, kEqualize, kInvert, kPosterize, kSolarize, kColor, kContrast, kBrightness, kSharpness, kNearest, kBicubic, kBox, kHole, kResizedCrop, kHue, kBlur, kOpCount };
constexpr int64_t kArguments = 6;  // per operation

struct Move {
  int64_t dy, dx;
  bool flip, reflect;
};

// positions[i], 0 <= i < n = where position i of a line of n pixels comes from, -1 = outside; reflection does not repeat the end pixel.
void line_sources(std::vector<int32_t>& positions, int64_t n, int64_t shift, bool flip, bool reflect) {
  positions.resize(n);
  const int64_t period = std::max<int64_t>(1, 2 * (n - 1));
  for (int64_t i = 0; i < n; i++) {
    int64_t from = (flip ? n - 1 - i : i) + shift;
    if (reflect) {
      from = ((from % period) + period) % period;
      if (from >= n) from = period - from;
    } else if (from < 0 || from >= n) {
      from = -1;
    }
    positions[i] = static_cast<int32_t>(from);
  }
}

void load(Desk& desk, const uint8_t* in, const Move& move, const Rules& rules) {
  std::memset(desk.mask(), 0, desk.area);
  if (move.dy == 0 && move.dx == 0 && !move.flip) {
    std::memcpy(desk.now.data(), in, desk.channels * desk.area);
    return;
  }
  line_sources(desk.columns, desk.width, move.dx, move.flip, move.reflect);
  line_sources(desk.lines, desk.height, move.dy, false, move.reflect);
  for (int64_t c = 0; c < desk.channels; c++)
    for (int64_t y = 0; y < desk.height; y++) {
      uint8_t* out = desk.plane(c) + y * desk.width;
      const uint8_t* line = in + c * desk.area + desk.lines[y] * desk.width;
      for (int64_t x = 0; x < desk.width; x++) out[x] = desk.lines[y] < 0 || desk.columns[x] < 0 ? rules.fill[c] : line[desk.columns[x]];
    }
}

// To floats, channels last. A hole becomes `hole[c]`.
void unload(Desk& desk, float* out, const Move& move, const Rules& rules, const float* scale, const float* offset, bool per_image, const float* hole) {
  line_sources(desk.columns, desk.width, move.dx, move.flip, move.reflect);
  line_sources(desk.lines, desk.height, move.dy, false, move.reflect);
  for (int64_t c = 0; c < desk.channels; c++) {
    const float a = scale[per_image ? 0 : c], b = offset[per_image ? 0 : c];
    const float outside = static_cast<float>(rules.fill[c]) * a + b;
    for (int64_t y = 0; y < desk.height; y++) {
      float* to = out + y * desk.width * desk.channels + c;
      const uint8_t* line = desk.plane(c) + desk.lines[y] * desk.width;
      const uint8_t* holes = desk.mask() + desk.lines[y] * desk.width;
      for (int64_t x = 0; x < desk.width; x++) {
        const int32_t from = desk.columns[x];
        to[x * desk.channels] = desk.lines[y] < 0 || from < 0 ? outside : holes[from] ? hole[c] : static_cast<float>(line[from]) * a + b;
      }
    }
  }
}

// One step from the degenerate image toward the image and beyond, in float, cut off (not rounded).
inline uint8_t blend(int degenerate, int pixel, float factor) {
  const float value = static_cast<float>(degenerate) + factor * static_cast<float>(pixel - degenerate);
  return static_cast<uint8_t>(value <= 0.0f ? 0.0f : value >= 255.0f ? 255.0f : value);
}

template <typename F>
void look_up(Desk& desk, int64_t c, const F& of) {
  uint8_t table[256];
  for (int v = 0; v < 256; v++) table[v] = of(v);
  uint8_t* p = desk.plane(c);
  for (int64_t i = 0; i < desk.area; i++) p[i] = table[p[i]];
}

void count(const uint8_t* p, int64_t n, int64_t histogram[256]) {
  std::fill(histogram, histogram + 256, 0);
  for (int64_t i = 0; i < n; i++) histogram[p[i]]++;
}

void autocontrast(Desk& desk) {
  for (int64_t c = 0; c < desk.channels; c++) {
    const auto [low, high] = std::minmax_element(desk.plane(c), desk.plane(c) + desk.area);
    const int lo = *low, hi = *high;
    if (hi <= lo) continue;
    const double scale = 255.0 / (hi - lo), offset = -lo * scale;
    look_up(desk, c, [&](int v) { return clip(v * scale + offset); });
  }
}

void equalize(Desk& desk) {
  for (int64_t c = 0; c < desk.channels; c++) {
    int64_t histogram[256];
    count(desk.plane(c), desk.area, histogram);
    int last = 255;
    while (last > 0 && histogram[last] == 0) last--;
    const int64_t step = (desk.area - histogram[last]) / 255;
    if (step == 0) continue;
    int64_t before = step / 2;
    look_up(desk, c, [&](int v) {
      const int64_t level = before / step;
      before += histogram[v];
      return static_cast<uint8_t>(std::min<int64_t>(255, level));
    });
  }
}

// ITU-R 601 luma in 16-bit fixed point.
inline int luminance(int r, int g, int b) { return (r * 19595 + g * 38470 + b * 7471 + 0x8000) >> 16; }

void color(Desk& desk, float factor) {
  if (desk.channels != 3) return;
  uint8_t *r = desk.plane(0), *g = desk.plane(1), *b = desk.plane(2);
  for (int64_t i = 0; i < desk.area; i++) {
    const int gray = luminance(r[i], g[i], b[i]);
    r[i] = blend(gray, r[i], factor);
    g[i] = blend(gray, g[i], factor);
    b[i] = blend(gray, b[i], factor);
  }
}

void contrast(Desk& desk, float factor) {
  int64_t sum = 0;
  const uint8_t* r = desk.plane(0);
  if (desk.channels == 3) {
    const uint8_t *g = desk.plane(1), *b = desk.plane(2);
    for (int64_t i = 0; i < desk.area; i++) sum += luminance(r[i], g[i], b[i]);
  } else {
    for (int64_t i = 0; i < desk.area; i++) sum += r[i];
  }
  const int mean = static_cast<int>(static_cast<double>(sum) / static_cast<double>(desk.area) + 0.5);
  for (int64_t c = 0; c < desk.channels; c++) look_up(desk, c, [&](int v) { return blend(mean, v, factor); });
}

void sharpness(Desk& desk, float factor) {
  const int64_t w = desk.width;
  for (int64_t c = 0; c < desk.channels; c++) {
    const uint8_t* in = desk.plane(c);
    uint8_t* out = desk.next.data() + c * desk.area;
    std::memcpy(out, in, desk.area);  // the border stays
    for (int64_t y = 1; y + 1 < desk.height; y++)
      for (int64_t x = 1; x + 1 < w; x++) {
        const uint8_t* p = in + y * w + x;
        const int sum = p[-w - 1] + p[-w] + p[-w + 1] + p[-1] + 5 * p[0] + p[1] + p[w - 1] + p[w] + p[w + 1];
        out[y * w + x] = blend((sum + 6) / 13, p[0], factor);
      }
  }
  std::memcpy(desk.next.data() + desk.channels * desk.area, desk.mask(), desk.area);
  desk.now.swap(desk.next);
}

// Pixel (x, y) shows the point (m0 (x + 1/2) + m1 (y + 1/2) + m2, m3 ... + m5) of the picture.
void nearest(Desk& desk, const double* m, const Rules& rules) {
  const auto fixed = [](double v) { return static_cast<int64_t>(std::floor(v * 65536.0 + 0.5)); };
  const int64_t ax = fixed(m[0]), bx = fixed(m[1]), ay = fixed(m[3]), by = fixed(m[4]);
  int64_t x0 = fixed(m[2] + m[0] * 0.5 + m[1] * 0.5), y0 = fixed(m[5] + m[3] * 0.5 + m[4] * 0.5);
  int32_t* source = desk.source.data();
  for (int64_t y = 0; y < desk.height; y++, x0 += bx, y0 += by) {
    int64_t sx = x0, sy = y0;
    for (int64_t x = 0; x < desk.width; x++, sx += ax, sy += ay) {
      const int64_t column = sx >> 16, line = sy >> 16;
      const bool inside = column >= 0 && column < desk.width && line >= 0 && line < desk.height;
      *source++ = inside ? static_cast<int32_t>(line * desk.width + column) : -1;
    }
  }
  for (int64_t c = 0; c <= desk.channels; c++) {
    const uint8_t outside = c < desk.channels ? rules.fill[c] : rules.fill_is_hole;
    const uint8_t* in = desk.plane(c);
    uint8_t* out = desk.next.data() + c * desk.area;
    for (int64_t i = 0; i < desk.area; i++) out[i] = desk.source[i] < 0 ? outside : in[desk.source[i]];
  }
  desk.now.swap(desk.next);
}

// The cubic through v1 and v2 (at 0 and 1) with slopes v2 - v0 and v3 - v1.
inline double cubic(double v0, double v1, double v2, double v3, double t) {
  const double slope = -v0 + v2;
  const double square = 2 * (v0 - v1) + v2 - v3;
  const double cube = -v0 + v1 - v2 + v3;
  return v1 + t * (slope + t * (square + t * cube));
}

void bicubic(Desk& desk, const double* m, const Rules& rules) {
  const int64_t w = desk.width, h = desk.height;
  for (int64_t y = 0; y < h; y++)
    for (int64_t x = 0; x < w; x++) {
      const double px = x + 0.5, py = y + 0.5;
      const double sx = m[0] * px + m[1] * py + m[2], sy = m[3] * px + m[4] * py + m[5];
      uint8_t* out = desk.next.data() + y * w + x;
      if (sx < 0 || sx >= w || sy < 0 || sy >= h) {
        for (int64_t c = 0; c < desk.channels; c++) out[c * desk.area] = rules.fill[c];
        out[desk.channels * desk.area] = rules.fill_is_hole;
        continue;
      }
      const auto left = static_cast<int64_t>(std::floor(sx - 0.5)), top = static_cast<int64_t>(std::floor(sy - 0.5));
      const double tx = sx - 0.5 - left, ty = sy - 0.5 - top;
      int64_t columns[4], lines[4];
      for (int64_t k = 0; k < 4; k++) {
        columns[k] = std::clamp<int64_t>(left - 1 + k, 0, w - 1);
        lines[k] = std::clamp<int64_t>(top - 1 + k, 0, h - 1) * w;
      }
      for (int64_t c = 0; c < desk.channels; c++) {
        const auto across = [&](int64_t k) -> double {
          const uint8_t* line = desk.plane(c) + lines[k];
          return tx == 0 ? line[columns[1]] : cubic(line[columns[0]], line[columns[1]], line[columns[2]], line[columns[3]], tx);
        };
        // At 0 the cubic is its second point, exactly: shears and translations need one direction only.
        out[c * desk.area] = clip(ty == 0 ? across(1) : cubic(across(0), across(1), across(2), across(3), ty));
      }
      const auto column = std::min<int64_t>(w - 1, static_cast<int64_t>(sx)), line = std::min<int64_t>(h - 1, static_cast<int64_t>(sy));
      out[desk.channels * desk.area] = desk.mask()[line * w + column];
    }
  desk.now.swap(desk.next);
}

// Rows y0 .. y1 - 1 and columns x0 .. x1 - 1, as far as they are in the picture.
void box(Desk& desk, const double* a, const Rules& rules, bool hole) {
  const auto within = [](double v, int64_t n) { return static_cast<int64_t>(std::clamp(v, 0.0, static_cast<double>(n))); };
  const int64_t x0 = within(a[0], desk.width), y0 = within(a[1], desk.height);
  const int64_t x1 = within(a[2], desk.width), y1 = within(a[3], desk.height);
  if (x1 <= x0) return;
  for (int64_t y = y0; y < y1; y++) {
    for (int64_t c = 0; c < desk.channels && !hole; c++) std::memset(desk.plane(c) + y * desk.width + x0, rules.color[c], x1 - x0);
    std::memset(desk.mask() + y * desk.width + x0, hole, x1 - x0);
  }
}

void apply(Desk& desk, int64_t op, const double* a, const Rules& rules, int64_t out_height, int64_t out_width) {
  // These work on colors without transparency in the published code: what came from outside counts as picture afterwards.
  if (op >= kAutocontrast && op <= kSolarize) std::memset(desk.mask(), 0, desk.area);
  const auto factor = static_cast<float>(a[0]);
  const auto each = [&](const auto& of) {
    for (int64_t c = 0; c < desk.channels; c++) look_up(desk, c, of);
  };
  switch (op) {
    case kAutocontrast: return autocontrast(desk);
    case kEqualize: return equalize(desk);
    case kInvert: return each([](int v) { return static_cast<uint8_t>(255 - v); });
    case kPosterize: return each([&](int v) { return static_cast<uint8_t>(v & ~((1 << (8 - static_cast<int>(a[0]))) - 1)); });
    case kSolarize: return each([&](int v) { return static_cast<uint8_t>(v < a[0] ? v : 255 - v); });
    case kColor: return color(desk, factor);
    case kContrast: return contrast(desk, factor);
    case kBrightness: return each([&](int v) { return blend(0, v, factor); });
    case kSharpness: return sharpness(desk, factor);
    case kNearest: return nearest(desk, a, rules);
    case kBicubic: return bicubic(desk, a, rules);
    case kBox: return box(desk, a, rules, false);
    case kHole: return box(desk, a, rules, true);
    case kResizedCrop: return resized_crop(desk, a, out_height, out_width);
    case kHue: return hue(desk, static_cast<int>(a[0]));
    case kBlur: return blur(desk, a[0]);
    default: return;
  }
}

// moves: dy, dx, flip of each row before the operations, then dy, dx, flip after them. ops: `slots` numbers a row; arguments:
// 6 numbers an operation. scale and offset: one number per channel, or (per_image) one per row. hole: the pixel value
// that holes show (one number), or nothing for 0 in the output.
// out_size: height and width of the output (nothing: the images' own), which a kResizedCrop of each row must make if the images have another.
at::Tensor augment_images(const at::Tensor& images, at::IntArrayRef index, at::IntArrayRef moves, bool reflect_before, bool reflect_after,
                          at::IntArrayRef ops, at::ArrayRef<double> arguments, at::IntArrayRef fill, at::IntArrayRef color, bool fill_is_hole,
                          at::ArrayRef<double> hole, at::ArrayRef<double> scale, at::ArrayRef<double> offset, bool per_image, at::IntArrayRef out_size) {
  TORCH_CHECK(images.dim() == 4 && images.is_cpu() && images.is_contiguous(), "expected images [N, C, H, W], contiguous, on the CPU");
  TORCH_CHECK(images.scalar_type() == at::kByte, "expected uint8 images, got ", images.scalar_type());
  const int64_t rows = static_cast<int64_t>(index.size()), count = images.size(0), channels = images.size(1);
  const int64_t height = images.size(2), width = images.size(3), size = channels * height * width;
  TORCH_CHECK(channels == 1 || channels == 3, "expected images with 1 or 3 channels, got ", channels);
  TORCH_CHECK(size > 0 && height * width < (int64_t{1} << 30), "expected images of at least one pixel and fewer than 2^30");
  const auto expected = static_cast<size_t>(per_image ? rows : channels);
  TORCH_CHECK(scale.size() == expected && offset.size() == expected, "expected ", expected, " scales and offsets, got ", scale.size());
  TORCH_CHECK(moves.size() == 6 * index.size(), "expected 6 draws per row, got ", moves.size(), " for ", rows);
  TORCH_CHECK(rows == 0 || ops.size() % index.size() == 0, "expected as many operations in each row, got ", ops.size(), " for ", rows);
  TORCH_CHECK(arguments.size() == kArguments * ops.size(), "expected ", kArguments, " arguments per operation, got ", arguments.size());
  TORCH_CHECK(fill.size() == static_cast<size_t>(channels) && color.size() == fill.size(), "expected a fill and a color of ", channels, " numbers");
  for (const auto i : index) TORCH_CHECK(i >= 0 && i < count, "index ", i, " is outside 0..", count - 1);
  TORCH_CHECK(out_size.empty() || (out_size.size() == 2 && out_size[0] > 0 && out_size[1] > 0 && out_size[0] < 32768 && out_size[1] < 32768), "expected the height and width of the output");
  const int64_t out_height = out_size.empty() ? height : out_size[0], out_width = out_size.empty() ? width : out_size[1];
  const int64_t slots = rows == 0 ? 0 : static_cast<int64_t>(ops.size()) / rows;
  for (int64_t r = 0; r < rows; r++) {
    bool made = height == out_height && width == out_width;
    int64_t h = height, w = width;
    for (int64_t k = r * slots; k < (r + 1) * slots; k++) {
      if (ops[k] != kResizedCrop) continue;
      const double* a = arguments.data() + kArguments * k;
      TORCH_CHECK(a[0] >= 0 && a[1] >= 0 && a[2] >= a[0] + 1 && a[3] >= a[1] + 1 && a[2] <= w && a[3] <= h, "expected a box of at least one pixel in a picture of ", w, "x", h, ", got ", a[0], ", ", a[1], " to ", a[2], ", ", a[3]);
      h = out_height, w = out_width;
      made = true;
    }
    TORCH_CHECK(made, "expected a resized crop from ", width, "x", height, " to ", out_width, "x", out_height, " in row ", r);
  }
  for (size_t i = 0; i < ops.size(); i++) {
    const double a = arguments[i * kArguments];
    TORCH_CHECK(ops[i] >= 0 && ops[i] < kOpCount, "unknown image operation ", ops[i]);
    TORCH_CHECK(ops[i] != kBlur || (a >= 0 && a <= 100), "expected a deviation of 0 to 100 pixels, got ", a);
    TORCH_CHECK(ops[i] != kPosterize || (a >= 0 && a <= 8), "expected 0 to 8 bits, got ", a);
    // Fixed-point coordinates must stay far from the limits of 64 bits; NaN fails too.
    for (int64_t k = 0; k < kArguments; k++) TORCH_CHECK(std::abs(arguments[i * kArguments + k]) < 1e6, "argument ", arguments[i * kArguments + k], " is out of range");
  }
  const std::vector<float> a(scale.begin(), scale.end()), b(offset.begin(), offset.end());
  const Rules rules{{fill.begin(), fill.end()}, {color.begin(), color.end()}, fill_is_hole};
  at::Tensor out = at::empty({rows, channels, out_height, out_width}, at::TensorOptions().dtype(at::kFloat).memory_format(at::MemoryFormat::ChannelsLast));
  const uint8_t* pixels = images.data_ptr<uint8_t>();
  float* target = out.data_ptr<float>();
  at::parallel_for(0, rows, 8, [&](int64_t from, int64_t to) {
    Desk desk(channels, std::max(height * width, out_height * out_width));
    float shown[3] = {0, 0, 0};
    for (int64_t r = from; r < to; r++) {
      const float* s = per_image ? &a[r] : a.data();
      const float* o = per_image ? &b[r] : b.data();
      const int64_t* move = moves.data() + 6 * r;
      desk.reshape(height, width);
      load(desk, pixels + index[r] * size, {move[0], move[1], move[2] != 0, reflect_before}, rules);
      for (int64_t k = r * slots; k < (r + 1) * slots; k++) apply(desk, ops[k], arguments.data() + kArguments * k, rules, out_height, out_width);
      for (int64_t c = 0; c < channels && !hole.empty(); c++) shown[c] = static_cast<float>(hole[0]) * s[per_image ? 0 : c] + o[per_image ? 0 : c];
      unload(desk, target + r * channels * out_height * out_width, {move[3], move[4], move[5] != 0, reflect_after}, rules, s, o, per_image, shown);
    }
  });
  return out;
}

}  // namespace
}  // namespace fewlabels

TORCH_LIBRARY_FRAGMENT(fewlabels, library) {
  library.def(
      "augment_images(Tensor images, int[] index, int[] moves, bool reflect_before, bool reflect_after, int[] ops, float[] arguments, int[] fill, "
      "int[] color, bool fill_is_hole, float[] hole, float[] scale, float[] offset, bool per_image, int[] out_size=[]) -> Tensor",
      fewlabels::augment_images);
}
