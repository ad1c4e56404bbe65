// Pooling of 2 x 2 windows on a GPU: what kernels_pool.cc does on the CPU.
#include "choose.h"
#include "cuda_pool.h"
#include "launch.h"
#include "packs.h"

namespace fewlabels::cuda {
namespace {

// One block a row of windows, counted through the batch.
struct Windows {
  int64_t line;           // elements of a row of pixels
  int64_t top, target;    // first elements of the upper row of pixels and of the row of windows
  bool last;              // of its image
  __device__ explicit Windows(const Pool& s) : line(s.width * s.channels) {
    const int64_t row = blockIdx.x, rows = s.height / 2;
    top = (row / rows * s.height + row % rows * 2) * line;
    target = row * (s.width / 2) * s.channels;
    last = row % rows == rows - 1;
  }
};

template <typename T, int V>
__global__ void __launch_bounds__(kThreads) pool_rows(Pool s, const T* in, T* out, uint8_t* where) {
  const Windows w(s);
  const int groups = static_cast<int>(s.channels / V), count = static_cast<int>(s.width / 2) * groups;
  for (int i = threadIdx.x; i < count; i += kThreads) {
    const int64_t x = i / groups, c = static_cast<int64_t>(i % groups) * V;
    const T* corner = in + w.top + 2 * x * s.channels + c;
    float best[V], other[V];
    uint32_t place[V] = {};
    read(corner, best);
#pragma unroll
    for (int k = 1; k < 4; k++) {
      read(corner + (k & 1) * s.channels + (k >> 1) * w.line, other);
#pragma unroll
      for (int v = 0; v < V; v++) choose(other[v], k, best[v], place[v]);
    }
    const int64_t to = w.target + x * s.channels + c;
    write(out + to, best);
    if (!where) continue;
    Pack<uint8_t, V> bytes;
#pragma unroll
    for (int v = 0; v < V; v++) bytes.at[v] = static_cast<uint8_t>(place[v]);
    *reinterpret_cast<Pack<uint8_t, V>*>(where + to) = bytes;
  }
}

template <typename T, int V>
__global__ void __launch_bounds__(kThreads) spread_rows(Pool s, const T* grad, const uint8_t* where, T* out) {
  const Windows w(s);
  const int columns = static_cast<int>(s.width / 2), groups = static_cast<int>(s.channels / V);
  const bool right = s.width % 2, below = s.height % 2 && w.last;
  for (int i = threadIdx.x; i < columns * groups; i += kThreads) {
    const int64_t x = i / groups, c = static_cast<int64_t>(i % groups) * V;
    const int64_t from = w.target + x * s.channels + c;
    T* corner = out + w.top + 2 * x * s.channels + c;
    const auto bytes = *reinterpret_cast<const Pack<uint8_t, V>*>(where + from);
    float g[V], part[V];
    read(grad + from, g);
    const float none[V] = {};
    // The column and the row that no window covers get 0.
    const int across = right && x == columns - 1 ? 3 : 2, down = below ? 3 : 2;
    for (int dy = 0; dy < down; dy++) {
      for (int dx = 0; dx < across; dx++) {
        T* to = corner + dx * s.channels + dy * w.line;
        if (dx == 2 || dy == 2) {
          write(to, none);
          continue;
        }
#pragma unroll
        for (int v = 0; v < V; v++) part[v] = bytes.at[v] == 2 * dy + dx ? g[v] : 0;
        write(to, part);
      }
    }
  }
}

unsigned rows_of(const Pool& s) { return static_cast<unsigned>(s.images * (s.height / 2)); }

}  // namespace

const char* pool(const Pool& shape, const void* in, void* out, uint8_t* where, void* stream) {
  const auto on = static_cast<cudaStream_t>(stream);
  with_elements(shape.bf16, pack_width(shape.bf16, shape.channels, in, out), [&](auto e) {
    using E = decltype(e);
    pool_rows<typename E::T, E::width><<<rows_of(shape), kThreads, 0, on>>>(shape, E::of(in), E::of(out), where);
  });
  return problem(cudaGetLastError());
}

const char* unpool(const Pool& shape, const void* grad, const uint8_t* where, void* out, void* stream) {
  const auto on = static_cast<cudaStream_t>(stream);
  with_elements(shape.bf16, pack_width(shape.bf16, shape.channels, grad, out), [&](auto e) {
    using E = decltype(e);
    spread_rows<typename E::T, E::width><<<rows_of(shape), kThreads, 0, on>>>(shape, E::of(grad), where, E::of(out));
  });
  return problem(cudaGetLastError());
}

}  // namespace fewlabels::cuda
