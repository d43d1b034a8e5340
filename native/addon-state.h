// The state of one JavaScript environment (the main thread or one worker thread): its tensor handles,
// generators and mapped files. Every native function gets its AddonState as callback data, so the addon holds no
// state of its own and may be loaded by many environments of one process.
#pragma once

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>
#include <node_api.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "memory.h"

namespace xinghe {

// Values of one kind behind small integers. A freed number is used again, so the JavaScript owner must drop its
// number when it frees it.
template <typename T>
class HandleTable {
 public:
  int32_t add(T value) {
    if (!free_.empty()) {
      const int32_t handle = free_.back();
      free_.pop_back();
      slots_[handle].emplace(std::move(value));
      return handle;
    }
    slots_.emplace_back(std::move(value));
    return static_cast<int32_t>(slots_.size() - 1);
  }

  T& at(int32_t handle) {
    if (handle < 0 || static_cast<size_t>(handle) >= slots_.size() || !slots_[handle].has_value())
      throw std::invalid_argument("use of a disposed handle (" + std::to_string(handle) + ")");
    return *slots_[handle];
  }

  void release(int32_t handle) {
    at(handle);
    free_.push_back(handle);
    slots_[handle].reset();
  }

  size_t live() const { return slots_.size() - free_.size(); }

 private:
  std::vector<std::optional<T>> slots_;
  std::vector<int32_t> free_;
};

class MappedFile;

// The dispatcher's.
struct CallStack;
struct FreeCallStack {
  void operator()(CallStack* stack) const;
};

struct AddonState {
  // Arguments and results of the operator being called; empty between calls, kept for its memory.
  std::unique_ptr<CallStack, FreeCallStack> stack;
  HandleTable<at::Tensor> tensors;
  HandleTable<at::Generator> generators;
  HandleTable<std::shared_ptr<MappedFile>> files;
  FreedMemory freedMemory;
};

}  // namespace xinghe
