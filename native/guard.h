// One place where C++ exceptions become JavaScript errors, and one-line argument checks.
#pragma once
#include <c10/util/Exception.h>
#include <node_api.h>

#include <exception>
#include <stdexcept>
#include <string>

namespace fewlabels {

inline void check(napi_env env, napi_status status) {
  if (status == napi_ok) return;
  const napi_extended_error_info* info = nullptr;
  napi_get_last_error_info(env, &info);
  throw std::invalid_argument(info && info->error_message ? info->error_message : "Node-API call failed");
}

// Runs `body`; any exception becomes a pending JavaScript error with the bare message (no C++ backtrace).
template <typename Body>
napi_value guard(napi_env env, Body&& body) {
  try {
    return body();
  } catch (const c10::Error& error) {
    napi_throw_error(env, "ENGINE", error.what_without_backtrace());
  } catch (const std::exception& error) {
    napi_throw_error(env, "ENGINE", error.what());
  } catch (...) {
    napi_throw_error(env, "ENGINE", "unknown C++ exception");
  }
  return nullptr;
}

}  // namespace fewlabels
