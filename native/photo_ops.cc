#include "photo_ops.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace fewlabels {
namespace {

// Resampling as the Python imaging library does it: the filter is stretched by the scale when it shrinks, weights are
// 22-bit fixed point, and each direction is rounded to bytes.
constexpr int kBits = 22;

inline uint8_t from_fixed(int32_t sum) { return static_cast<uint8_t>(std::clamp(sum >> kBits, 0, 255)); }

double triangle(double x) { return std::max(0.0, 1.0 - std::abs(x)); }

// Keys' cubic with a = -1/2.
double keys(double x) {
  constexpr double a = -0.5;
  x = std::abs(x);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0.0;
}

struct Taps {
  std::vector<int32_t> first, weights;  // of output i: weights[i * most] .. on pixels first[i] ..
  std::vector<int32_t> count;
  int64_t most;
};

// From `in` pixels to `out`.
Taps taps_of(int64_t in, int64_t out, bool cubic) {
  const double scale = static_cast<double>(in) / static_cast<double>(out), stretch = std::max(1.0, scale);
  const double support = (cubic ? 2.0 : 1.0) * stretch;
  Taps taps;
  taps.most = static_cast<int64_t>(std::ceil(support)) * 2 + 1;
  taps.first.resize(out);
  taps.count.resize(out);
  taps.weights.assign(out * taps.most, 0);
  std::vector<double> w(taps.most);
  for (int64_t i = 0; i < out; i++) {
    const double center = (static_cast<double>(i) + 0.5) * scale;
    const auto from = std::max<int64_t>(0, static_cast<int64_t>(center - support + 0.5));
    const auto to = std::min<int64_t>(in, static_cast<int64_t>(center + support + 0.5));
    double sum = 0;
    for (int64_t k = from; k < to; k++) {
      const double x = (static_cast<double>(k) - center + 0.5) / stretch;
      sum += w[k - from] = cubic ? keys(x) : triangle(x);
    }
    taps.first[i] = static_cast<int32_t>(from);
    taps.count[i] = static_cast<int32_t>(to - from);
    for (int64_t k = 0; k < to - from; k++) {
      const double fixed = (sum == 0 ? w[k] : w[k] / sum) * (1 << kBits);
      taps.weights[i * taps.most + k] = static_cast<int32_t>(fixed < 0 ? fixed - 0.5 : fixed + 0.5);
    }
  }
  return taps;
}

}  // namespace

void resized_crop(Desk& desk, const double* a, int64_t height, int64_t width) {
  const auto x0 = static_cast<int64_t>(a[0]), y0 = static_cast<int64_t>(a[1]);
  const int64_t in_width = static_cast<int64_t>(a[2]) - x0, in_height = static_cast<int64_t>(a[3]) - y0;
  const bool cubic = a[4] != 0, flip = a[5] != 0;
  const Taps across = taps_of(in_width, width, cubic), down = taps_of(in_height, height, cubic);
  std::vector<uint8_t> narrow(in_height * width);
  std::vector<int32_t> sums(width);
  for (int64_t c = 0; c < desk.channels; c++) {
    for (int64_t y = 0; y < in_height; y++) {
      const uint8_t* line = desk.plane(c) + (y0 + y) * desk.width + x0;
      uint8_t* to = narrow.data() + y * width;
      for (int64_t x = 0; x < width; x++) {
        const uint8_t* p = line + across.first[x];
        const int32_t* w = across.weights.data() + x * across.most;
        int32_t sum = 1 << (kBits - 1);
        for (int32_t k = 0; k < across.count[x]; k++) sum += p[k] * w[k];
        to[flip ? width - 1 - x : x] = from_fixed(sum);
      }
    }
    uint8_t* out = desk.next.data() + c * height * width;
    for (int64_t y = 0; y < height; y++, out += width) {
      std::fill(sums.begin(), sums.end(), 1 << (kBits - 1));
      for (int32_t k = 0; k < down.count[y]; k++) {
        const int32_t w = down.weights[y * down.most + k];
        const uint8_t* line = narrow.data() + (down.first[y] + k) * width;
        for (int64_t x = 0; x < width; x++) sums[x] += line[x] * w;
      }
      for (int64_t x = 0; x < width; x++) out[x] = from_fixed(sums[x]);
    }
  }
  desk.now.swap(desk.next);
  desk.reshape(height, width);
  std::memset(desk.mask(), 0, desk.area);
}

