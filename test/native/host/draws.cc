// Runs the kernels of kernels_cuda.cu that draw, on the processor: arguments are which, elements, elements of a row, rank, size, key, first block and
// where the draw is told ("memory": as a captured step is); the elements go to standard output as float32.
#include KERNELS

#include <cstdio>
#include <cstdlib>
#include <string>

using namespace fewlabels;
using namespace fewlabels::cuda;

int main(int, char** given) {
  const std::string which = given[1], told = given[9];
  const int64_t n = std::atoll(given[2]);
  const Rows rows{std::atoll(given[3]), std::atoll(given[4]), std::atoll(given[5])};
  const int64_t numbers[3] = {std::atoll(given[6]), std::atoll(given[7]), std::atoll(given[8])};
  Draw draw{{static_cast<uint32_t>(numbers[0]), static_cast<uint32_t>(numbers[1])}, static_cast<uint64_t>(numbers[2])};
  if (told == "memory") draw = {{0, 0}, 0, numbers};
  std::vector<float> out(n), ones(n, 1.0f);
  if (which == "dropout") mask(ones.data(), out.data(), false, n, draw, 0x8000, 2.0f, rows, nullptr);
  if (which == "normal") normal(nullptr, out.data(), n, draw, 0.25f, 1.5f, rows, nullptr);
  if (which == "uniform") uniform(out.data(), n, draw, -2.0f, 3.0f, rows, nullptr);
  std::fwrite(out.data(), 4, out.size(), stdout);
}
