// Runs kernels of kernels_cuda.cu on the processor. Those that draw: arguments are which, elements, elements of a row, rank, size, key, first block and
// where the draw is told ("memory": as a captured step is); the elements go to standard output as float32.
#include KERNELS

#include <cstdio>
#include <cstdlib>
#include <string>

using namespace fewlabels;
using namespace fewlabels::cuda;

// Argument: the number of the update. Tensors of several lengths, some of them not at a multiple of 16 bytes, of small whole numbers.
void updates(Multi what) {
  std::vector<std::vector<float>> a, b, c;
  std::vector<MultiRow> rows;
  const int64_t sizes[] = {5, 1, 4096, 0, 9001, 70};
  for (const int64_t n : sizes) {
    for (auto* list : {&a, &b, &c}) list->emplace_back(n + 1);
    const int64_t skip = rows.size() % 2;
    MultiRow row{a.back().data() + skip, b.back().data() + skip, c.back().data() + skip, n};
    for (int64_t i = 0; i < n; i++) {
      row.a[i] = static_cast<float>(1 + i % 7);
      b.back()[skip + i] = static_cast<float>(i % 5 - 2);
      c.back()[skip + i] = static_cast<float>(1 << i % 3);
    }
    rows.push_back(row);
  }
  const float half = 0.5f;
  multi(what, rows.data(), static_cast<int>(rows.size()), &half, nullptr);
  for (const auto& row : rows) std::fwrite(row.a, 4, row.n, stdout);
}

int main(int, char** given) {
  const std::string which = given[1];
  if (which == "multi") {
    updates(static_cast<Multi>(std::atoi(given[2])));
    return 0;
  }
  const std::string told = given[9];
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
