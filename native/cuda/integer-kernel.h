// y = x W^T + b for a few rows with weights that stay integers: W [m, k] = scale * (q - zero), for each group of inputs.
//
// Shapes: N rows, K inputs with the padding to whole blocks of 32 (I without), M outputs, G groups.
#pragma once

#include "cuda/block.h"

namespace xinghe::cuda {

struct IntegerShape {
  int inputs, padded, outputs, groupSize, groups;
};

// How weights lie: two of four bits in a byte (the even input in its low half), or one of eight, unsigned or signed and less by 128.
enum class Integers { four, eight, signedEight };

#ifdef XINGHE_DEVICE
// A block for one row of x and blockDim / 32 outputs, a warp for each: grid [M / warps, N]. Each lane reads 4 bytes of weights at a time.
// Shared memory: K elements, the row of x.
template <typename Element, typename Scale, Integers kind>
XINGHE_DEVICE void integerProduct(const Element* x, const std::uint8_t* weight, const Scale* scales,
                                  const std::uint8_t* zeros, const Element* bias, Element* y, IntegerShape shape,
                                  Element* row) {
  constexpr int word = kind == Integers::four ? 8 : 4;
  const std::int64_t n = blockIdx.y;
  for (int k = threadIdx.x; k < shape.padded; k += blockDim.x)
    row[k] = k < shape.inputs ? x[n * shape.inputs + k] : narrow<Element>(0.0f);
  __syncthreads();
  const int lane = threadIdx.x % warpThreads;
  const std::int64_t m = static_cast<std::int64_t>(blockIdx.x) * (blockDim.x / warpThreads) + threadIdx.x / warpThreads;
  if (m >= shape.outputs) return;  // a whole warp
  const auto* words = reinterpret_cast<const std::uint32_t*>(weight + m * shape.padded * 4 / word);
  float sum = 0;
  for (int at = lane; at * word < shape.padded; at += warpThreads) {
    const std::uint32_t packed = words[at];
    const int k = at * word, group = k / shape.groupSize;
    const float zero = static_cast<float>(zeros[m * shape.groups + group]);
    float part = 0;
    for (int i = 0; i < word; i++) {
      float q;
      if (kind == Integers::four)
        q = static_cast<float>(packed >> (4 * i) & 15u);
      else if (kind == Integers::eight)
        q = static_cast<float>(packed >> (8 * i) & 255u);
      else
        q = static_cast<float>(static_cast<std::int8_t>(packed >> (8 * i) & 255u)) + 128.0f;
      part += (q - zero) * widen(row[k + i]);
    }
    sum += part * widen(scales[m * shape.groups + group]);
  }
  sum = overWarp<Add>(sum);
  if (lane == 0) y[n * shape.outputs + m] = narrow<Element>(sum + (bias == nullptr ? 0.0f : widen(bias[m])));
}
#endif

}  // namespace xinghe::cuda
