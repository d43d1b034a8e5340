// What the kernels need of the language: elements, and sums over the threads of a block. nvcc compiles the kernels for
// devices; a test compiles the same text for the CPU, with emulated.h in the place of what CUDA has built in. The host takes
// no more than the shapes.
#pragma once

#include <cstdint>

#ifdef __CUDACC__
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#define XINGHE_DEVICE __device__ __forceinline__
#elif defined(XINGHE_EMULATED)
#include "cuda/emulated.h"
#define XINGHE_DEVICE inline
#endif

namespace xinghe::cuda {

constexpr int warpThreads = 32;

// 16-bit elements by their bits.
struct Bfloat16 {
  std::uint16_t bits;
};
struct Float16 {
  std::uint16_t bits;
};

#if defined(__CUDACC__)
XINGHE_DEVICE float widen(float x) { return x; }
XINGHE_DEVICE float widen(Bfloat16 x) { return __uint_as_float(static_cast<unsigned>(x.bits) << 16); }
XINGHE_DEVICE float widen(Float16 x) { return __half2float(__ushort_as_half(x.bits)); }
template <typename Element>
XINGHE_DEVICE Element narrow(float x);
template <>
XINGHE_DEVICE float narrow<float>(float x) { return x; }
template <>
XINGHE_DEVICE Bfloat16 narrow<Bfloat16>(float x) { return {__bfloat16_as_ushort(__float2bfloat16_rn(x))}; }
template <>
XINGHE_DEVICE Float16 narrow<Float16>(float x) { return {__half_as_ushort(__float2half_rn(x))}; }
#elif defined(XINGHE_EMULATED)
XINGHE_DEVICE float widen(float x) { return x; }
XINGHE_DEVICE float widen(Bfloat16 x) { return emulated::fromBits(static_cast<std::uint32_t>(x.bits) << 16); }
XINGHE_DEVICE float widen(Float16 x) { return emulated::halfToFloat(x.bits); }
template <typename Element>
XINGHE_DEVICE Element narrow(float x);
template <>
XINGHE_DEVICE float narrow<float>(float x) { return x; }
template <>
XINGHE_DEVICE Bfloat16 narrow<Bfloat16>(float x) { return {emulated::bfloat16Bits(x)}; }
template <>
XINGHE_DEVICE Float16 narrow<Float16>(float x) { return {emulated::floatToHalf(x)}; }
#endif

#ifdef XINGHE_DEVICE
template <typename Element>
XINGHE_DEVICE float rounded(float x) {
  return widen(narrow<Element>(x));
}

struct Add {
  XINGHE_DEVICE static float of(float a, float b) { return a + b; }
};
struct Larger {
  XINGHE_DEVICE static float of(float a, float b) { return a < b ? b : a; }
};

template <typename Operation>
XINGHE_DEVICE float overWarp(float x) {
  for (int lane = warpThreads / 2; lane > 0; lane /= 2)
    x = Operation::of(x, __shfl_xor_sync(0xffffffffu, x, lane));
  return x;
}

// The same value to all threads; whole warps, 32 of them at most. `room` is shared, of 32 elements, and may be used again at once.
template <typename Operation>
XINGHE_DEVICE float overBlock(float x, float* room) {
  x = overWarp<Operation>(x);
  const int warp = threadIdx.x / warpThreads, warps = blockDim.x / warpThreads;
  if (threadIdx.x % warpThreads == 0) room[warp] = x;
  __syncthreads();
  float all = room[0];
  for (int other = 1; other < warps; other++) all = Operation::of(all, room[other]);
  __syncthreads();
  return all;
}
#endif

}  // namespace xinghe::cuda
