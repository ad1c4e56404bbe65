// Reads tasks from standard input, runs them by kernels_images.cu on the processor, and writes what comes out to standard output. A task: 8 int64
// (which, and its sizes), then its tensors as float32; out: tensors as float32. Elements are rounded to bfloat16 on the way where asked for.
#include KERNELS

#include <cstdio>
#include <cstdlib>

using namespace fewlabels;
using namespace fewlabels::cuda;

namespace {

std::vector<float> take(size_t count) {
  std::vector<float> values(count);
  if (std::fread(values.data(), 4, count, stdin) != count) std::exit(3);
  return values;
}
void give(const std::vector<float>& values) { std::fwrite(values.data(), 4, values.size(), stdout); }

// Images, in the type that the kernels are to see.
template <typename T>
std::vector<T> images(const std::vector<float>& values) {
  std::vector<T> result(values.size());
  for (size_t i = 0; i < values.size(); i++) store(&result[i], values[i]);
  return result;
}
template <typename T>
void give_images(const std::vector<T>& values) {
  std::vector<float> wide(values.size());
  for (size_t i = 0; i < values.size(); i++) wide[i] = load(values[i]);
  give(wide);
}

// rows, channels, whether through the sums of all processes, training
template <typename T>
void norm(bool bf16, int64_t rows, int64_t channels, bool shared, bool training) {
  const NormShape shape{rows, channels, bf16};
  const auto x = images<T>(take(rows * channels)), grad = images<T>(take(rows * channels));
  const auto weight = take(channels), bias = take(channels);
  auto running_mean = take(channels), running_var = take(channels);
  std::vector<float> mean(channels), inverse(channels), dweight(channels), dbias(channels), level(channels), tilt(channels);
  std::vector<float> parts(norm_parts(shape, x.data(), x.data()) * 2 * channels, NAN);
  std::vector<double> sums(2 * channels + 1, NAN);
  std::vector<T> y(x.size()), dx(x.size());
  if (training) {
    norm_sums(shape, x.data(), parts.data(), nullptr);
    NormStatistics task{shape, x.data(), parts.data(), shared ? sums.data() : nullptr, false, mean.data(), inverse.data(),
                        running_mean.data(), running_var.data(), 0.1, 1e-5};
    norm_statistics(task, nullptr);
    task.given = true;
    if (shared) norm_statistics(task, nullptr);
  } else {
    norm_running(channels, running_mean.data(), running_var.data(), 1e-5, mean.data(), inverse.data(), nullptr);
  }
  const NormChannels all{mean.data(), inverse.data(), weight.data(), bias.data(), 0.1f};
  normalize(shape, x.data(), y.data(), all, nullptr);
  std::vector<float> products(norm_parts(shape, x.data(), grad.data()) * 2 * channels, NAN);
  norm_gradient_sums(shape, x.data(), grad.data(), all, products.data(), nullptr);
  NormGradients task{shape, x.data(), grad.data(), all, products.data(), shared ? sums.data() : nullptr, false, !training,
                     dweight.data(), dbias.data(), level.data(), tilt.data()};
  norm_gradient_statistics(task, nullptr);
  task.given = true;
  if (shared) norm_gradient_statistics(task, nullptr);
  norm_gradients(shape, x.data(), grad.data(), dx.data(), all, level.data(), tilt.data(), nullptr);
  give_images(y);
  give_images(dx);
  for (const auto& vector : {dweight, dbias, running_mean, running_var}) give(vector);
}

template <typename T>
void pools(bool bf16, int64_t count, int64_t height, int64_t width, int64_t channels) {
  const Pool shape{count, height, width, channels, bf16};
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
  int64_t task[8];
  while (std::fread(task, 8, 8, stdin) == 8) {
    const bool bf16 = task[1];
    if (task[0] == 0 && bf16) norm<uint16_t>(true, task[2], task[3], task[4], task[5]);
    if (task[0] == 0 && !bf16) norm<float>(false, task[2], task[3], task[4], task[5]);
    if (task[0] == 1 && bf16) pools<uint16_t>(true, task[2], task[3], task[4], task[5]);
    if (task[0] == 1 && !bf16) pools<float>(false, task[2], task[3], task[4], task[5]);
  }
}
