// Philox4x32-10 (Salmon et al., SC 2011), the counter-based generator of src/rng.ts, sixteen blocks at a time.
#pragma once
#include "draws.h"

namespace fewlabels {

// words[w][lane] = word w of block first + lane.
void philox_lanes(PhiloxKey key, uint64_t first, uint32_t words[4][kLanes]);

}  // namespace fewlabels
