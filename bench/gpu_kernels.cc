// What an NVIDIA GPU did in a process, kernel by kernel: CUDA loads this library into any process that has CUDA_INJECTION64_PATH set to
// it, CUPTI tells it every kernel (those of CUDA graphs one by one), copy and fill, and at the process's end a file is written into the
// folder FEWLABELS_GPU_KERNELS:
//   {"dropped": records lost, "names": [...], "records": [name, start, duration, name, start, duration, ...]}
// in nanoseconds since the first start; in no order. bench/gpu-profile.mjs compiles it and reads that.
#include <cupti.h>
#include <cxxabi.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

namespace {

constexpr size_t kBufferBytes = 8 << 20;

struct Record {
  uint32_t name;
  uint64_t start, end;
};

struct Trace {
  std::mutex mutex;
  std::unordered_map<std::string, uint32_t> ids;
  std::vector<Record> records;
  size_t dropped = 0;
  std::string folder;
  pid_t process = 0;
};
// Never destroyed: CUPTI's thread may still bring records while the process ends.
Trace& trace = *new Trace;

bool went_well(CUptiResult result, const char* what) {
  if (result == CUPTI_SUCCESS) return true;
  const char* says = nullptr;
  cuptiGetResultString(result, &says);
  std::fprintf(stderr, "gpu_kernels: %s: %s\n", what, says ? says : "unknown error");
  return false;
}

const char* copy_name(uint8_t kind) {
  switch (kind) {
    case CUPTI_ACTIVITY_MEMCPY_KIND_HTOD: return "memcpy, host to device";
    case CUPTI_ACTIVITY_MEMCPY_KIND_DTOH: return "memcpy, device to host";
    case CUPTI_ACTIVITY_MEMCPY_KIND_DTOD: return "memcpy, device to device";
    default: return "memcpy, other";
  }
}

void add(const char* name, uint64_t start, uint64_t end) {
  if (start == 0 || end < start) return;  // its time is not known
  const auto id = trace.ids.emplace(name ? name : "?", static_cast<uint32_t>(trace.ids.size())).first->second;
  trace.records.push_back({id, start, end});
}

// `record`'s older layouts are the beginning of its newer ones, as far as they are read here.
void add(const CUpti_Activity* record) {
  if (record->kind == CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL || record->kind == CUPTI_ACTIVITY_KIND_KERNEL) {
    const auto* kernel = reinterpret_cast<const CUpti_ActivityKernel4*>(record);
    add(kernel->name, kernel->start, kernel->end);
  } else if (record->kind == CUPTI_ACTIVITY_KIND_MEMCPY) {
    const auto* copy = reinterpret_cast<const CUpti_ActivityMemcpy*>(record);
    add(copy_name(copy->copyKind), copy->start, copy->end);
  } else if (record->kind == CUPTI_ACTIVITY_KIND_MEMSET) {
    const auto* fill = reinterpret_cast<const CUpti_ActivityMemset*>(record);
    add("memset", fill->start, fill->end);
  }
}

void CUPTIAPI give_buffer(uint8_t** buffer, size_t* size, size_t* most_records) {
  *buffer = static_cast<uint8_t*>(std::aligned_alloc(64, kBufferBytes));
  *size = *buffer ? kBufferBytes : 0;
  *most_records = 0;
}

void CUPTIAPI take_buffer(CUcontext context, uint32_t stream, uint8_t* buffer, size_t, size_t filled) {
  std::lock_guard<std::mutex> lock(trace.mutex);
  CUpti_Activity* record = nullptr;
  while (buffer && cuptiActivityGetNextRecord(buffer, filled, &record) == CUPTI_SUCCESS) add(record);
  size_t dropped = 0;
  if (cuptiActivityGetNumDroppedRecords(context, stream, &dropped) == CUPTI_SUCCESS) trace.dropped += dropped;
  std::free(buffer);
}

std::string in_json(const std::string& symbol) {
  int status = 0;
  char* demangled = abi::__cxa_demangle(symbol.c_str(), nullptr, nullptr, &status);
  std::string quoted = "\"";
  for (const char c : status == 0 && demangled ? std::string(demangled) : symbol) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += static_cast<unsigned char>(c) < ' ' ? ' ' : c;
  }
  std::free(demangled);
  return quoted + "\"";
}

void write_down() {
  if (getpid() != trace.process) return;  // a fork of the process that CUDA ran in
  went_well(cuptiActivityFlushAll(CUPTI_ACTIVITY_FLAG_FLUSH_FORCED), "the last records");
  std::lock_guard<std::mutex> lock(trace.mutex);
  const std::string path = trace.folder + "/" + std::to_string(trace.process) + ".json";
  std::FILE* file = std::fopen(path.c_str(), "w");
  if (!file) return std::perror(path.c_str());
  std::vector<std::string> names(trace.ids.size());
  for (const auto& [name, id] : trace.ids) names[id] = in_json(name);
  uint64_t first = UINT64_MAX;
  for (const Record& r : trace.records) first = std::min(first, r.start);
  std::fprintf(file, "{\"dropped\":%zu,\"names\":[", trace.dropped);
  for (size_t i = 0; i < names.size(); i++) std::fprintf(file, "%s%s", i ? ",\n" : "", names[i].c_str());
  std::fprintf(file, "],\"records\":[");
  const char* comma = "";
  for (const Record& r : trace.records) {
    std::fprintf(file, "%s%u,%llu,%llu", comma, r.name, static_cast<unsigned long long>(r.start - first),
                 static_cast<unsigned long long>(r.end - r.start));
    comma = ",\n";
  }
  std::fprintf(file, "]}\n");
  if (std::fclose(file) != 0) std::perror(path.c_str());
}

}  // namespace

// CUDA calls it when it starts, and goes on after anything but 0.
extern "C" __attribute__((visibility("default"))) int InitializeInjection(void) {
  const char* folder = std::getenv("FEWLABELS_GPU_KERNELS");
  if (!folder || trace.process != 0) return 1;
  trace.folder = folder;
  trace.process = getpid();
  if (!went_well(cuptiActivityRegisterCallbacks(give_buffer, take_buffer), "buffers")) return 1;
  for (const auto kind : {CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL, CUPTI_ACTIVITY_KIND_MEMCPY, CUPTI_ACTIVITY_KIND_MEMSET})
    went_well(cuptiActivityEnable(kind), "tracing");
  std::atexit(write_down);
  return 1;
}
