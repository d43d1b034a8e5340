// Root-mean-square norm: y = x * s * weight, s = 1 / sqrt(mean(x^2) + eps). The weight is read in float32, rounded to x's
// dtype before where the published code does so.
//
// Shapes: N rows, D features, P parts of the rows.
#pragma once

#include "cuda/block.h"

namespace xinghe::cuda {

// A block for each row. scales [N] is kept for the way back.
template <typename Element>
XINGHE_DEVICE void normRow(const Element* x, const float* weight, Element* y, float* scales, int features, float eps,
                           bool roundBeforeWeight) {
  __shared__ float room[warpThreads];
  const std::int64_t row = blockIdx.x;
  const Element* in = x + row * features;
  Element* out = y + row * features;
  float squares = 0;
  for (int i = threadIdx.x; i < features; i += blockDim.x) {
    const float value = widen(in[i]);
    squares += value * value;
  }
  const float scale = 1.0f / sqrtf(overBlock<Add>(squares, room) / features + eps);
  for (int i = threadIdx.x; i < features; i += blockDim.x) {
    const float normed = widen(in[i]) * scale;
    out[i] = narrow<Element>((roundBeforeWeight ? rounded<Element>(normed) : normed) * weight[i]);
  }
  if (threadIdx.x == 0) scales[row] = scale;
}

// A block for each part of the rows. d x [N, D]; sums [P, D] of the gradient of the weight, added up by the caller. Shared memory: D floats, each
// touched by one thread alone.
template <typename Element>
XINGHE_DEVICE void normRowsBackward(const Element* grad, const Element* x, const float* weight, const float* scales,
                                    Element* dx, float* sums, int rows, int features, float* ofWeight) {
  __shared__ float room[warpThreads];
  for (int i = threadIdx.x; i < features; i += blockDim.x) ofWeight[i] = 0;
  for (std::int64_t row = blockIdx.x; row < rows; row += gridDim.x) {
    const Element* g = grad + row * features;
    const Element* in = x + row * features;
    const float scale = scales[row];
    float dot = 0;
    for (int i = threadIdx.x; i < features; i += blockDim.x) {
      const float value = widen(g[i]) * widen(in[i]);
      dot += value * weight[i];
      ofWeight[i] += value * scale;
    }
    const float back = overBlock<Add>(dot, room) * scale * scale / features;
    for (int i = threadIdx.x; i < features; i += blockDim.x)
      dx[row * features + i] = narrow<Element>(scale * (widen(g[i]) * weight[i] - widen(in[i]) * back));
  }
  for (int i = threadIdx.x; i < features; i += blockDim.x)
    sums[static_cast<std::int64_t>(blockIdx.x) * features + i] = ofWeight[i];
}

}  // namespace xinghe::cuda
