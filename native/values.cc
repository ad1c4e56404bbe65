#include "values.h"

#include <unordered_map>

namespace fewlabels {

namespace {

const std::unordered_map<std::string, at::ScalarType>& dtypes() {
  static const std::unordered_map<std::string, at::ScalarType> table = {
      {"float32", at::kFloat}, {"float64", at::kDouble}, {"bfloat16", at::kBFloat16}, {"float16", at::kHalf},
      {"int64", at::kLong},    {"int32", at::kInt},      {"uint8", at::kByte},        {"int8", at::kChar},
      {"bool", at::kBool}};
  return table;
}

napi_valuetype type_of(napi_env env, napi_value value) {
  napi_valuetype type;
  check(env, napi_typeof(env, value, &type));
  return type;
}

const at::Tensor& to_tensor(napi_env env, napi_value value) {
  if (type_of(env, value) != napi_number) throw std::invalid_argument("expected a tensor");
  return environment(env).handles.get(to_double(env, value));
}

int64_t to_int(napi_env env, napi_value value) {
  const auto type = type_of(env, value);
  if (type == napi_string) return static_cast<int64_t>(parse_dtype(to_text(env, value)));  // dtypes travel by name
  if (type == napi_boolean) return to_bool(env, value);
  const double number = to_double(env, value);
  if (number != static_cast<double>(static_cast<int64_t>(number)))
    throw std::invalid_argument("expected a whole number, got " + std::to_string(number));
  return static_cast<int64_t>(number);
}

at::Scalar to_scalar(napi_env env, napi_value value) {
  if (type_of(env, value) == napi_boolean) return at::Scalar(to_bool(env, value));
  const double number = to_double(env, value);
  const auto whole = static_cast<int64_t>(number);
  const bool exact = std::abs(number) < 9.0e15 && static_cast<double>(whole) == number;
  return exact ? at::Scalar(whole) : at::Scalar(number);
}

// Calls `each(element)` for the elements of an array; typed arrays go through `number` without touching the VM.
template <typename Each, typename Number>
void for_each(napi_env env, napi_value value, Each&& each, Number&& number) {
  bool typed = false;
  check(env, napi_is_typedarray(env, value, &typed));
  if (typed) {
    napi_typedarray_type type;
    size_t length;
    void* data;
    check(env, napi_get_typedarray_info(env, value, &type, &length, &data, nullptr, nullptr));
    for (size_t i = 0; i < length; i++) {
      switch (type) {
        case napi_int32_array: number(static_cast<double>(static_cast<int32_t*>(data)[i])); break;
        case napi_uint32_array: number(static_cast<double>(static_cast<uint32_t*>(data)[i])); break;
        case napi_uint8_array: number(static_cast<double>(static_cast<uint8_t*>(data)[i])); break;
        case napi_float32_array: number(static_cast<double>(static_cast<float*>(data)[i])); break;
        case napi_float64_array: number(static_cast<double*>(data)[i]); break;
        default: throw std::invalid_argument("expected an Int32Array, Uint8Array, Float32Array or Float64Array");
      }
    }
    return;
  }
  bool array = false;
  check(env, napi_is_array(env, value, &array));
  if (!array) throw std::invalid_argument("expected a list");
  uint32_t length;
  check(env, napi_get_array_length(env, value, &length));
  for (uint32_t i = 0; i < length; i++) {
    napi_value element;
    check(env, napi_get_element(env, value, i, &element));
    each(element);
  }
}

c10::IValue to_list(napi_env env, napi_value value, const c10::Type& element) {
  const auto refuse = [](double) { throw std::invalid_argument("expected a list of tensors, got numbers"); };
  switch (element.kind()) {
    case c10::TypeKind::TensorType: {
      c10::List<at::Tensor> list;
      for_each(env, value, [&](napi_value item) { list.push_back(to_tensor(env, item)); }, refuse);
      return list;
    }
    case c10::TypeKind::OptionalType: {
      c10::List<c10::optional<at::Tensor>> list;
      for_each(env, value, [&](napi_value item) {
        if (is_missing(env, item)) list.push_back(c10::nullopt);
        else list.push_back(to_tensor(env, item));
      }, refuse);
      return list;
    }
    case c10::TypeKind::IntType:
    case c10::TypeKind::SymIntType: {
      c10::List<int64_t> list;
      for_each(env, value, [&](napi_value item) { list.push_back(to_int(env, item)); },
               [&](double number) { list.push_back(static_cast<int64_t>(number)); });
      return list;
    }
    case c10::TypeKind::FloatType: {
      c10::List<double> list;
      for_each(env, value, [&](napi_value item) { list.push_back(to_double(env, item)); },
               [&](double number) { list.push_back(number); });
      return list;
    }
    case c10::TypeKind::BoolType: {
      c10::List<bool> list;
      for_each(env, value, [&](napi_value item) { list.push_back(to_bool(env, item)); },
               [&](double number) { list.push_back(number != 0); });
      return list;
    }
    default:
      throw std::invalid_argument("lists of " + element.str() + " are not supported");
  }
}

}  // namespace

at::ScalarType parse_dtype(const std::string& name) {
  const auto found = dtypes().find(name);
  if (found == dtypes().end()) throw std::invalid_argument("unknown dtype \"" + name + "\"");
  return found->second;
}

const char* dtype_name(at::ScalarType type) {
  for (const auto& [name, code] : dtypes())
    if (code == type) return name.c_str();
  return "other";
}

double to_double(napi_env env, napi_value value) {
  double number;
  if (napi_get_value_double(env, value, &number) != napi_ok) throw std::invalid_argument("expected a number");
  return number;
}

bool to_bool(napi_env env, napi_value value) {
  bool flag;
  if (napi_get_value_bool(env, value, &flag) != napi_ok) throw std::invalid_argument("expected true or false");
  return flag;
}

std::string to_text(napi_env env, napi_value value) {
  size_t length;
  if (napi_get_value_string_utf8(env, value, nullptr, 0, &length) != napi_ok) throw std::invalid_argument("expected text");
  std::string text(length, '\0');
  check(env, napi_get_value_string_utf8(env, value, text.data(), length + 1, &length));
  return text;
}

std::vector<int64_t> to_ints(napi_env env, napi_value value) {
  std::vector<int64_t> result;
  for_each(env, value, [&](napi_value item) { result.push_back(to_int(env, item)); },
           [&](double number) { result.push_back(static_cast<int64_t>(number)); });
  return result;
}

bool is_missing(napi_env env, napi_value value) {
  const auto type = type_of(env, value);
  return type == napi_undefined || type == napi_null;
}

napi_value from_double(napi_env env, double value) {
  napi_value result;
  check(env, napi_create_double(env, value, &result));
  return result;
}

napi_value from_text(napi_env env, const std::string& value) {
  napi_value result;
  check(env, napi_create_string_utf8(env, value.data(), value.size(), &result));
  return result;
}

napi_value from_bool(napi_env env, bool value) {
  napi_value result;
  check(env, napi_get_boolean(env, value, &result));
  return result;
}

napi_value undefined(napi_env env) {
  napi_value result;
  check(env, napi_get_undefined(env, &result));
  return result;
}

c10::IValue to_ivalue(napi_env env, napi_value value, const c10::Type& type) {
  switch (type.kind()) {
    case c10::TypeKind::OptionalType:
      if (is_missing(env, value)) return c10::IValue();
      return to_ivalue(env, value, *type.castRaw<c10::OptionalType>()->getElementType());
    case c10::TypeKind::TensorType: return to_tensor(env, value);
    case c10::TypeKind::NumberType: return to_scalar(env, value);
    case c10::TypeKind::FloatType: return to_double(env, value);
    case c10::TypeKind::IntType:
    case c10::TypeKind::SymIntType: return to_int(env, value);
    case c10::TypeKind::BoolType: return to_bool(env, value);
    case c10::TypeKind::StringType: return to_text(env, value);
    case c10::TypeKind::DeviceObjType: return c10::Device(to_text(env, value));
    case c10::TypeKind::ListType: return to_list(env, value, *type.castRaw<c10::ListType>()->getElementType());
    default: throw std::invalid_argument("arguments of type " + type.str() + " are not supported");
  }
}

napi_value from_ivalue(napi_env env, const c10::IValue& value) {
  const auto boxed = [&](napi_value inner) {
    napi_value box;
    check(env, napi_create_object(env, &box));
    check(env, napi_set_named_property(env, box, "value", inner));
    return box;
  };
  if (value.isTensor()) {
    if (!value.toTensor().defined()) return undefined(env);
    return from_double(env, environment(env).handles.add(value.toTensor()));
  }
  if (value.isNone()) return undefined(env);
  if (value.isInt()) return boxed(from_double(env, static_cast<double>(value.toInt())));
  if (value.isDouble()) return boxed(from_double(env, value.toDouble()));
  if (value.isBool()) return boxed(from_bool(env, value.toBool()));
  if (value.isScalar()) return boxed(from_double(env, value.toScalar().toDouble()));
  const auto elements = value.isTuple() ? value.toTupleRef().elements().vec() : value.toListRef().vec();
  napi_value array;
  check(env, napi_create_array_with_length(env, elements.size(), &array));
  for (size_t i = 0; i < elements.size(); i++)
    check(env, napi_set_element(env, array, static_cast<uint32_t>(i), from_ivalue(env, elements[i])));
  return array;
}

}  // namespace fewlabels
