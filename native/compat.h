// Every difference between libtorch versions lives here. Compiled against 1.13; the branches for newer versions follow
// their headers.
#pragma once
#include <ATen/core/Tensor.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <c10/core/DeviceType.h>
#include <torch/version.h>

#define FEWLABELS_TORCH_AT_LEAST(major, minor) \
  (TORCH_VERSION_MAJOR > (major) || (TORCH_VERSION_MAJOR == (major) && TORCH_VERSION_MINOR >= (minor)))

// Forward declarations instead of <ATen/autocast_mode.h>, which pulls in every operator.
namespace at::autocast {
#if FEWLABELS_TORCH_AT_LEAST(2, 4)
bool is_autocast_enabled(at::DeviceType device_type);
void set_autocast_enabled(at::DeviceType device_type, bool enabled);
void set_autocast_dtype(at::DeviceType device_type, at::ScalarType dtype);
at::ScalarType get_autocast_dtype(at::DeviceType device_type);
#else
bool is_enabled();
void set_enabled(bool enabled);
void set_autocast_gpu_dtype(at::ScalarType dtype);
bool is_cpu_enabled();
void set_cpu_enabled(bool enabled);
void set_autocast_cpu_dtype(at::ScalarType dtype);
at::ScalarType get_autocast_cpu_dtype();
#endif
void clear_cache();
int increment_nesting();
int decrement_nesting();
}  // namespace at::autocast

namespace at {
int get_num_threads();
void set_num_threads(int);
}  // namespace at

namespace fewlabels::compat {

inline bool autocast_enabled(at::DeviceType device) {
#if FEWLABELS_TORCH_AT_LEAST(2, 4)
  return at::autocast::is_autocast_enabled(device);
#else
  return device == at::kCPU ? at::autocast::is_cpu_enabled() : at::autocast::is_enabled();
#endif
}

// Whether operators on the CPU compute in bfloat16 now.
inline bool autocast_to_bfloat16() {
#if FEWLABELS_TORCH_AT_LEAST(2, 4)
  return autocast_enabled(at::kCPU) && at::autocast::get_autocast_dtype(at::kCPU) == at::kBFloat16;
#else
  return autocast_enabled(at::kCPU) && at::autocast::get_autocast_cpu_dtype() == at::kBFloat16;
#endif
}

inline void set_autocast(at::DeviceType device, bool enabled, at::ScalarType dtype) {
#if FEWLABELS_TORCH_AT_LEAST(2, 4)
  at::autocast::set_autocast_dtype(device, dtype);
  at::autocast::set_autocast_enabled(device, enabled);
#else
  if (device == at::kCPU) {
    at::autocast::set_autocast_cpu_dtype(dtype);
    at::autocast::set_cpu_enabled(enabled);
  } else {
    at::autocast::set_autocast_gpu_dtype(dtype);
    at::autocast::set_enabled(enabled);
  }
#endif
}

}  // namespace fewlabels::compat
