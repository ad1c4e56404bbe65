// Any operator of libtorch by name: find its schema once, convert arguments by the schema's types, call it boxed.
#include "exports.h"
#include "values.h"

namespace fewlabels {
namespace {

napi_value find(napi_env env, napi_callback_info info) {
  return guard(env, [&] {
    const Arguments<2> args(env, info);
    const auto name = to_text(env, args[0]);
    const auto overload = to_text(env, args[1]);
    auto handle = c10::Dispatcher::singleton().findSchema({name, overload});
    if (!handle) throw std::invalid_argument("libtorch has no operator " + name + (overload.empty() ? "" : "." + overload));
    auto& operators = environment(env).operators;
    operators.push_back(*handle);
    return from_double(env, static_cast<double>(operators.size() - 1));
  });
}

bool writes_argument(const c10::Argument& returned) {
  return returned.alias_info() != nullptr && returned.alias_info()->isWrite();
}

napi_value call(napi_env env, napi_callback_info info) {
  return guard(env, [&] {
    const Arguments<2> args(env, info);
    const auto& op = environment(env).operators.at(static_cast<size_t>(to_double(env, args[0])));
    const auto& schema = op.schema();
    uint32_t given;
    check(env, napi_get_array_length(env, args[1], &given));
    if (given > schema.arguments().size())
      throw std::invalid_argument("takes " + std::to_string(schema.arguments().size()) + " arguments, got " + std::to_string(given));
    torch::jit::Stack stack;
    stack.reserve(schema.arguments().size());
    for (uint32_t i = 0; i < schema.arguments().size(); i++) {
      const auto& argument = schema.arguments()[i];
      if (i >= given) {
        if (!argument.default_value()) throw std::invalid_argument("argument " + argument.name() + " is missing");
        stack.push_back(*argument.default_value());
        continue;
      }
      napi_value value;
      check(env, napi_get_element(env, args[1], i, &value));
      try {
        stack.push_back(to_ivalue(env, value, *argument.type()));
      } catch (const std::invalid_argument& error) {
        throw std::invalid_argument("argument " + argument.name() + ": " + error.what());
      }
    }
    op.callBoxed(&stack);
    const auto& returns = schema.returns();
    if (returns.empty() || writes_argument(returns[0])) return undefined(env);  // in place: the caller holds the tensor
    if (stack.size() == 1) return from_ivalue(env, stack[0]);
    napi_value array;
    check(env, napi_create_array_with_length(env, stack.size(), &array));
    for (size_t i = 0; i < stack.size(); i++)
      check(env, napi_set_element(env, array, static_cast<uint32_t>(i), from_ivalue(env, stack[i])));
    return array;
  });
}

}  // namespace

void export_dispatch(std::vector<napi_property_descriptor>& out) {
  out.push_back(method("find", find));
  out.push_back(method("call", call));
}

}  // namespace fewlabels
