// What each source file contributes to the addon's exports.
#pragma once
#include <node_api.h>

#include <vector>

namespace fewlabels {
void export_tensor(std::vector<napi_property_descriptor>& out);
void export_dispatch(std::vector<napi_property_descriptor>& out);
void export_autograd(std::vector<napi_property_descriptor>& out);
void export_runtime(std::vector<napi_property_descriptor>& out);
void export_distributed(std::vector<napi_property_descriptor>& out);
void export_graph(std::vector<napi_property_descriptor>& out);

inline napi_property_descriptor method(const char* name, napi_callback callback) {
  return {name, nullptr, callback, nullptr, nullptr, nullptr, napi_enumerable, nullptr};
}

// Reads exactly N arguments; missing ones are undefined.
template <size_t N>
struct Arguments {
  napi_value values[N];
  Arguments(napi_env env, napi_callback_info info) {
    size_t count = N;
    napi_get_cb_info(env, info, &count, values, nullptr, nullptr);
  }
  napi_value operator[](size_t i) const { return values[i]; }
};
}  // namespace fewlabels
