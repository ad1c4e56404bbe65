// Work in pieces, each for the next thread that is free: one that the system takes away for a while keeps nobody waiting for its half.
#pragma once
#include <ATen/Parallel.h>

#include <algorithm>
#include <atomic>

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

}  // namespace fewlabels
