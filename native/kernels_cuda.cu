// The kernels of kernels_random.cc and kernels_gather.cc on a GPU, to the bit: the same draws for the same elements, the same order of
// operations, no fused multiply-add (scripts/setup/cuda.mjs compiles with -fmad=false).
#include "cuda.h"
#include "launch.h"
#include "packs.h"

namespace fewlabels::cuda {
namespace {

// The four words of a block of Philox4x32-10 (philox.h).
__device__ __forceinline__ void philox(PhiloxKey key, uint64_t block, uint32_t words[4]) {
  uint32_t k0 = key.k0, k1 = key.k1;
  uint32_t c0 = static_cast<uint32_t>(block), c1 = static_cast<uint32_t>(block >> 32), c2 = 0, c3 = 0;
#pragma unroll
  for (int round = 0; round < 10; round++) {
    const uint64_t p0 = 0xD2511F53ull * c0, p1 = 0xCD9E8D57ull * c2;
    const uint32_t n0 = static_cast<uint32_t>(p1 >> 32) ^ c1 ^ k0, n2 = static_cast<uint32_t>(p0 >> 32) ^ c3 ^ k1;
    c1 = static_cast<uint32_t>(p1);
    c3 = static_cast<uint32_t>(p0);
    c0 = n0;
    c2 = n2;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  words[0] = c0;
  words[1] = c1;
  words[2] = c2;
  words[3] = c3;
}

// Where element e of the rows here lies among the elements of all rows.
__device__ __forceinline__ int64_t place_of(int64_t e, Rows r) {
  return r.size == 1 ? e : ((e / r.length) * r.size + r.rank) * r.length + e % r.length;
}

// What the number j of a block's draws decides, as `put(element, words, j)`: one thread a block where all rows are here, so that
// a block is computed once; one thread an element otherwise. `draws`: how many elements a block serves, kLanes apart.
template <int draws, typename Put>
__global__ void over_draws(int64_t n, Draw draw, Rows rows, Put put) {
  constexpr int64_t group = draws * kLanes;
  PhiloxKey key = draw.key;
  uint64_t first = draw.first;
  if (draw.at) {
    key = {static_cast<uint32_t>(draw.at[0]), static_cast<uint32_t>(draw.at[1])};
    first = static_cast<uint64_t>(draw.at[2]);
  }
  uint32_t words[4];
  if (rows.size == 1) {
    const int64_t block = thread_index();
    const int64_t start = block / kLanes * group + block % kLanes;
    if (start >= n) return;
    philox(key, first + block, words);
#pragma unroll
    for (int j = 0; j < draws; j++)
      if (start + j * kLanes < n) put(start + j * kLanes, words, j);
  } else {
    const int64_t e = thread_index();
    if (e >= n) return;
    const int64_t place = place_of(e, rows);
    philox(key, first + place / group * kLanes + place % kLanes, words);
    const int mine = static_cast<int>(place % group / kLanes);
#pragma unroll
    for (int j = 0; j < draws; j++)
      if (j == mine) put(e, words, j);
  }
}

template <int draws, typename Put>
const char* launch(int64_t n, Draw draw, Rows rows, void* stream, Put put) {
  if (n == 0) return nullptr;
  constexpr int64_t group = draws * kLanes;
  const int64_t threads = rows.size == 1 ? (n + group - 1) / group * kLanes : n;
  over_draws<draws><<<(threads + kThreads - 1) / kThreads, kThreads, 0, static_cast<cudaStream_t>(stream)>>>(n, draw, rows, put);
  return problem(cudaGetLastError());
}

template <typename T>
struct Mask {
  const T* in;
  T* out;
  uint32_t threshold;
  float scale;
  __device__ void operator()(int64_t e, const uint32_t words[4], int j) const {
    const uint32_t draw = j < 4 ? words[j] & 0xFFFFu : words[j - 4] >> 16;
    if (draw >= threshold) store(out + e, load(in[e]) * scale);
    else out[e] = 0;
  }
};

struct Normal {
  const float* in;
  float* out;
  float mean, std;
  __device__ void operator()(int64_t e, const uint32_t words[4], int j) const {
    float z[2];
    box_muller(words[j & 2], words[(j & 2) + 1], z[0], z[1]);
    const float drawn = std * z[j & 1];
    out[e] = in ? in[e] + mean + drawn : mean + drawn;
  }
};

struct Uniform {
  float* out;
  float low, high;
  __device__ void operator()(int64_t e, const uint32_t words[4], int j) const { out[e] = low + (high - low) * unit_float(words[j]); }
};

// One thread a pixel of the output, all its channels.
template <typename Pixel>
__global__ void gather_pixels(Gather g) {
  const int64_t t = thread_index(), area = g.height * g.width;
  if (t >= g.rows * area) return;
  const int64_t row = t / area, y = t % area / g.width, x = t % g.width;
  const int32_t* move = g.moves + 4 * row;
  const int64_t from_y = reflect(y + move[1], g.height);
  const int64_t from_x = reflect((move[3] ? g.width - 1 - x : x) + move[2], g.width);
  const Pixel* in = static_cast<const Pixel*>(g.images) + move[0] * g.channels * area + from_y * g.width + from_x;
  for (int64_t c = 0; c < g.channels; c++) {
    const int64_t k = g.per_image ? row : c;
    g.out[t * g.channels + c] = static_cast<float>(in[c * area]) * g.scale[k] + g.offset[k];
  }
}

// Tensors of one launch: the table travels with it. Each has blocks of its own, kPiece elements to one: those from `first` on.
constexpr int kTable = 96;
constexpr int kPiece = 16 * kThreads;
struct Table {
  MultiRow rows[kTable];
  int first[kTable + 1];
};

// With fused multiply-add, as libtorch's own.
template <Multi what>
__device__ __forceinline__ float updated(float a, float b, float c, float s) {
  switch (what) {
    case Multi::scale: return a * s;
    case Multi::shift: return a + s;
    case Multi::add: return __fmaf_rn(s, b, a);
    case Multi::addcmul: return __fmaf_rn(s, b * c, a);
    default: return __fmaf_rn(s, b / c, a);
  }
}

template <Multi what>
__global__ void over_many(Table table, const float* number) {
  int t = 0;
  while (static_cast<int>(blockIdx.x) >= table.first[t + 1]) t++;
  const MultiRow& row = table.rows[t];
  const float s = *number;
  constexpr bool third = what == Multi::addcmul || what == Multi::addcdiv, second = third || what == Multi::add;
  const bool wide = aligned(row.a) && (!second || aligned(row.b)) && (!third || aligned(row.c));
  const int64_t start = static_cast<int64_t>(blockIdx.x - table.first[t]) * kPiece;
#pragma unroll
  for (int64_t i = start + 4 * threadIdx.x; i < start + kPiece; i += 4 * kThreads) {
    if (wide && i + 4 <= row.n) {
      float a[4], b[4] = {}, c[4] = {};
      read(row.a + i, a);
      if (second) read(row.b + i, b);
      if (third) read(row.c + i, c);
#pragma unroll
      for (int k = 0; k < 4; k++) a[k] = updated<what>(a[k], b[k], c[k], s);
      write(row.a + i, a);
      continue;
    }
    for (int64_t k = i; k < i + 4 && k < row.n; k++) row.a[k] = updated<what>(row.a[k], second ? row.b[k] : 0, third ? row.c[k] : 0, s);
  }
}

}  // namespace

const char* multi(Multi what, const MultiRow* rows, int count, const float* s, void* stream) {
  for (int from = 0; from < count; from += kTable) {
    Table table;
    const int some = count - from < kTable ? count - from : kTable;
    table.first[0] = 0;
    for (int i = 0; i < some; i++) {
      table.rows[i] = rows[from + i];
      table.first[i + 1] = table.first[i] + static_cast<int>((table.rows[i].n + kPiece - 1) / kPiece);
    }
    const int blocks = table.first[some];
    if (blocks == 0) continue;
    const auto on = static_cast<cudaStream_t>(stream);
    switch (what) {
      case Multi::scale: over_many<Multi::scale><<<blocks, kThreads, 0, on>>>(table, s); break;
      case Multi::shift: over_many<Multi::shift><<<blocks, kThreads, 0, on>>>(table, s); break;
      case Multi::add: over_many<Multi::add><<<blocks, kThreads, 0, on>>>(table, s); break;
      case Multi::addcmul: over_many<Multi::addcmul><<<blocks, kThreads, 0, on>>>(table, s); break;
      case Multi::addcdiv: over_many<Multi::addcdiv><<<blocks, kThreads, 0, on>>>(table, s); break;
    }
    if (const char* wrong = problem(cudaGetLastError())) return wrong;
  }
  return nullptr;
}

const char* mask(const void* in, void* out, bool bf16, int64_t n, Draw draw, uint32_t threshold, float scale, Rows rows, void* stream) {
  if (bf16) return launch<8>(n, draw, rows, stream, Mask<uint16_t>{static_cast<const uint16_t*>(in), static_cast<uint16_t*>(out), threshold, scale});
  return launch<8>(n, draw, rows, stream, Mask<float>{static_cast<const float*>(in), static_cast<float*>(out), threshold, scale});
}

const char* normal(const float* in, float* out, int64_t n, Draw draw, float mean, float std, Rows rows, void* stream) {
  return launch<4>(n, draw, rows, stream, Normal{in, out, mean, std});
}

const char* uniform(float* out, int64_t n, Draw draw, float low, float high, Rows rows, void* stream) {
  return launch<4>(n, draw, rows, stream, Uniform{out, low, high});
}

const char* gather(const Gather& task, void* stream) {
  const int64_t threads = task.rows * task.height * task.width;
  if (threads == 0) return nullptr;
  const auto blocks = static_cast<unsigned>((threads + kThreads - 1) / kThreads);
  if (task.bytes) gather_pixels<uint8_t><<<blocks, kThreads, 0, static_cast<cudaStream_t>(stream)>>>(task);
  else gather_pixels<float><<<blocks, kThreads, 0, static_cast<cudaStream_t>(stream)>>>(task);
  return problem(cudaGetLastError());
}

const char* memory(size_t* free, size_t* total) { return problem(cudaMemGetInfo(free, total)); }

}  // namespace fewlabels::cuda
