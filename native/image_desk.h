// The picture that one thread works on while it augments a row of a batch.
#pragma once

#include <cstdint>
#include <vector>

namespace fewlabels {

// The picture as planes of bytes (a mask of holes is the last one), its next state, and coordinates.
struct Desk {
  int64_t channels, height = 0, width = 0, area = 0;
  std::vector<uint8_t> now, next;
  std::vector<int32_t> source, columns, lines;
  // `largest`: pixels of the largest picture to come.
  Desk(int64_t c, int64_t largest) : channels(c), now((c + 1) * largest), next((c + 1) * largest), source(largest) {}
  // The planes of another size lie elsewhere: what is in them must be written anew.
  void reshape(int64_t h, int64_t w) { height = h, width = w, area = h * w; }
  uint8_t* plane(int64_t c) { return now.data() + c * area; }
  uint8_t* mask() { return plane(channels); }
};

struct Rules {
  std::vector<uint8_t> fill;   // [C], what geometry and padding bring in from outside
  std::vector<uint8_t> color;  // [C], of boxes
  bool fill_is_hole;           // pixels from outside become holes
};

// Cut off (not rounded) to a byte.
inline uint8_t clip(double value) { return static_cast<uint8_t>(value <= 0 ? 0 : value >= 255 ? 255 : value); }

}  // namespace fewlabels
