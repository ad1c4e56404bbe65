// 2 x 2 pooling and its gradient by kernels_pool.cu, on the processor (tasks.h).
#include KERNELS
#include "tasks.h"

using namespace fewlabels::cuda;

namespace {

// Task: images, height, width, channels.
template <typename T>
void pools(int64_t count, int64_t height, int64_t width, int64_t channels) {
  const Pool shape{count, height, width, channels, sizeof(T) == 2};
  const int64_t windows = count * (height / 2) * (width / 2) * channels;
  const auto x = images<T>(take(count * height * width * channels)), grad = images<T>(take(windows));
  std::vector<T> y(windows), dx(x.size());
  for (auto& untouched : dx) store(&untouched, 99.0f);
  std::vector<uint8_t> where(windows);
  pool(shape, x.data(), y.data(), where.data(), nullptr);
  unpool(shape, grad.data(), where.data(), dx.data(), nullptr);
  give_images(y);
  give_images(dx);
}

}  // namespace

int main() {
  each_task([](auto* type, const int64_t* task) { pools<std::remove_pointer_t<decltype(type)>>(task[1], task[2], task[3], task[4]); });
}
