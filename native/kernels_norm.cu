// Batch norm with leaky ReLU on a GPU: the arithmetic of kernels_norm.cc. All of it waits for memory, so a thread takes packs of 16 bytes, the
// same channels in each of its rows. One file of 390 lines, as its passes share how rows are walked and sums
// are joined.
#include "cuda_norm.h"
#include "launch.h"
#include "packs.h"

namespace fewlabels::cuda {
namespace {

constexpr int kShiftRows = 8;
constexpr int kPartBlocks = 264, kPassBlocks = 528;  // 2 and 4 for each of 132 multiprocessors
constexpr int kAhead = 4;   // rows that a thread has asked for before it needs the first
constexpr int kBlocks = 2;  // of a multiprocessor at once, at least: told so, the compiler spends the registers that takes
constexpr int kJoinChannels = 8, kJoinParts = 64;

// Numbers of channels, which are there in fours where elements are.
template <int V>
__device__ __forceinline__ void read_channels(const float* from, float (&to)[V]) {
  constexpr int four = V % 4 == 0 ? 4 : 1;
#pragma unroll
  for (int k = 0; k < V; k += four) {
    const auto some = fetch<float, four>(from + k);
#pragma unroll
    for (int j = 0; j < four; j++) to[k + j] = some.at[j];
  }
}

// Which threads take what: blocks of `x` times `y` threads, x of them side by side in a row, `columns` blocks to a row.
struct Plan {
  int width, x, y, columns;
  int64_t rows;
  dim3 threads() const { return dim3(x, y); }
  // Blocks of which each thread takes at least four rows, `most` of them at most.
  dim3 blocks(int most) const {
    const int64_t wanted = (rows + 4 * y - 1) / (4 * y), allowed = most / columns > 1 ? most / columns : 1;
    return dim3(columns, static_cast<unsigned>(wanted < 1 ? 1 : wanted < allowed ? wanted : allowed));
  }
};

Plan plan(NormShape shape, const void* a, const void* b) {
  const int width = pack_width(shape.bf16, shape.channels, a, b);
  const int64_t groups = shape.channels / width;
  int x = 1;
  while (x < groups && x < 32) x *= 2;
  return {width, x, kThreads / x, static_cast<int>((groups + x - 1) / x), shape.rows};
}

// The rows and channels of this thread.
template <int V>
struct Lane {
  int64_t channel, row, step;
  bool active;
  __device__ explicit Lane(int64_t channels)
      : channel((static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x) * V),
        row(static_cast<int64_t>(blockIdx.y) * blockDim.y + threadIdx.y),
        step(static_cast<int64_t>(gridDim.y) * blockDim.y),
        active(channel < channels) {}
};

// Calls use(offset, packs of all inputs at that offset) for each row of this thread, kAhead of which it fetches at once. The first pass goes
// forward, the second backward: the first has left the last rows in the cache.
enum class Pass { first, second };
template <Pass pass, typename T, int V, int count, typename Use>
__device__ __forceinline__ void over_rows(const Lane<V>& lane, int64_t rows, int64_t channels, const T* const (&inputs)[count], const Use& use) {
  const int64_t first = pass == Pass::first ? lane.row : rows - 1 - lane.row;
  const int64_t stride = (pass == Pass::first ? lane.step : -lane.step) * channels;
  int64_t at = first * channels + lane.channel, left = lane.row < rows ? (rows - lane.row + lane.step - 1) / lane.step : 0;
  for (; left >= kAhead; left -= kAhead, at += kAhead * stride) {
    Pack<T, V> ahead[kAhead][count];
#pragma unroll
    for (int j = 0; j < kAhead; j++)
#pragma unroll
      for (int i = 0; i < count; i++) ahead[j][i] = fetch<T, V>(inputs[i] + at + j * stride);
#pragma unroll
    for (int j = 0; j < kAhead; j++) use(at + j * stride, ahead[j]);
  }
  for (; left > 0; left--, at += stride) {
    Pack<T, V> here[count];
#pragma unroll
    for (int i = 0; i < count; i++) here[i] = fetch<T, V>(inputs[i] + at);
    use(at, here);
  }
}

template <typename T, int V>
__device__ __forceinline__ void shift_of(const T* x, int64_t rows, int64_t channels, int64_t channel, float (&shift)[V]) {
  const int first = rows < kShiftRows ? static_cast<int>(rows) : kShiftRows;
#pragma unroll
  for (int k = 0; k < V; k++) shift[k] = 0;
  for (int r = 0; r < first; r++) {
    float a[V];
    read(x + r * channels + channel, a);
#pragma unroll
    for (int k = 0; k < V; k++) shift[k] += a[k];
  }
#pragma unroll
  for (int k = 0; k < V; k++) shift[k] /= static_cast<float>(first);
}

// Sums of the threads of a block that share channels, into this block's part.
template <int V>
__device__ __forceinline__ void join_rows(const Lane<V>& lane, int64_t channels, const float (&first)[V], const float (&second)[V], float* parts) {
  __shared__ float sums[2 * V * kThreads];
  const int here = threadIdx.y * blockDim.x + threadIdx.x;
#pragma unroll
  for (int k = 0; k < V; k++) {
    sums[k * kThreads + here] = first[k];
    sums[(V + k) * kThreads + here] = second[k];
  }
  for (unsigned half = blockDim.y / 2; half > 0; half /= 2) {
    __syncthreads();
    if (threadIdx.y >= half) continue;
#pragma unroll
    for (int k = 0; k < 2 * V; k++) sums[k * kThreads + here] += sums[k * kThreads + here + half * blockDim.x];
  }
  if (threadIdx.y != 0 || !lane.active) return;
  float* part = parts + blockIdx.y * 2 * channels + lane.channel;
#pragma unroll
  for (int k = 0; k < V; k++) {
    part[k] = sums[k * kThreads + here];
    part[channels + k] = sums[(V + k) * kThreads + here];
  }
}

template <typename T, int V>
__global__ void __launch_bounds__(kThreads, kBlocks) sum_rows(const T* x, int64_t rows, int64_t channels, float* parts) {
  const Lane<V> lane(channels);
  float shift[V], sum[V] = {}, square[V] = {};
  if (lane.active) {
    shift_of(x, rows, channels, lane.channel, shift);
    const T* const inputs[] = {x};
    over_rows<Pass::first>(lane, rows, channels, inputs, [&](int64_t, const Pack<T, V>(&row)[1]) {
      float a[V];
      unpack(row[0], a);
#pragma unroll
      for (int k = 0; k < V; k++) {
        const float d = a[k] - shift[k];
        sum[k] += d;
        square[k] += d * d;
      }
    });
  }
  join_rows(lane, channels, sum, square, parts);
}

// What a thread needs of its channels.
template <int V>
struct Own {
  float mean[V], scale[V], bias[V];
  float slope;
  __device__ Own(const NormChannels& all, int64_t channel) : slope(all.slope) {
    float inverse[V];
    read_channels(all.mean + channel, mean);
    read_channels(all.inverse + channel, inverse);
    read_channels(all.weight + channel, scale);
    read_channels(all.bias + channel, bias);
#pragma unroll
    for (int k = 0; k < V; k++) scale[k] = inverse[k] * scale[k];
  }
  // Of a row of x and of the gradient: x - mean, and the gradient before the leaky ReLU.
  template <typename T>
  __device__ __forceinline__ void through_relu(const Pack<T, V> (&row)[2], float (&centered)[V], float (&grad)[V]) const {
    unpack(row[0], centered);
    unpack(row[1], grad);
#pragma unroll
    for (int k = 0; k < V; k++) {
      centered[k] -= mean[k];
      grad[k] = centered[k] * scale[k] + bias[k] > 0 ? grad[k] : grad[k] * slope;
    }
  }
};

template <typename T, int V>
__global__ void __launch_bounds__(kThreads, kBlocks) sum_gradients(const T* x, const T* grad, int64_t rows, int64_t channels, NormChannels all,
                                                                        float* parts) {
  const Lane<V> lane(channels);
  float sum[V] = {}, product[V] = {};
  if (lane.active) {
    const Own<V> own(all, lane.channel);
    const T* const inputs[] = {x, grad};
    over_rows<Pass::first>(lane, rows, channels, inputs, [&](int64_t, const Pack<T, V>(&row)[2]) {
      float centered[V], g[V];
      own.through_relu(row, centered, g);
#pragma unroll
      for (int k = 0; k < V; k++) {
        sum[k] += g[k];
        product[k] += g[k] * centered[k];
      }
    });
  }
  join_rows(lane, channels, sum, product, parts);
}

template <typename T, int V>
__global__ void __launch_bounds__(kThreads, kBlocks) normalize_rows(const T* x, T* y, int64_t rows, int64_t channels, NormChannels all) {
  const Lane<V> lane(channels);
  if (!lane.active) return;
  const Own<V> own(all, lane.channel);
  const T* const inputs[] = {x};
  over_rows<Pass::second>(lane, rows, channels, inputs, [&](int64_t at, const Pack<T, V>(&row)[1]) {
    float a[V];
    unpack(row[0], a);
#pragma unroll
    for (int k = 0; k < V; k++) {
      const float z = (a[k] - own.mean[k]) * own.scale[k] + own.bias[k];
      a[k] = z > 0 ? z : z * own.slope;
    }
    write(y + at, a);
  });
}

template <typename T, int V>
__global__ void __launch_bounds__(kThreads, kBlocks) gradient_rows(const T* x, const T* grad, T* out, int64_t rows, int64_t channels, NormChannels all,
                                                                        const float* level, const float* tilt) {
  const Lane<V> lane(channels);
  if (!lane.active) return;
  const Own<V> own(all, lane.channel);
  float low[V], lean[V];
  read_channels(level + lane.channel, low);
  read_channels(tilt + lane.channel, lean);
  const T* const inputs[] = {x, grad};
  over_rows<Pass::second>(lane, rows, channels, inputs, [&](int64_t at, const Pack<T, V>(&row)[2]) {
    float centered[V], g[V];
    own.through_relu(row, centered, g);
#pragma unroll
    for (int k = 0; k < V; k++) g[k] = g[k] * own.scale[k] - low[k] - centered[k] * lean[k];
    write(out + at, g);
  });
}

// The two sums of a channel over all parts; true in the one thread of the channel that goes on with them.
__device__ bool join_parts(const float* parts, int count, int64_t channels, int64_t channel, double& first, double& second) {
  __shared__ double sums[2][kJoinParts][kJoinChannels];
  double a = 0, b = 0;
  if (channel < channels) {
    for (int p = threadIdx.y; p < count; p += kJoinParts) {
      a += parts[2 * p * channels + channel];
      b += parts[(2 * p + 1) * channels + channel];
    }
  }
  sums[0][threadIdx.y][threadIdx.x] = a;
  sums[1][threadIdx.y][threadIdx.x] = b;
  for (unsigned half = kJoinParts / 2; half > 0; half /= 2) {
    __syncthreads();
    if (threadIdx.y >= half) continue;
    sums[0][threadIdx.y][threadIdx.x] += sums[0][threadIdx.y + half][threadIdx.x];
    sums[1][threadIdx.y][threadIdx.x] += sums[1][threadIdx.y + half][threadIdx.x];
  }
  first = sums[0][0][threadIdx.x];
  second = sums[1][0][threadIdx.x];
  return threadIdx.y == 0 && channel < channels;
}

template <typename T>
__global__ void find_statistics(NormStatistics task, int count) {
  const int64_t channels = task.shape.channels, c = blockIdx.x * kJoinChannels + threadIdx.x;
  double n = static_cast<double>(task.shape.rows), mean, variance;
  if (task.given) {
    if (threadIdx.y != 0 || c >= channels) return;
    n = task.sums[2 * channels];
    mean = task.sums[c] / n;
    variance = task.sums[channels + c] / n - mean * mean;
  } else {
    double sum, square;
    float shift[1] = {};
    if (threadIdx.y == 0 && c < channels) shift_of(static_cast<const T*>(task.x), task.shape.rows, channels, c, shift);
    if (!join_parts(task.parts, count, channels, c, sum, square)) return;
    const double off = sum / n;
    mean = shift[0] + off;
    variance = square / n - off * off;
    if (task.sums) {
      task.sums[c] = n * mean;
      task.sums[channels + c] = n * (variance + mean * mean);
      if (c == 0) task.sums[2 * channels] = n;
      return;
    }
  }
  variance = variance > 0 ? variance : 0;
  task.mean[c] = static_cast<float>(mean);
  task.inverse[c] = task.mean_only ? 1 : static_cast<float>(1 / sqrt(variance + task.eps));
  if (!task.running_mean) return;
  const double m = task.momentum;
  task.running_mean[c] = static_cast<float>((1 - m) * task.running_mean[c] + m * mean);
  if (task.running_var) task.running_var[c] = static_cast<float>((1 - m) * task.running_var[c] + m * variance * n / (n - 1));
}

__global__ void take_running(int64_t channels, const float* running_mean, const float* running_var, double eps, float* mean, float* inverse) {
  const int64_t c = thread_index();
  if (c >= channels) return;
  mean[c] = running_mean[c];
  inverse[c] = running_var ? static_cast<float>(1 / sqrt(running_var[c] + eps)) : 1;
}

__global__ void find_gradient_statistics(NormGradients task, int count) {
  const int64_t channels = task.shape.channels, c = blockIdx.x * kJoinChannels + threadIdx.x;
  double sum = 0, product = 0, n = static_cast<double>(task.shape.rows);
  if (task.given) {
    if (threadIdx.y != 0 || c >= channels) return;
    n = task.sums[2 * channels];
    sum = task.sums[c];
    product = task.sums[channels + c];
  } else {
    if (!join_parts(task.parts, count, channels, c, sum, product)) return;
    task.weight[c] = static_cast<float>(product * task.channels.inverse[c]);
    task.bias[c] = static_cast<float>(sum);
    if (task.sums) {
      task.sums[c] = sum;
      task.sums[channels + c] = product;
      if (c == 0) task.sums[2 * channels] = n;
      return;
    }
  }
  const double inverse = task.channels.inverse[c];
  const double share = task.fixed ? 0 : task.channels.inverse[c] * task.channels.weight[c] / n;
  task.level[c] = static_cast<float>(share * sum);
  task.tilt[c] = task.mean_only ? 0 : static_cast<float>(share * product * inverse * inverse);
}

int join_blocks(int64_t channels) { return static_cast<int>((channels + kJoinChannels - 1) / kJoinChannels); }

}  // namespace

int norm_parts(NormShape shape, const void* x, const void* other) { return static_cast<int>(plan(shape, x, other).blocks(kPartBlocks).y); }

const char* norm_sums(NormShape shape, const void* x, float* parts, void* stream) {
  const Plan p = plan(shape, x, x);
  const auto on = static_cast<cudaStream_t>(stream);
  with_elements(shape.bf16, p.width, [&](auto e) {
    using E = decltype(e);
    sum_rows<typename E::T, E::width><<<p.blocks(kPartBlocks), p.threads(), 0, on>>>(E::of(x), shape.rows, shape.channels, parts);
  });
  return problem(cudaGetLastError());
}

const char* norm_statistics(const NormStatistics& task, void* stream) {
  const int count = norm_parts(task.shape, task.x, task.x), blocks = join_blocks(task.shape.channels);
  const dim3 threads(kJoinChannels, kJoinParts);
  const auto on = static_cast<cudaStream_t>(stream);
  if (task.shape.bf16) find_statistics<uint16_t><<<blocks, threads, 0, on>>>(task, count);
  else find_statistics<float><<<blocks, threads, 0, on>>>(task, count);
  return problem(cudaGetLastError());
}

const char* norm_running(int64_t channels, const float* running_mean, const float* running_var, double eps, float* mean, float* inverse, void* stream) {
  const auto blocks = static_cast<unsigned>((channels + kThreads - 1) / kThreads);
  take_running<<<blocks, kThreads, 0, static_cast<cudaStream_t>(stream)>>>(channels, running_mean, running_var, eps, mean, inverse);
  return problem(cudaGetLastError());
}

const char* normalize(NormShape shape, const void* x, void* y, NormChannels channels, void* stream) {
  const Plan p = plan(shape, x, y);
  const auto on = static_cast<cudaStream_t>(stream);
  with_elements(shape.bf16, p.width, [&](auto e) {
    using E = decltype(e);
    normalize_rows<typename E::T, E::width><<<p.blocks(kPassBlocks), p.threads(), 0, on>>>(E::of(x), E::of(y), shape.rows, shape.channels, channels);
  });
  return problem(cudaGetLastError());
}

const char* norm_gradient_sums(NormShape shape, const void* x, const void* grad, NormChannels channels, float* parts, void* stream) {
  const Plan p = plan(shape, x, grad);
  const auto on = static_cast<cudaStream_t>(stream);
  with_elements(shape.bf16, p.width, [&](auto e) {
    using E = decltype(e);
    sum_gradients<typename E::T, E::width><<<p.blocks(kPartBlocks), p.threads(), 0, on>>>(E::of(x), E::of(grad), shape.rows, shape.channels, channels, parts);
  });
  return problem(cudaGetLastError());
}

const char* norm_gradient_statistics(const NormGradients& task, void* stream) {
  const int count = norm_parts(task.shape, task.x, task.grad);
  const dim3 threads(kJoinChannels, kJoinParts);
  find_gradient_statistics<<<join_blocks(task.shape.channels), threads, 0, static_cast<cudaStream_t>(stream)>>>(task, count);
  return problem(cudaGetLastError());
}

const char* norm_gradients(NormShape shape, const void* x, const void* grad, void* out, NormChannels channels, const float* level, const float* tilt,
                           void* stream) {
  const Plan p = plan(shape, x, grad);
  const auto on = static_cast<cudaStream_t>(stream);
  with_elements(shape.bf16, p.width, [&](auto e) {
    using E = decltype(e);
    gradient_rows<typename E::T, E::width>
        <<<p.blocks(kPassBlocks), p.threads(), 0, on>>>(E::of(x), E::of(grad), E::of(out), shape.rows, shape.channels, channels, level, tilt);
  });
  return problem(cudaGetLastError());
}

}  // namespace fewlabels::cuda
