// Images of a data set into a batch: translation by reflection, flip and normalization in one pass.
#include "compat.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <torch/library.h>

#include <vector>

namespace fewlabels {
namespace {

// Position i of a line of n pixels, mirrored at the ends without repeating the end pixel.
inline int64_t reflect(int64_t i, int64_t n) {
  if (n == 1) return 0;
  const int64_t period = 2 * (n - 1);
  i %= period;
  if (i < 0) i += period;
  return i < n ? i : period - i;
}

struct Image {
  int64_t channels, height, width, dy, dx;
  bool flip;
};

template <typename Pixel>
void copy_image(const Pixel* in, float* out, const Image& m, const float* scale, const float* offset, bool per_image) {
  std::vector<int64_t> columns(m.width);
  for (int64_t x = 0; x < m.width; x++) columns[x] = reflect((m.flip ? m.width - 1 - x : x) + m.dx, m.width);
  const int64_t plane = m.height * m.width;
  for (int64_t y = 0; y < m.height; y++) {
    const int64_t row = reflect(y + m.dy, m.height) * m.width;
    for (int64_t c = 0; c < m.channels; c++) {
      const Pixel* line = in + c * plane + row;
      float* target = out + y * m.width * m.channels + c;
      const float a = scale[per_image ? 0 : c], b = offset[per_image ? 0 : c];
      for (int64_t x = 0; x < m.width; x++) target[x * m.channels] = static_cast<float>(line[columns[x]]) * a + b;
    }
  }
}

// scale and offset: one number per channel, or (per_image) one per row of the batch.
at::Tensor gather_images(const at::Tensor& images, at::IntArrayRef index, at::IntArrayRef dy, at::IntArrayRef dx, at::IntArrayRef flip,
                         at::ArrayRef<double> scale, at::ArrayRef<double> offset, bool per_image) {
  TORCH_CHECK(images.dim() == 4 && images.is_cpu() && images.is_contiguous(), "expected images [N, C, H, W], contiguous, on the CPU");
  TORCH_CHECK(images.scalar_type() == at::kByte || images.scalar_type() == at::kFloat, "expected uint8 or float32 images, got ", images.scalar_type());
  const int64_t rows = static_cast<int64_t>(index.size()), count = images.size(0), channels = images.size(1);
  const auto expected = static_cast<size_t>(per_image ? rows : channels);
  TORCH_CHECK(scale.size() == expected && offset.size() == expected, "expected ", expected, " scales and offsets, got ", scale.size());
  TORCH_CHECK(dy.size() == dx.size() && dy.size() == flip.size() && (dy.empty() || dy.size() == index.size()), "expected one draw per row");
  for (const auto i : index) TORCH_CHECK(i >= 0 && i < count, "index ", i, " is outside 0..", count - 1);
  const std::vector<float> a(scale.begin(), scale.end()), b(offset.begin(), offset.end());
  at::Tensor out = at::empty({rows, channels, images.size(2), images.size(3)},
                             at::TensorOptions().dtype(at::kFloat).memory_format(at::MemoryFormat::ChannelsLast));
  const int64_t size = channels * images.size(2) * images.size(3);
  float* target = out.data_ptr<float>();
  at::parallel_for(0, rows, 16, [&](int64_t from, int64_t to) {
    for (int64_t r = from; r < to; r++) {
      const bool moved = !dy.empty();
      const Image image{channels, images.size(2), images.size(3), moved ? dy[r] : 0, moved ? dx[r] : 0, moved && flip[r] != 0};
      const float* s = per_image ? &a[r] : a.data();
      const float* o = per_image ? &b[r] : b.data();
      if (images.scalar_type() == at::kByte)
        copy_image(images.data_ptr<uint8_t>() + index[r] * size, target + r * size, image, s, o, per_image);
      else
        copy_image(images.data_ptr<float>() + index[r] * size, target + r * size, image, s, o, per_image);
    }
  });
  return out;
}

}  // namespace
}  // namespace fewlabels

TORCH_LIBRARY_FRAGMENT(fewlabels, library) {
  library.def("gather_images(Tensor images, int[] index, int[] dy, int[] dx, int[] flip, float[] scale, float[] offset, bool per_image) -> Tensor", fewlabels::gather_images);
}
