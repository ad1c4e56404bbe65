// The messages of processes that train together, as the addon's functions: every call synchronous for the thread that trains. Without Gloo
// and NCCL everything but these is there.
#include "exports.h"
#include "group.h"
#include "values.h"
#include "world.h"

#if FEWLABELS_WITH_GLOO || FEWLABELS_WITH_NCCL
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#endif

namespace fewlabels {
namespace {

// () -> names of what messages can go through, such as "gloo nccl".
napi_value transports(napi_env env, napi_callback_info) {
  return guard(env, [&] {
    std::string names = FEWLABELS_WITH_GLOO ? "gloo" : "";
    if (FEWLABELS_WITH_NCCL) names += names.empty() ? "nccl" : " nccl";
    return from_text(env, names);
  });
}

}  // namespace

#if FEWLABELS_WITH_GLOO || FEWLABELS_WITH_NCCL
namespace {

std::vector<at::Tensor> tensors(napi_env env, napi_value list) {
  uint32_t count;
  check(env, napi_get_array_length(env, list, &count));
  std::vector<at::Tensor> result;
  for (uint32_t i = 0; i < count; i++) {
    napi_value handle;
    check(env, napi_get_element(env, list, i, &handle));
    result.push_back(environment(env).handles.get(to_double(env, handle)));
  }
  return result;
}

// (rank, size, host, port, serves, prefix, address, interface, seconds, card) -> what keeps the processes from a group, or "".
napi_value open_group(napi_env env, napi_callback_info info) {
  return guard(env, [&] {
    const Arguments<10> args(env, info);
    const auto whole = [&](size_t i) { return static_cast<int>(to_double(env, args[i])); };
    const auto timeout = std::chrono::milliseconds(static_cast<int64_t>(1000 * to_double(env, args[8])));
    return from_text(env, open_world({whole(0), whole(1), to_text(env, args[2]), static_cast<uint16_t>(whole(3)), to_bool(env, args[4]),
                                      to_text(env, args[5]), to_text(env, args[6]), to_text(env, args[7]), timeout, whole(9)}));
  });
}

// (tensors, divisor, flag) -> sum of the flags. Every tensor becomes its sum over all processes over `divisor`, all in one message.
napi_value all_reduce(napi_env env, napi_callback_info info) {
  return guard(env, [&] {
    const Arguments<3> args(env, info);
    const auto list = tensors(env, args[0]);
    const double divisor = to_double(env, args[1]), flag = to_double(env, args[2]);
    const double flags = collective("summing up", [&](Group& group) {
      int64_t total = 0;
      for (const auto& t : list) total += t.numel();
      const auto type = list.empty() ? at::kFloat : list[0].scalar_type();
      at::Tensor flat = at::empty({total + 1}, at::TensorOptions().dtype(type).device(world().device));
      const auto over = [&](const auto& body) {
        int64_t start = 0;
        for (const auto& t : list) {
          // Messages want dense memory: channels_last weights are laid out by their own strides.
          body(t, t.is_non_overlapping_and_dense() ? flat.as_strided(t.sizes(), t.strides(), start)
                                                   : flat.narrow(0, start, t.numel()).view(t.sizes()));
          start += t.numel();
        }
      };
      over([](const at::Tensor& t, const at::Tensor& view) { view.copy_(t); });
      flat.narrow(0, total, 1).fill_(flag);
      std::vector<at::Tensor> one{flat};
      arrive(*group.allreduce(one));
      const double all = flat[total].item<double>();
      if (divisor != 1) flat.div_(divisor);
      over([](const at::Tensor& t, const at::Tensor& view) { t.copy_(view); });
      return all;
    });
    return from_double(env, flags);
  });
}

// (tensors, from): all get the values that process `from` has.
napi_value broadcast(napi_env env, napi_callback_info info) {
  return guard(env, [&] {
    const Arguments<2> args(env, info);
    const auto list = tensors(env, args[0]);
    c10d::BroadcastOptions options;
    options.rootRank = static_cast<int>(to_double(env, args[1]));
    collective("handing out", [&](Group& group) {
      for (const auto& t : list) {
        std::vector<at::Tensor> one{t.to(world().device).contiguous()};
        arrive(*group.broadcast(one, options));
        t.copy_(one[0]);
      }
      return 0;
    });
    return undefined(env);
  });
}

// (tensor [n, ...]) -> [size, n, ...], in the order of the ranks.
napi_value all_gather(napi_env env, napi_callback_info info) {
  return guard(env, [&] {
    const Arguments<1> args(env, info);
    const at::Tensor given = environment(env).handles.get(to_double(env, args[0]));
    const at::Tensor all = collective("collecting rows", [&](Group& group) {
      const at::Tensor mine = given.detach().to(world().device).contiguous();
      auto shape = mine.sizes().vec();
      shape.insert(shape.begin(), group.getSize());
      const at::Tensor result = at::empty(shape, mine.options());
      std::vector<std::vector<at::Tensor>> outputs(1);
      for (int64_t r = 0; r < group.getSize(); r++) outputs[0].push_back(result.select(0, r));
      std::vector<at::Tensor> inputs{mine};
      arrive(*group.allgather(outputs, inputs));
      return result.to(given.device());
    });
    return from_double(env, environment(env).handles.add(all));
  });
}

napi_value close_group(napi_env env, napi_callback_info) {
  return guard(env, [&] {
    close_world();
    return undefined(env);
  });
}

}  // namespace

int world_size() { return world().group ? world().group->getSize() : 1; }

void world_sum(at::Tensor& sums) {
  collective("summing statistics", [&](Group& group) {
    const at::Tensor there = sums.to(world().device);
    std::vector<at::Tensor> one{there};
    const auto work = group.allreduce(one);
    // On the GPU only the stream waits: a later message that is waited for finds out what went wrong.
    if (sums.is_cuda() && there.is_cuda()) work->synchronize();
    else arrive(*work);
    if (!there.is_same(sums)) sums.copy_(there);
    return 0;
  });
}

void world_sum(double* values, size_t count) {
  at::Tensor sums = at::from_blob(values, {static_cast<int64_t>(count)}, at::TensorOptions().dtype(at::kDouble));
  world_sum(sums);
}

void export_distributed(std::vector<napi_property_descriptor>& out) {
  out.push_back(method("transports", transports));
  out.push_back(method("openGroup", open_group));
  out.push_back(method("closeGroup", close_group));
  out.push_back(method("allReduce", all_reduce));
  out.push_back(method("broadcast", broadcast));
  out.push_back(method("allGather", all_gather));
}
#else
int world_size() { return 1; }
void world_sum(at::Tensor&) {}
void world_sum(double*, size_t) {}
void export_distributed(std::vector<napi_property_descriptor>& out) { out.push_back(method("transports", transports)); }
#endif

}  // namespace fewlabels
