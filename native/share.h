// Work in pieces, each for the next thread that is free: one that the system takes away for a while keeps nobody waiting for its half.
#pragma once
#include <ATen/Parallel.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>

namespace fewlabels {

// start() is called once a thread and gives what does the work of one piece, called with the number of each.
template <typename Start>
void share_out(int64_t pieces, const Start& start) {
  std::atomic<int64_t> next{0};
  at::parallel_for(0, std::min<int64_t>(pieces, at::get_num_threads()), 1, [&](int64_t, int64_t) {
    auto work = start();
    for (int64_t piece; (piece = next++) < pieces;) work(piece);
  });
}

enum class Order { up, down };

// Each thread has neighboring pieces of its own, the same in every call, so that it finds them in its cache; one that is through takes the last of another's.
template <typename Work>
void share_fairly(int64_t pieces, Order order, const Work& work) {
  // What is left of a thread's pieces: the first in the upper half, the one behind the last in the lower.
  struct alignas(64) Left {
    std::atomic<uint64_t> ends;
    int64_t take(bool first) {
      uint64_t now = ends.load();
      for (;;) {
        const uint64_t from = now >> 32, to = now & 0xffffffff;
        if (from >= to) return -1;
        if (ends.compare_exchange_weak(now, first ? (from + 1) << 32 | to : from << 32 | (to - 1))) return static_cast<int64_t>(first ? from : to - 1);
      }
    }
  };
  const int64_t threads = std::min<int64_t>(pieces, at::get_num_threads());
  if (threads < 1) return;
  const std::unique_ptr<Left[]> left(new Left[threads]);
  for (int64_t t = 0; t < threads; t++) left[t].ends = static_cast<uint64_t>(pieces * t / threads) << 32 | static_cast<uint64_t>(pieces * (t + 1) / threads);
  at::parallel_for(0, threads, 1, [&](int64_t from, int64_t to) {
    for (int64_t t = from; t < to; t++)
      for (int64_t other = 0; other < threads; other++) {
        const bool first = (order == Order::up) == (other == 0);
        for (int64_t piece; (piece = left[(t + other) % threads].take(first)) >= 0;) work(piece);
      }
  });
}

// body(from, to) for all of `count`, `grain` at a time.
template <typename Body>
void share_ranges(int64_t count, int64_t grain, const Body& body) {
  share_fairly((count + grain - 1) / grain, Order::up, [&](int64_t i) { body(i * grain, std::min(count, (i + 1) * grain)); });
}

}  // namespace fewlabels
