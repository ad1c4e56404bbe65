// Start of the addon: allocator settings, threads, versions, and the table of exports.
#include "bf16_conv.h"
#include "cuda.h"
#include "exports.h"
#include "values.h"
#include "winograd.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <ATen/ops/empty.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#if defined(__GLIBC__)
#include <malloc.h>
#endif
#include <cstdlib>

namespace fewlabels {
namespace {

// A training step allocates and frees the same sizes again and again: keep the pages. Worth 10-14 % of CPU time with
// eager release of intermediates; either alone loses.
void tune_allocator() {
#if defined(__GLIBC__)
  mallopt(M_ARENA_MAX, 1);
  mallopt(M_MMAP_MAX, 0);
  mallopt(M_TRIM_THRESHOLD, -1);
  mallopt(M_TOP_PAD, 64 << 20);
#endif
}

// What was kept and is not in use goes back to the system, also from the middle of the heap.
napi_value release_memory(napi_env env, napi_callback_info) {
  return guard(env, [&] {
#if defined(__GLIBC__)
    malloc_trim(0);
#endif
    return undefined(env);
  });
}

// Debian's libtorch picks AVX2 code where AVX-512 would do. It obeys this variable without a look at the processor, so it is
// set only where the kernels' instructions are there; read at libtorch's first operator, after this addon is loaded.
void prefer_wide_vectors() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool wide = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                    __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
  if (wide) setenv("ATEN_CPU_CAPABILITY", "avx512", /*overwrite=*/0);
#endif
}

// "AVX512", "AVX2", "DEFAULT" ...: libtorch tells it in its configuration text alone.
std::string capability_name() {
  const std::string config = at::show_config(), label = "CPU capability usage: ";
  const auto start = config.find(label);
  if (start == std::string::npos) return "unknown";
  const auto from = start + label.size();
  return config.substr(from, config.find('\n', from) - from);
}

napi_value set_threads(napi_env env, napi_callback_info info) {
  return guard(env, [&] {
    const Arguments<1> args(env, info);
    at::set_num_threads(static_cast<int>(to_double(env, args[0])));
    return undefined(env);
  });
}

napi_value threads(napi_env env, napi_callback_info) {
  return guard(env, [&] { return from_double(env, at::get_num_threads()); });
}

napi_value info(napi_env env, napi_callback_info) {
  return guard(env, [&] {
    napi_value result;
    check(env, napi_create_object(env, &result));
    check(env, napi_set_named_property(env, result, "libtorch", from_text(env, TORCH_VERSION)));
    const auto devices = at::hasCUDA() ? static_cast<double>(at::getNumGPUs()) : 0.0;
    check(env, napi_set_named_property(env, result, "cuda", from_double(env, devices)));
    check(env, napi_set_named_property(env, result, "cudaBuild", from_bool(env, FEWLABELS_WITH_CUDA)));
    check(env, napi_set_named_property(env, result, "cudaKernels", from_bool(env, FEWLABELS_CUDA_KERNELS)));
    check(env, napi_set_named_property(env, result, "capability", from_text(env, capability_name())));
    check(env, napi_set_named_property(env, result, "winograd", from_bool(env, winograd::fits_processor())));
    check(env, napi_set_named_property(env, result, "amx", from_bool(env, bf16::has_tiles())));
    check(env, napi_set_named_property(env, result, "dots", from_bool(env, bf16::fits_processor() && !bf16::has_tiles())));
    return result;
  });
}

// (device index, tf32, deterministic): the device of the calling thread from now on; whether float32 products may be rounded to TF32;
// whether every algorithm must give the same bits each time, or convolutions are timed once a shape and the fastest one is kept.
napi_value set_cuda(napi_env env, napi_callback_info info) {
  return guard(env, [&] {
    const Arguments<3> args(env, info);
    const auto index = static_cast<c10::DeviceIndex>(to_double(env, args[0]));
    const bool tf32 = to_bool(env, args[1]), deterministic = to_bool(env, args[2]);
    c10::impl::VirtualGuardImpl(at::kCUDA).setDevice(at::Device(at::kCUDA, index));
#if FEWLABELS_CUDA_KERNELS
    cuda::leave_default_stream(index);
#endif
    auto& context = at::globalContext();
    context.setBenchmarkCuDNN(!deterministic);
    context.setDeterministicCuDNN(deterministic);
    context.setDeterministicAlgorithms(deterministic, /*warn_only=*/true);
    context.setAllowTF32CuDNN(tf32);
    context.setAllowTF32CuBLAS(tf32);
    return undefined(env);
  });
}

napi_value cuda_memory(napi_env env, napi_callback_info) {
  return guard(env, [&] {
    size_t free = 0, total = 0, held = 0;
#if FEWLABELS_CUDA_KERNELS
    at::empty({0}, at::TensorOptions().device(at::kCUDA));  // wakes libtorch's allocator
    cuda::check(cuda::memory(&free, &total));
    held = cuda::held();
#endif
    napi_value result;
    check(env, napi_create_object(env, &result));
    check(env, napi_set_named_property(env, result, "free", from_double(env, static_cast<double>(free))));
    check(env, napi_set_named_property(env, result, "total", from_double(env, static_cast<double>(total))));
    check(env, napi_set_named_property(env, result, "held", from_double(env, static_cast<double>(held))));
    return result;
  });
}

void destroy(napi_env, void* data, void*) { delete static_cast<Environment*>(data); }

}  // namespace

void export_runtime(std::vector<napi_property_descriptor>& out) {
  out.push_back(method("releaseMemory", release_memory));
  out.push_back(method("setThreads", set_threads));
  out.push_back(method("threads", threads));
  out.push_back(method("info", info));
  out.push_back(method("setCuda", set_cuda));
  out.push_back(method("cudaMemory", cuda_memory));
}

}  // namespace fewlabels

NAPI_MODULE_INIT() {
  fewlabels::tune_allocator();
  fewlabels::prefer_wide_vectors();
  napi_set_instance_data(env, new fewlabels::Environment(), fewlabels::destroy, nullptr);
  std::vector<napi_property_descriptor> properties;
  fewlabels::export_tensor(properties);
  fewlabels::export_dispatch(properties);
  fewlabels::export_autograd(properties);
  fewlabels::export_runtime(properties);
  fewlabels::export_distributed(properties);
  fewlabels::export_graph(properties);
  napi_define_properties(env, exports, properties.size(), properties.data());
  return exports;
}
