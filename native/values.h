// Conversions between JavaScript values and libtorch's, steered by an operator's schema.
#pragma once
#include "guard.h"
#include "handles.h"

#include <ATen/core/ivalue.h>
#include <ATen/core/jit_type.h>

namespace fewlabels {

at::ScalarType parse_dtype(const std::string& name);
const char* dtype_name(at::ScalarType type);

double to_double(napi_env env, napi_value value);
bool to_bool(napi_env env, napi_value value);
std::string to_text(napi_env env, napi_value value);
std::vector<int64_t> to_ints(napi_env env, napi_value value);
bool is_missing(napi_env env, napi_value value);  // undefined or null

napi_value from_double(napi_env env, double value);
napi_value from_text(napi_env env, const std::string& value);
napi_value from_bool(napi_env env, bool value);
napi_value undefined(napi_env env);

// A JavaScript value as the schema's argument type asks for it; throws std::invalid_argument otherwise.
c10::IValue to_ivalue(napi_env env, napi_value value, const c10::Type& type);
// Tensors become handles, numbers and booleans `{ value }`, lists arrays.
napi_value from_ivalue(napi_env env, const c10::IValue& value);

}  // namespace fewlabels
