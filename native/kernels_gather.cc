// Images of a data set into a batch: translation by reflection, flip and normalization in one pass.
#include "compat.h"
#include "cuda.h"
#include "draws.h"
#include "share.h"

#include <ATen/ops/empty.h>
#include <c10/core/DeviceGuard.h>
#include <torch/library.h>

#include <cstring>
#include <vector>

namespace fewlabels {
namespace {

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

#if FEWLABELS_CUDA_KERNELS
// The draws go over in one copy that nobody waits for: from pinned memory, which libtorch keeps until it has been read.
at::Tensor gather_on_cuda(const at::Tensor& images, at::IntArrayRef index, at::IntArrayRef dy, at::IntArrayRef dx, at::IntArrayRef flip,
                          const std::vector<float>& scale, const std::vector<float>& offset, bool per_image) {
  const c10::DeviceGuard guard(images.device());
  const int64_t rows = static_cast<int64_t>(index.size()), numbers = static_cast<int64_t>(scale.size());
  const at::Tensor sent = at::empty({4 * rows + 2 * numbers}, at::TensorOptions().dtype(at::kInt).pinned_memory(true));
  int32_t* move = sent.data_ptr<int32_t>();
  for (int64_t r = 0; r < rows; r++) {
    const bool moved = !dy.empty();
    *move++ = static_cast<int32_t>(index[r]);
    *move++ = moved ? static_cast<int32_t>(dy[r]) : 0;
    *move++ = moved ? static_cast<int32_t>(dx[r]) : 0;
    *move++ = moved && flip[r] != 0;
  }
  std::memcpy(move, scale.data(), 4 * numbers);
  std::memcpy(move + numbers, offset.data(), 4 * numbers);
  const at::Tensor there = sent.to(images.device(), /*non_blocking=*/true);
  at::Tensor out = at::empty({rows, images.size(1), images.size(2), images.size(3)},
                             images.options().dtype(at::kFloat).memory_format(at::MemoryFormat::ChannelsLast));
  const int32_t* given = there.data_ptr<int32_t>();
  const auto* factors = reinterpret_cast<const float*>(given + 4 * rows);
  cuda::check(cuda::gather({images.data_ptr(), images.scalar_type() == at::kByte, rows, images.size(1), images.size(2), images.size(3), given,
                            factors, factors + numbers, per_image, out.data_ptr<float>()},
                           cuda::stream(images.get_device())));
  return out;
}
#endif

// scale and offset: one number per channel, or (per_image) one per row of the batch.
at::Tensor gather_images(const at::Tensor& images, at::IntArrayRef index, at::IntArrayRef dy, at::IntArrayRef dx, at::IntArrayRef flip,
                         at::ArrayRef<double> scale, at::ArrayRef<double> offset, bool per_image) {
  TORCH_CHECK(images.dim() == 4 && images.is_contiguous(), "expected images [N, C, H, W], contiguous");
  TORCH_CHECK(images.is_cpu() || (FEWLABELS_CUDA_KERNELS && images.is_cuda()), "expected images on the CPU (or a GPU whose kernels are built), got ", images.device());
  TORCH_CHECK(images.scalar_type() == at::kByte || images.scalar_type() == at::kFloat, "expected uint8 or float32 images, got ", images.scalar_type());
  const int64_t rows = static_cast<int64_t>(index.size()), count = images.size(0), channels = images.size(1);
  const auto expected = static_cast<size_t>(per_image ? rows : channels);
  TORCH_CHECK(scale.size() == expected && offset.size() == expected, "expected ", expected, " scales and offsets, got ", scale.size());
  TORCH_CHECK(dy.size() == dx.size() && dy.size() == flip.size() && (dy.empty() || dy.size() == index.size()), "expected one draw per row");
  for (const auto i : index) TORCH_CHECK(i >= 0 && i < count, "index ", i, " is outside 0..", count - 1);
  const std::vector<float> a(scale.begin(), scale.end()), b(offset.begin(), offset.end());
#if FEWLABELS_CUDA_KERNELS
  if (images.is_cuda()) return gather_on_cuda(images, index, dy, dx, flip, a, b, per_image);
#endif
  at::Tensor out = at::empty({rows, channels, images.size(2), images.size(3)},
                             at::TensorOptions().dtype(at::kFloat).memory_format(at::MemoryFormat::ChannelsLast));
  const int64_t size = channels * images.size(2) * images.size(3);
  float* target = out.data_ptr<float>();
  share_ranges(rows, 16, [&](int64_t from, int64_t to) {
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
