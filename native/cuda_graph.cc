// A step as a CUDA graph: what is called between begin and end is remembered by the GPU, and carried out as often as it is asked for. Tensors
// made meanwhile keep their memory as long as the graph is there and no other one is carried out.
#include "cuda.h"
#include "exports.h"
#include "values.h"

#if FEWLABELS_CUDA_KERNELS
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDACachingAllocator.h>

#include <memory>

namespace fewlabels {
namespace {

// Never taken down: at the end of the process CUDA may be gone before.
struct Graphs {
  std::unique_ptr<at::cuda::CUDAGraph> begun;
  std::vector<std::unique_ptr<at::cuda::CUDAGraph>> ended;
};
Graphs& graphs() {
  static thread_local Graphs* all = new Graphs();
  return *all;
}

at::cuda::CUDAGraph& graph_argument(napi_env env, napi_value value) {
  auto& graph = graphs().ended.at(static_cast<size_t>(to_double(env, value)));
  if (!graph) throw std::invalid_argument("this graph was dropped");
  return *graph;
}

napi_value begin(napi_env env, napi_callback_info) {
  return guard(env, [&] {
    auto& [begun, ended] = graphs();
    begun = std::make_unique<at::cuda::CUDAGraph>();
    // A graph has memory of its own: what steps before it left for the next would lie idle beside it.
    c10::cuda::CUDACachingAllocator::emptyCache();
    // One graph runs at a time and nobody reads what another left, so they share their memory.
    for (const auto& other : ended) {
      if (!other) continue;
      begun->capture_begin(other->pool());
      return undefined(env);
    }
    begun->capture_begin();
    return undefined(env);
  });
}

napi_value end(napi_env env, napi_callback_info) {
  return guard(env, [&] {
    auto& [begun, ended] = graphs();
    if (!begun) throw std::invalid_argument("no graph was begun");
    begun->capture_end();
    ended.push_back(std::move(begun));
    return from_double(env, static_cast<double>(ended.size() - 1));
  });
}

napi_value abort(napi_env env, napi_callback_info) {
  return guard(env, [&] {
    auto& begun = graphs().begun;
    if (!begun) return undefined(env);
    try {
      begun->capture_end();
    } catch (const std::exception&) {
      // What made the capture impossible has been told.
    }
    begun.reset();
    return undefined(env);
  });
}

napi_value replay(napi_env env, napi_callback_info info) {
  return guard(env, [&] {
    const Arguments<1> args(env, info);
    graph_argument(env, args[0]).replay();
    return undefined(env);
  });
}

napi_value drop(napi_env env, napi_callback_info info) {
  return guard(env, [&] {
    const Arguments<1> args(env, info);
    graph_argument(env, args[0]);
    graphs().ended[static_cast<size_t>(to_double(env, args[0]))].reset();
    return undefined(env);
  });
}

}  // namespace

void export_graph(std::vector<napi_property_descriptor>& out) {
  out.push_back(method("graphBegin", begin));
  out.push_back(method("graphEnd", end));
  out.push_back(method("graphAbort", abort));
  out.push_back(method("graphReplay", replay));
  out.push_back(method("graphDrop", drop));
}

}  // namespace fewlabels
#else
namespace fewlabels {
void export_graph(std::vector<napi_property_descriptor>&) {}
}  // namespace fewlabels
#endif
