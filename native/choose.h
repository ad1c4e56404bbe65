// Which element of a window is its largest: what the CPU's pooling and CUDA's share.
#pragma once
#include "bfloat16.h"

namespace fewlabels {

// The first of the largest wins, and a NaN over all.
FEWLABELS_SHARED void choose(float value, uint32_t position, float& best, uint32_t& where) {
  const bool better = (value > best) | (value != value);
  best = better ? value : best;
  where = better ? position : where;
}

}  // namespace fewlabels
