// Tasks from standard input, one after the other, and what comes out of them to standard output. A task: 8 int64 (the first: whether elements are to
// be bfloat16), then its tensors as float32; out: tensors as float32.
#pragma once
#include "bfloat16.h"

#include <cstdio>
#include <cstdlib>
#include <vector>

using namespace fewlabels;

inline std::vector<float> take(size_t count) {
  std::vector<float> values(count);
  if (std::fread(values.data(), 4, count, stdin) != count) std::exit(3);
  return values;
}
inline void give(const std::vector<float>& values) { std::fwrite(values.data(), 4, values.size(), stdout); }

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

// Calls body(null of the elements' type, task) for each.
template <typename Body>
void each_task(const Body& body) {
  int64_t task[8];
  while (std::fread(task, 8, 8, stdin) == 8) {
    if (task[0]) body(static_cast<uint16_t*>(nullptr), task);
    else body(static_cast<float*>(nullptr), task);
  }
}
