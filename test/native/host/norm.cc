// Batch norm with leaky ReLU and its gradient by kernels_norm.cu, on the processor (tasks.h).
#include KERNELS
#include "tasks.h"

using namespace fewlabels::cuda;

namespace {

// Task: rows, channels, whether through the sums of all processes, training, without the variance.
template <typename T>
void norm(int64_t rows, int64_t channels, bool shared, bool training, bool mean_only) {
  const NormShape shape{rows, channels, sizeof(T) == 2};
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
                        running_mean.data(), mean_only ? nullptr : running_var.data(), 0.1, 1e-5, mean_only};
    norm_statistics(task, nullptr);
    task.given = true;
    if (shared) norm_statistics(task, nullptr);
  } else {
    norm_running(channels, running_mean.data(), mean_only ? nullptr : running_var.data(), 1e-5, mean.data(), inverse.data(), nullptr);
  }
  const NormChannels all{mean.data(), inverse.data(), weight.data(), bias.data(), 0.1f};
  normalize(shape, x.data(), y.data(), all, nullptr);
  std::vector<float> products(norm_parts(shape, x.data(), grad.data()) * 2 * channels, NAN);
  norm_gradient_sums(shape, x.data(), grad.data(), all, products.data(), nullptr);
  NormGradients task{shape, x.data(), grad.data(), all, products.data(), shared ? sums.data() : nullptr, false, !training,
                     dweight.data(), dbias.data(), mean_only, level.data(), tilt.data()};
  norm_gradient_statistics(task, nullptr);
  task.given = true;
  if (shared) norm_gradient_statistics(task, nullptr);
  norm_gradients(shape, x.data(), grad.data(), dx.data(), all, level.data(), tilt.data(), nullptr);
  give_images(y);
  give_images(dx);
  for (const auto& vector : {dweight, dbias, running_mean, running_var}) give(vector);
}

}  // namespace

int main() {
  each_task([](auto* type, const int64_t* task) { norm<std::remove_pointer_t<decltype(type)>>(task[1], task[2], task[3], task[4], task[5]); });
}
