// For tests: a block of CUDA threads on the CPU. Each thread is a context of its own, and they take turns at barriers, so
// the kernels' text runs as it is. Not included by what nvcc compiles.
#pragma once

#include <ucontext.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <vector>

struct EmulatedIndex {
  int x = 0, y = 0, z = 0;
};

inline EmulatedIndex threadIdx, blockIdx, blockDim, gridDim;

// One block runs at a time, so what is static is its own.
#define __shared__ static

namespace xinghe::cuda::emulated {

inline float fromBits(std::uint32_t bits) {
  float x;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}

inline std::uint16_t bfloat16Bits(float x) {
  std::uint32_t bits;
  std::memcpy(&bits, &x, sizeof x);
  if (x != x) return static_cast<std::uint16_t>(bits >> 16 | 64);
  return static_cast<std::uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

inline float halfToFloat(std::uint16_t bits) {
  _Float16 x;
  std::memcpy(&x, &bits, sizeof x);
  return static_cast<float>(x);
}

inline std::uint16_t floatToHalf(float wide) {
  const auto x = static_cast<_Float16>(wide);
  std::uint16_t bits;
  std::memcpy(&bits, &x, sizeof x);
  return bits;
}

class Block {
 public:
  // Runs body() once for each of `threads`; all reach the same barriers or have returned.
  void run(int threads, const std::function<void()>& body) {
    body_ = &body;
    lanes_.assign(static_cast<std::size_t>(threads), 0.0f);
    contexts_.resize(static_cast<std::size_t>(threads));
    stacks_.resize(static_cast<std::size_t>(threads));
    ended_.assign(static_cast<std::size_t>(threads), false);
    for (int thread = 0; thread < threads; thread++) {
      auto& context = contexts_[static_cast<std::size_t>(thread)];
      auto& stack = stacks_[static_cast<std::size_t>(thread)];
      stack.resize(64 << 10);
      getcontext(&context);
      context.uc_stack.ss_sp = stack.data();
      context.uc_stack.ss_size = stack.size();
      context.uc_link = &main_;
      makecontext(&context, reinterpret_cast<void (*)()>(enter), 0);
    }
    for (bool goesOn = true; goesOn;) {
      goesOn = false;
      for (int thread = 0; thread < threads; thread++) {
        if (ended_[static_cast<std::size_t>(thread)]) continue;
        threadIdx.x = current_ = thread;
        swapcontext(&main_, &contexts_[static_cast<std::size_t>(thread)]);
        goesOn = true;
      }
    }
  }

  void barrier() { swapcontext(&contexts_[static_cast<std::size_t>(current_)], &main_); }

  float exchanged(float x, int mask) {
    const int own = current_;
    lanes_[static_cast<std::size_t>(own)] = x;
    barrier();
    const float other = lanes_[static_cast<std::size_t>(own ^ mask)];
    barrier();
    return other;
  }

 private:
  static void enter();
  const std::function<void()>* body_ = nullptr;
  std::vector<ucontext_t> contexts_;
  std::vector<std::vector<char>> stacks_;
  std::vector<bool> ended_;
  std::vector<float> lanes_;
  ucontext_t main_{};
  int current_ = 0;
};

inline Block block;

inline void Block::enter() {
  (*block.body_)();
  block.ended_[static_cast<std::size_t>(block.current_)] = true;
}

// kernel() for each thread of each block.
inline void launch(EmulatedIndex grid, int threads, const std::function<void()>& kernel) {
  gridDim = grid;
  blockDim = {threads, 1, 1};
  for (int y = 0; y < grid.y; y++)
    for (int x = 0; x < grid.x; x++) {
      blockIdx = {x, y, 0};
      block.run(threads, kernel);
    }
}

}  // namespace xinghe::cuda::emulated

inline void __syncthreads() { xinghe::cuda::emulated::block.barrier(); }
inline float __shfl_xor_sync(unsigned, float x, int mask) { return xinghe::cuda::emulated::block.exchanged(x, mask); }