// Through 8-bit hue, saturation and value, as the Python imaging library converts: the first two are cut off, not rounded.
void hue(Desk& desk, int shift) {
  if (desk.channels != 3) return;
  uint8_t *red = desk.plane(0), *green = desk.plane(1), *blue = desk.plane(2);
  for (int64_t i = 0; i < desk.area; i++) {
    const int r = red[i], g = green[i], b = blue[i];
    const int high = std::max({r, g, b}), low = std::min({r, g, b});
    if (high == low) continue;  // gray has no hue
    const float range = static_cast<float>(high - low), saturation = range / static_cast<float>(high);
    const float fr = static_cast<float>(high - r) / range, fg = static_cast<float>(high - g) / range, fb = static_cast<float>(high - b) / range;
    float turn = r == high ? fb - fg : g == high ? static_cast<float>(2.0 + fr - fb) : static_cast<float>(4.0 + fg - fr);
    const double around = turn / 6.0 + 1.0;  // 5/6 .. 11/6
    turn = static_cast<float>(around >= 1.0 ? around - 1.0 : around);
    const int h = (static_cast<int>(clip(turn * 255.0)) + shift) & 255, s = clip(saturation * 255.0);
    if (s == 0) {
      red[i] = green[i] = blue[i] = static_cast<uint8_t>(high);
      continue;
    }
    const float sixth = static_cast<float>(h * 6.0 / 255.0), fs = static_cast<float>(s / 255.0);
    const int sector = static_cast<int>(sixth);
    const float f = sixth - static_cast<float>(sector);
    const auto level = [&](double part) {
      const double value = static_cast<float>(high) * part;
      const int whole = static_cast<int>(value);  // neither below 0 nor above `high`
      return static_cast<uint8_t>(whole + (value - whole >= 0.5));
    };
    const uint8_t v = static_cast<uint8_t>(high), p = level(1.0 - fs), q = level(1.0 - fs * f), t = level(1.0 - fs * (1.0 - f));
    const uint8_t sectors[6][3] = {{v, t, p}, {q, v, p}, {p, v, t}, {p, q, v}, {t, p, v}, {v, p, q}};
    const uint8_t* rgb = sectors[sector % 6];
    red[i] = rgb[0];
    green[i] = rgb[1];
    blue[i] = rgb[2];
  }
}

void blur(Desk& desk, double sigma) {
  if (sigma < 1e-3) return;
  const auto radius = static_cast<int64_t>(std::ceil(3 * sigma));
  std::vector<float> weights(2 * radius + 1);
  double sum = 0;
  for (int64_t k = -radius; k <= radius; k++) sum += std::exp(-0.5 * static_cast<double>(k * k) / (sigma * sigma));
  for (int64_t k = -radius; k <= radius; k++)
    weights[k + radius] = static_cast<float>(std::exp(-0.5 * static_cast<double>(k * k) / (sigma * sigma)) / sum);
  const auto reflected = [](int64_t i, int64_t n) {
    const int64_t period = std::max<int64_t>(1, 2 * (n - 1));
    i = ((i % period) + period) % period;
    return i < n ? i : period - i;
  };
  const int64_t h = desk.height, w = desk.width;
  std::vector<float> line(w + 2 * radius), across(h * w), down(w);
  for (int64_t c = 0; c < desk.channels; c++) {
    uint8_t* plane = desk.plane(c);
    for (int64_t y = 0; y < h; y++) {
      for (int64_t x = -radius; x < w + radius; x++) line[x + radius] = plane[y * w + reflected(x, w)];
      float* out = across.data() + y * w;
      std::fill(out, out + w, 0.0f);
      for (int64_t k = 0; k <= 2 * radius; k++)
        for (int64_t x = 0; x < w; x++) out[x] += weights[k] * line[x + k];
    }
    for (int64_t y = 0; y < h; y++) {
      std::fill(down.begin(), down.end(), 0.5f);  // rounds
      for (int64_t k = -radius; k <= radius; k++) {
        const float* from = across.data() + reflected(y + k, h) * w;
        for (int64_t x = 0; x < w; x++) down[x] += weights[k + radius] * from[x];
      }
      for (int64_t x = 0; x < w; x++) plane[y * w + x] = static_cast<uint8_t>(std::clamp(down[x], 0.0f, 255.0f));
    }
  }
}

}  // namespace fewlabels
