// Tensors as JavaScript sees them: a number naming a slot of this environment's table and the slot's generation, so
// that use after release is an error with a message and never a crash.
#pragma once
#include "compat.h"

#include <cstdint>
#include <optional>
#include <vector>

namespace fewlabels {

class HandleTable {
 public:
  double add(at::Tensor tensor) {
    uint32_t slot;
    if (free_.empty()) {
      slot = static_cast<uint32_t>(slots_.size());
      if (slot >= kSlots) throw std::runtime_error("too many live tensors: over 16 million handles");
      slots_.push_back({});
    } else {
      slot = free_.back();
      free_.pop_back();
    }
    slots_[slot].tensor = std::move(tensor);
    return static_cast<double>(slots_[slot].generation * kSlots + slot);
  }

  const at::Tensor& get(double handle) const {
    const auto [slot, generation] = split(handle);
    if (slot >= slots_.size() || slots_[slot].generation != generation || !slots_[slot].tensor.defined())
      throw std::invalid_argument("expected a live tensor, got something that is none (or was released)");
    return slots_[slot].tensor;
  }

  void release(double handle) {
    const auto [slot, generation] = split(handle);
    if (slot >= slots_.size() || slots_[slot].generation != generation) return;
    slots_[slot].tensor = at::Tensor();
    if (++slots_[slot].generation < kGenerations) free_.push_back(slot);
    else retired_++;  // its next handle would be no number that JavaScript holds exactly
  }

  size_t live() const { return slots_.size() - free_.size() - retired_; }

 private:
  static constexpr uint64_t kSlots = 1ull << 24, kGenerations = (1ull << 53) / kSlots;
  struct Slot {
    at::Tensor tensor;
    uint64_t generation = 1;  // never 0, so that no small number is a valid handle
  };
  static std::pair<uint32_t, uint64_t> split(double handle) {
    if (!(handle >= 0 && handle < static_cast<double>(kSlots * kGenerations))) return {kSlots - 1, 0};
    const auto bits = static_cast<uint64_t>(handle);
    return {static_cast<uint32_t>(bits % kSlots), bits / kSlots};
  }
  std::vector<Slot> slots_;
  std::vector<uint32_t> free_;
  size_t retired_ = 0;
};

// All state of the addon: one per JavaScript thread.
struct Environment {
  HandleTable handles;
  std::vector<c10::OperatorHandle> operators;
};

inline Environment& environment(napi_env env) {
  void* data = nullptr;
  napi_get_instance_data(env, &data);
  return *static_cast<Environment*>(data);
}

}  // namespace fewlabels
