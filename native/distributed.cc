// libtorch's own process group (c10d with Gloo) behind the addon: one a process, every call synchronous for the thread that
// trains. Needs Gloo's headers, which Debian keeps in libgloo-dev; without them everything but `openGroup` is there.
#include "compat.h"
#include "exports.h"
#include "values.h"
#include "world.h"

#if FEWLABELS_WITH_GLOO  // scripts/setup/gloo.mjs
#define USE_C10D_GLOO
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#endif

namespace fewlabels {

#if FEWLABELS_WITH_GLOO
namespace {

struct World {
  c10::intrusive_ptr<c10d::Store> store;
  c10::intrusive_ptr<c10d::ProcessGroupGloo> group;
};

World& world() {
  static World& one = *new World();
  return one;
}

// Runs `body(group)`; whatever goes wrong in it, the other processes are the likely cause.
template <typename Body>
auto collective(const char* what, const Body& body) {
  auto& group = world().group;
  if (!group) throw std::runtime_error("no group of processes is open");
  const auto failed = [&](const std::string& why) {
    return std::runtime_error("process " + std::to_string(group->getRank()) + " of " + std::to_string(group->getSize()) + ": " + what +
                              " failed, another process is gone or stuck: " + why);
  };
  try {
    at::NoGradGuard no_grad;
    return body(*group);
  } catch (const c10::Error& error) {
    throw failed(error.what_without_backtrace());
  } catch (const std::exception& error) {
    throw failed(error.what());
  }
}

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

// (rank, size, host, port, serves, prefix, address, interface, seconds); "" where nothing is wanted.
napi_value open_group(napi_env env, napi_callback_info info) {
  return guard(env, [&] {
    const Arguments<9> args(env, info);
    if (world().group) return undefined(env);  // the next run of the same processes
    const int rank = static_cast<int>(to_double(env, args[0])), size = static_cast<int>(to_double(env, args[1]));
    const auto timeout = std::chrono::milliseconds(static_cast<int64_t>(1000 * to_double(env, args[8])));
    c10d::TCPStoreOptions options;
    options.port = static_cast<uint16_t>(to_double(env, args[3]));
    options.isServer = to_bool(env, args[4]);
    options.waitWorkers = false;
    options.timeout = timeout;
#if FEWLABELS_TORCH_AT_LEAST(2, 4)
    options.useLibUV = false;  // the default since 2.4, which Debian's build lacks
#endif
    c10::intrusive_ptr<c10d::Store> store = c10::make_intrusive<c10d::TCPStore>(to_text(env, args[2]), options);
    const auto prefix = to_text(env, args[5]), address = to_text(env, args[6]), interface = to_text(env, args[7]);
    if (!prefix.empty()) store = c10::make_intrusive<c10d::PrefixStore>(prefix, store);
    auto gloo = c10d::ProcessGroupGloo::Options::create(timeout);
    using Gloo = c10d::ProcessGroupGloo;
    gloo->devices.push_back(!interface.empty() ? Gloo::createDeviceForInterface(interface)
                            : !address.empty() ? Gloo::createDeviceForHostname(address)
                                               : Gloo::createDefaultDevice());
    world().group = c10::make_intrusive<Gloo>(store, rank, size, gloo);
    world().store = store;
    return undefined(env);
  });
}

// (tensors, divisor, flag) -> sum of the flags. Every tensor becomes its sum over all processes over `divisor`, all in one message.
napi_value all_reduce(napi_env env, napi_callback_info info) {
  return guard(env, [&] {
    const Arguments<3> args(env, info);
    const auto list = tensors(env, args[0]);
    const double divisor = to_double(env, args[1]), flag = to_double(env, args[2]);
    const double flags = collective("summing up", [&](c10d::ProcessGroupGloo& group) {
      int64_t total = 0;
      for (const auto& t : list) total += t.numel();
      const auto type = list.empty() ? at::kFloat : list[0].scalar_type();
      at::Tensor flat = at::empty({total + 1}, at::TensorOptions().dtype(type));
      const auto over = [&](const auto& body) {
        int64_t start = 0;
        for (const auto& t : list) {
          // Gloo wants dense memory: channels_last weights are laid out by their own strides.
          body(t, t.is_non_overlapping_and_dense() ? flat.as_strided(t.sizes(), t.strides(), start)
                                                   : flat.narrow(0, start, t.numel()).view(t.sizes()));
          start += t.numel();
        }
      };
      over([](const at::Tensor& t, const at::Tensor& view) { view.copy_(t); });
      flat.narrow(0, total, 1).fill_(flag);
      std::vector<at::Tensor> one{flat};
      group.allreduce(one)->wait();
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
    collective("handing out", [&](c10d::ProcessGroupGloo& group) {
      for (const auto& t : list) {
        std::vector<at::Tensor> one{t.cpu().contiguous()};  // Gloo reads memory of the CPU
        group.broadcast(one, options)->wait();
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
    const at::Tensor all = collective("collecting rows", [&](c10d::ProcessGroupGloo& group) {
      const at::Tensor mine = given.detach().cpu().contiguous();
      auto shape = mine.sizes().vec();
      shape.insert(shape.begin(), group.getSize());
      const at::Tensor result = at::empty(shape, mine.options());
      std::vector<std::vector<at::Tensor>> outputs(1);
      for (int64_t r = 0; r < group.getSize(); r++) outputs[0].push_back(result.select(0, r));
      std::vector<at::Tensor> inputs{mine};
      group.allgather(outputs, inputs)->wait();
      return result.to(given.device());
    });
    return from_double(env, environment(env).handles.add(all));
  });
}

napi_value close_group(napi_env env, napi_callback_info) {
  return guard(env, [&] {
    world().group.reset();
    world().store.reset();
    return undefined(env);
  });
}

}  // namespace

int world_size() { return world().group ? world().group->getSize() : 1; }

void world_sum(double* values, size_t count) {
  collective("summing statistics", [&](c10d::ProcessGroupGloo& group) {
    std::vector<at::Tensor> one{at::from_blob(values, {static_cast<int64_t>(count)}, at::TensorOptions().dtype(at::kDouble))};
    group.allreduce(one)->wait();
    return 0;
  });
}

void world_sum(at::Tensor& sums) {
  const at::Tensor here = sums.cpu();
  world_sum(here.data_ptr<double>(), here.numel());
  sums.copy_(here);
}

void export_distributed(std::vector<napi_property_descriptor>& out) {
  out.push_back(method("openGroup", open_group));
  out.push_back(method("closeGroup", close_group));
  out.push_back(method("allReduce", all_reduce));
  out.push_back(method("broadcast", broadcast));
  out.push_back(method("allGather", all_gather));
}
#else
int world_size() { return 1; }
void world_sum(double*, size_t) {}
void world_sum(at::Tensor&) {}
void export_distributed(std::vector<napi_property_descriptor>&) {}
#endif

}  // namespace fewlabels
