// Opens the group of processes. Gloo's headers are in Debian's libgloo-dev; NCCL's, with CUDA's, come with a Python wheel of torch.
#include "group.h"

#if FEWLABELS_WITH_GLOO || FEWLABELS_WITH_NCCL
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#endif
#if FEWLABELS_WITH_GLOO
#define USE_C10D_GLOO
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#endif
#if FEWLABELS_WITH_NCCL
#define USE_C10D_NCCL
#include <ATen/ops/zeros.h>
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>

#include <cstdlib>
#endif

#if FEWLABELS_WITH_GLOO || FEWLABELS_WITH_NCCL
namespace fewlabels {
namespace {

c10::intrusive_ptr<c10d::Store> meeting_place(const Meeting& meeting) {
  c10d::TCPStoreOptions options;
  options.port = meeting.port;
  options.isServer = meeting.serves;
  options.waitWorkers = false;
  options.timeout = meeting.timeout;
#if FEWLABELS_TORCH_AT_LEAST(2, 4)
  options.useLibUV = false;  // the default since 2.4, which Debian's build lacks
#endif
  c10::intrusive_ptr<c10d::Store> store = c10::make_intrusive<c10d::TCPStore>(meeting.host, options);
  if (!meeting.prefix.empty()) store = c10::make_intrusive<c10d::PrefixStore>(meeting.prefix, store);
  return store;
}

// What each process says, in the order of the ranks: returns when all have spoken, for NCCL itself would wait for ever.
std::vector<std::string> told(c10d::Store& store, const Meeting& meeting, const std::string& mine) {
  const auto key = [](int rank) { return "fewlabels/" + std::to_string(rank); };
  store.set(key(meeting.rank), std::vector<uint8_t>(mine.begin(), mine.end()));
  std::vector<std::string> all;
  for (int rank = 0; rank < meeting.size; rank++) {
    const auto bytes = store.get(key(rank));
    all.emplace_back(bytes.begin(), bytes.end());
  }
  return all;
}

const std::string kNoNccl = "-";

// The name that no other GPU of any machine has, whatever number it goes by here.
std::string card_name(int card) {
#if FEWLABELS_WITH_NCCL
  if (card >= 0) {
    const auto& uuid = at::cuda::getDeviceProperties(static_cast<c10::DeviceIndex>(card))->uuid;
    return "GPU " + std::string(uuid.bytes, sizeof uuid.bytes);
  }
#endif
  return kNoNccl;
}

// Why messages cannot go through NCCL; "" where they can.
std::string against_nccl(const std::vector<std::string>& cards) {
  for (size_t i = 0; i < cards.size(); i++) {
    if (cards[i] == kNoNccl) return "process " + std::to_string(i) + " trains on the CPU, or its engine was built without NCCL";
    for (size_t j = 0; j < i; j++)
      if (cards[i] == cards[j]) return "processes " + std::to_string(j) + " and " + std::to_string(i) + " share a GPU, which NCCL refuses";
  }
  return "";
}

#if FEWLABELS_WITH_GLOO
c10::intrusive_ptr<Group> gloo_group(const c10::intrusive_ptr<c10d::Store>& store, const Meeting& meeting) {
  using Gloo = c10d::ProcessGroupGloo;
  auto options = Gloo::Options::create(meeting.timeout);
  options->devices.push_back(!meeting.interface.empty() ? Gloo::createDeviceForInterface(meeting.interface)
                             : !meeting.address.empty() ? Gloo::createDeviceForHostname(meeting.address)
                                                        : Gloo::createDefaultDevice());
  return c10::make_intrusive<Gloo>(store, meeting.rank, meeting.size, options);
}
#endif

#if FEWLABELS_WITH_NCCL
// A failed message becomes an error of the call that waits for it: otherwise a thread of libtorch's ends the process.
void fail_where_waited() {
#if FEWLABELS_TORCH_AT_LEAST(2, 2)
  setenv("TORCH_NCCL_BLOCKING_WAIT", "1", /*overwrite=*/0);
  setenv("TORCH_NCCL_ASYNC_ERROR_HANDLING", "0", /*overwrite=*/0);
#else
  setenv("NCCL_BLOCKING_WAIT", "1", /*overwrite=*/0);
  setenv("NCCL_ASYNC_ERROR_HANDLING", "0", /*overwrite=*/0);
#endif
}

c10::intrusive_ptr<Group> nccl_group(const c10::intrusive_ptr<c10d::Store>& store, const Meeting& meeting) {
  fail_where_waited();
  auto options = c10d::ProcessGroupNCCL::Options::create();
  options->timeout = meeting.timeout;
  return c10::make_intrusive<c10d::ProcessGroupNCCL>(c10::make_intrusive<c10d::PrefixStore>("nccl", store), meeting.rank, meeting.size,
                                                     options);
}

// NCCL connects at the first message: now, so that what it refuses is said at the start.
void connect(Group& group, at::Device device) {
  std::vector<at::Tensor> one{at::zeros({1}, at::TensorOptions().dtype(at::kFloat).device(device))};
  arrive(*group.allreduce(one));
}
#endif

}  // namespace

World& world() {
  static World& one = *new World();  // never taken down: at the end of the process CUDA may be gone before
  return one;
}

std::string open_world(const Meeting& meeting) {
  auto& here = world();
  // The next run of the same processes meets at the same place, where it may have another card and another timeout.
  const auto place = here.store ? here.store : meeting_place(meeting);
  place->setTimeout(meeting.timeout);
  const int runs = here.runs + 1;
  const auto store = c10::make_intrusive<c10d::PrefixStore>("run" + std::to_string(runs), place);
  const auto why = against_nccl(told(*store, meeting, card_name(meeting.card)));
  close_world();  // the last run's group: all have come, so nobody waits in it
  here.store = place;
  here.runs = runs;
  if (why.empty()) {
#if FEWLABELS_WITH_NCCL
    auto group = nccl_group(store, meeting);
    here = {place, runs, group, at::Device(at::kCUDA, static_cast<c10::DeviceIndex>(meeting.card)), meeting.timeout};
    try {
      connect(*group, here.device);
    } catch (...) {
      close_world();
      throw;
    }
#endif
    return "";
  }
#if FEWLABELS_WITH_GLOO
  here = {place, runs, gloo_group(store, meeting), at::kCPU, meeting.timeout};
  return "";
#else
  return why + ", and the engine was built without Gloo";
#endif
}

void close_world() {
  auto& here = world();
#if FEWLABELS_WITH_NCCL && FEWLABELS_TORCH_AT_LEAST(2, 6)
  if (here.group && here.device.is_cuda()) {
    try {
      static_cast<c10d::ProcessGroupNCCL&>(*here.group).abort();  // its destructor would too, with a warning
    } catch (const std::exception&) {
      here.group.release();  // what hangs once would hang again
    }
  }
#endif
  here = World();
}

}  // namespace fewlabels
#endif
