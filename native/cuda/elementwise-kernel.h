// Rotary position embedding, and activation(gate) * up, there and back.
//
// Shapes: B batch, H heads, T tokens, E head_dim, N rows, F features.
#pragma once

#include "cuda/block.h"

namespace xinghe::cuda {

struct HeadStrides {
  std::int64_t batch, head, token;  // in elements; those of a head are adjacent
};

#ifdef XINGHE_DEVICE
// A block for each token of each batch; cos and sin [T, E]. back: the inverse rotation, which is the derivative.
template <typename Element>
XINGHE_DEVICE void rotateToken(const Element* x, HeadStrides from, const Element* cos, const Element* sin, Element* y,
                               HeadStrides to, int heads, int tokens, int half, bool back) {
  const std::int64_t batch = blockIdx.x / tokens, token = blockIdx.x % tokens;
  const Element* c = cos + token * 2 * half;
  const Element* s = sin + token * 2 * half;
  for (int at = threadIdx.x; at < heads * half; at += blockDim.x) {
    const int head = at / half, j = at % half;
    const Element* in = x + batch * from.batch + head * from.head + token * from.token;
    Element* out = y + batch * to.batch + head * to.head + token * to.token;
    const float first = widen(in[j]), second = widen(in[j + half]);
    const float sinFirst = widen(s[j]), sinSecond = widen(s[j + half]);
    out[j] = narrow<Element>(first * widen(c[j]) + (back ? second * sinSecond : -second * sinFirst));
    out[j + half] = narrow<Element>(second * widen(c[j + half]) + (back ? -first * sinFirst : first * sinSecond));
  }
}

// Both activations are x * sigmoid(z(x)); see cpu/gated-activation.cpp.
XINGHE_DEVICE float gateSigmoid(float x, bool isSilu) {
  const float z = isSilu ? x : 1.5957691216057308f * (x + 0.044715f * x * x * x);
  return 1.0f / (1.0f + expf(-z));
}

XINGHE_DEVICE float gateSlope(float x, bool isSilu) {
  return isSilu ? 1.0f : 1.5957691216057308f * (1.0f + 3 * 0.044715f * x * x);
}

// A block for each row; gate and up [N, F] with strides between rows, y [N, F] contiguous.
template <typename Element>
XINGHE_DEVICE void gateRow(const Element* gate, std::int64_t gateStride, const Element* up, std::int64_t upStride,
                           Element* y, int features, bool isSilu) {
  const std::int64_t row = blockIdx.x;
  for (int i = threadIdx.x; i < features; i += blockDim.x) {
    const float x = widen(gate[row * gateStride + i]);
    y[row * features + i] =
        narrow<Element>(rounded<Element>(x * gateSigmoid(x, isSilu)) * widen(up[row * upStride + i]));
  }
}

template <typename Element>
XINGHE_DEVICE void gateRowBackward(const Element* grad, const Element* gate, std::int64_t gateStride, const Element* up,
                                   std::int64_t upStride, Element* dGate, Element* dUp, int features, bool isSilu) {
  const std::int64_t row = blockIdx.x;
  for (int i = threadIdx.x; i < features; i += blockDim.x) {
    const float x = widen(gate[row * gateStride + i]), g = widen(grad[row * features + i]);
    const float s = gateSigmoid(x, isSilu);
    const float slope = s + x * s * (1.0f - s) * gateSlope(x, isSilu);
    dGate[row * features + i] = narrow<Element>(g * widen(up[row * upStride + i]) * slope);
    dUp[row * features + i] = narrow<Element>(g * x * s);
  }
}
#endif

}  // namespace xinghe::cuda
