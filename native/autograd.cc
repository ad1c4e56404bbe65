// Backward passes and the modes of the calling thread: gradient recording and autocast.
#include "exports.h"
#include "values.h"

#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

namespace fewlabels {
namespace {

napi_value backward(napi_env env, napi_callback_info info) {
  return guard(env, [&] {
    const Arguments<1> args(env, info);
    torch::autograd::backward({environment(env).handles.get(to_double(env, args[0]))}, {});
    return undefined(env);
  });
}

napi_value grad(napi_env env, napi_callback_info info) {
  return guard(env, [&] {
    const Arguments<1> args(env, info);
    auto& handles = environment(env).handles;
    const at::Tensor gradient = handles.get(to_double(env, args[0])).grad();
    return gradient.defined() ? from_double(env, handles.add(gradient)) : undefined(env);
  });
}

napi_value clear_grad(napi_env env, napi_callback_info info) {
  return guard(env, [&] {
    const Arguments<1> args(env, info);
    at::Tensor tensor = environment(env).handles.get(to_double(env, args[0]));
    tensor.mutable_grad() = at::Tensor();
    return undefined(env);
  });
}

napi_value requires_grad(napi_env env, napi_callback_info info) {
  return guard(env, [&] {
    const Arguments<1> args(env, info);
    return from_bool(env, environment(env).handles.get(to_double(env, args[0])).requires_grad());
  });
}

napi_value set_requires_grad(napi_env env, napi_callback_info info) {
  return guard(env, [&] {
    const Arguments<2> args(env, info);
    environment(env).handles.get(to_double(env, args[0])).requires_grad_(to_bool(env, args[1]));
    return undefined(env);
  });
}

napi_value set_grad_mode(napi_env env, napi_callback_info info) {
  return guard(env, [&] {
    const Arguments<1> args(env, info);
    const bool before = at::GradMode::is_enabled();
    at::GradMode::set_enabled(to_bool(env, args[0]));
    return from_bool(env, before);
  });
}

napi_value enter_autocast(napi_env env, napi_callback_info info) {
  return guard(env, [&] {
    const Arguments<2> args(env, info);
    compat::set_autocast(c10::Device(to_text(env, args[0])).type(), true, parse_dtype(to_text(env, args[1])));
    at::autocast::increment_nesting();
    return undefined(env);
  });
}

napi_value leave_autocast(napi_env env, napi_callback_info info) {
  return guard(env, [&] {
    const Arguments<1> args(env, info);
    if (at::autocast::decrement_nesting() == 0) {
      at::autocast::clear_cache();
      compat::set_autocast(c10::Device(to_text(env, args[0])).type(), false, at::kBFloat16);
    }
    return undefined(env);
  });
}

}  // namespace

void export_autograd(std::vector<napi_property_descriptor>& out) {
  out.push_back(method("backward", backward));
  out.push_back(method("grad", grad));
  out.push_back(method("clearGrad", clear_grad));
  out.push_back(method("requiresGrad", requires_grad));
  out.push_back(method("setRequiresGrad", set_requires_grad));
  out.push_back(method("setGradMode", set_grad_mode));
  out.push_back(method("enterAutocast", enter_autocast));
  out.push_back(method("leaveAutocast", leave_autocast));
}

}  // namespace fewlabels
