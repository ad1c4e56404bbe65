// The group of processes that train one network together: libtorch's own (c10d), with Gloo's or NCCL's messages. group.cc opens it.
#pragma once
#include "compat.h"
#include "guard.h"

// scripts/setup/gloo.mjs and nccl.mjs
#ifndef FEWLABELS_WITH_GLOO
#define FEWLABELS_WITH_GLOO 0
#endif
#ifndef FEWLABELS_WITH_NCCL
#define FEWLABELS_WITH_NCCL 0
#endif

#if FEWLABELS_WITH_GLOO || FEWLABELS_WITH_NCCL
#if FEWLABELS_TORCH_AT_LEAST(2, 0)
#include <torch/csrc/distributed/c10d/Backend.hpp>
#else
#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>
#endif
#include <torch/csrc/distributed/c10d/Store.hpp>

#include <chrono>
#include <thread>

namespace fewlabels {

#if FEWLABELS_TORCH_AT_LEAST(2, 0)
using Group = c10d::Backend;
#else
using Group = c10d::ProcessGroup;
#endif

struct World {
  c10::intrusive_ptr<c10d::Store> store;  // where the processes met
  int runs = 0;                           // groups opened there, one after the other
  c10::intrusive_ptr<Group> group;  // null: this process is alone
  at::Device device = at::kCPU;     // where the tensors of a message must lie: NCCL's on the GPU
  std::chrono::milliseconds timeout{0};
};
World& world();

struct Meeting {
  int rank, size;
  std::string host;
  uint16_t port;
  bool serves;
  std::string prefix, address, interface;  // "" where nothing is wanted
  std::chrono::milliseconds timeout;
  int card;  // the GPU that this process trains on; -1: the CPU
};
// Meets the others. What keeps them from a group, or "" where they have one: NCCL's where each has a GPU of its own, else Gloo's.
std::string open_world(const Meeting& meeting);
void close_world();

// Returns when a message has arrived: NCCL's own wait sleeps milliseconds at a time.
template <typename Work>
void arrive(Work& work) {
  if (world().device.is_cuda()) {
    const auto end = std::chrono::steady_clock::now() + world().timeout;
    while (!work.isCompleted()) {
      if (std::chrono::steady_clock::now() > end) throw std::runtime_error("no answer in " + std::to_string(world().timeout.count() / 1000) + " s");
      std::this_thread::yield();
    }
  }
  work.wait();
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

}  // namespace fewlabels
#endif
