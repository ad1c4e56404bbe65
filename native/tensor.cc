// Tensors: lifetime, facts, and values in and out as typed arrays.
#include "exports.h"
#include "values.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <cstring>

namespace fewlabels {
namespace {

const at::Tensor& tensor_argument(napi_env env, napi_value value) {
  return environment(env).handles.get(to_double(env, value));
}

napi_value release(napi_env env, napi_callback_info info) {
  return guard(env, [&] {
    const Arguments<1> args(env, info);
    uint32_t length;
    check(env, napi_get_array_length(env, args[0], &length));
    for (uint32_t i = 0; i < length; i++) {
      napi_value handle;
      check(env, napi_get_element(env, args[0], i, &handle));
      environment(env).handles.release(to_double(env, handle));
    }
    return undefined(env);
  });
}

napi_value live_tensors(napi_env env, napi_callback_info) {
  return guard(env, [&] { return from_double(env, static_cast<double>(environment(env).handles.live())); });
}

napi_value shape(napi_env env, napi_callback_info info) {
  return guard(env, [&] {
    const Arguments<1> args(env, info);
    const auto sizes = tensor_argument(env, args[0]).sizes();
    napi_value array;
    check(env, napi_create_array_with_length(env, sizes.size(), &array));
    for (size_t i = 0; i < sizes.size(); i++)
      check(env, napi_set_element(env, array, static_cast<uint32_t>(i), from_double(env, static_cast<double>(sizes[i]))));
    return array;
  });
}

napi_value bytes(napi_env env, napi_callback_info info) {
  return guard(env, [&] {
    const Arguments<1> args(env, info);
    return from_double(env, static_cast<double>(tensor_argument(env, args[0]).nbytes()));
  });
}

napi_value dtype(napi_env env, napi_callback_info info) {
  return guard(env, [&] {
    const Arguments<1> args(env, info);
    return from_text(env, dtype_name(tensor_argument(env, args[0]).scalar_type()));
  });
}

napi_value device(napi_env env, napi_callback_info info) {
  return guard(env, [&] {
    const Arguments<1> args(env, info);
    return from_text(env, tensor_argument(env, args[0]).device().str());
  });
}

napi_value is_channels_last(napi_env env, napi_callback_info info) {
  return guard(env, [&] {
    const Arguments<1> args(env, info);
    return from_bool(env, tensor_argument(env, args[0]).is_contiguous(at::MemoryFormat::ChannelsLast));
  });
}


at::ScalarType element_type(napi_typedarray_type array) {
  switch (array) {
    case napi_float32_array: return at::kFloat;
    case napi_float64_array: return at::kDouble;
    case napi_int32_array: return at::kInt;
    case napi_bigint64_array: return at::kLong;
    case napi_uint8_array: return at::kByte;
    case napi_int8_array: return at::kChar;
    case napi_uint16_array: return at::kBFloat16;  // raw bits, for checkpoints
    default: throw std::invalid_argument("fromData: this kind of typed array is not supported");
  }
}

napi_value from_data(napi_env env, napi_callback_info info) {
  return guard(env, [&] {
    const Arguments<4> args(env, info);
    napi_typedarray_type array;
    size_t length;
    void* data;
    if (napi_get_typedarray_info(env, args[0], &array, &length, &data, nullptr, nullptr) != napi_ok)
      throw std::invalid_argument("tensor: expected a typed array");
    const auto sizes = to_ints(env, args[1]);
    int64_t count = 1;
    for (const auto n : sizes) {
      if (n < 0) throw std::invalid_argument("tensor: negative length in shape");
      count *= n;
    }
    if (count != static_cast<int64_t>(length))
      throw std::invalid_argument("tensor: the shape holds " + std::to_string(count) + " elements, the array " + std::to_string(length));
    const auto type = element_type(array);
    const auto wanted = parse_dtype(to_text(env, args[2]));
    if (to_bool(env, args[3])) {  // borrowed: the caller keeps the array alive
      if (wanted != type) throw std::invalid_argument("a borrowed tensor has its array's own type");
      return from_double(env, environment(env).handles.add(at::from_blob(data, sizes, at::TensorOptions().dtype(type))));
    }
    at::Tensor result = at::empty(sizes, at::TensorOptions().dtype(type));
    if (length > 0) std::memcpy(result.data_ptr(), data, length * result.element_size());
    return from_double(env, environment(env).handles.add(wanted == type ? result : result.to(wanted)));
  });
}

napi_value to_data(napi_env env, napi_callback_info info) {
  return guard(env, [&] {
    const Arguments<1> args(env, info);
    at::Tensor source = tensor_argument(env, args[0]).detach().cpu();
    napi_typedarray_type array;
    switch (source.scalar_type()) {
      case at::kHalf:
      case at::kBFloat16: source = source.to(at::kFloat); [[fallthrough]];
      case at::kFloat: array = napi_float32_array; break;
      case at::kDouble: array = napi_float64_array; break;
      case at::kInt: array = napi_int32_array; break;
      case at::kLong: array = napi_bigint64_array; break;
      case at::kBool:
      case at::kByte: array = napi_uint8_array; break;
      case at::kChar: array = napi_int8_array; break;
      default: throw std::invalid_argument("toArray: this dtype is not supported");
    }
    source = source.contiguous();
    const size_t bytes = source.nbytes();
    void* target;
    napi_value buffer, result;
    check(env, napi_create_arraybuffer(env, bytes, &target, &buffer));
    if (bytes > 0) std::memcpy(target, source.data_ptr(), bytes);
    check(env, napi_create_typedarray(env, array, static_cast<size_t>(source.numel()), buffer, 0, &result));
    return result;
  });
}

napi_value adjust_external_memory(napi_env env, napi_callback_info info) {
  return guard(env, [&] {
    const Arguments<1> args(env, info);
    int64_t total;
    check(env, napi_adjust_external_memory(env, static_cast<int64_t>(to_double(env, args[0])), &total));
    return undefined(env);
  });
}

}  // namespace

void export_tensor(std::vector<napi_property_descriptor>& out) {
  out.push_back(method("release", release));
  out.push_back(method("liveTensors", live_tensors));
  out.push_back(method("adjustExternalMemory", adjust_external_memory));
  out.push_back(method("bytes", bytes));
  out.push_back(method("shape", shape));
  out.push_back(method("dtype", dtype));
  out.push_back(method("device", device));
  out.push_back(method("isChannelsLast", is_channels_last));
  out.push_back(method("fromData", from_data));
  out.push_back(method("toData", to_data));
}

}  // namespace fewlabels
