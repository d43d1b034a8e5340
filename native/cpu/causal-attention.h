// What xinghe::causal_attention and its kernels for each kind of processor tell each other.
//
// Shapes: B batch, H heads of queries, K heads of keys and values, G = H / K, T tokens, E head_dim.
#pragma once

#include <cstdint>

namespace xinghe {

// [B, heads, T, E] with adjacent coordinates; strides in elements.
struct HeadTokens {
  void* data;
  std::int64_t batchStride, headStride, tokenStride;
};

// A query's weight of a key is exp(score - largest) * factor. The logarithm of the sum alone, as flash attention is published,
// would cost the backward pass a rounding error of the whole row.
struct SoftmaxScale {
  float largest, factor;
};

struct CausalAttention {
  std::int64_t heads, kvHeads, tokens, headDim;
  HeadTokens q, k, v, out;
  SoftmaxScale* scales;        // [B, H, T]
  const std::int32_t* firsts;  // [B, T]: the first key that a query sees, never falling along a row; null: 0
  HeadTokens gradOut, dq, dk, dv;
};

// Of one row of the batch and one head of keys and values, what one thread does at a time.
struct CausalAttentionPart {
  std::int64_t row, kvHead;
  std::int64_t first, end;  // forward: blocks of queries, counted through the heads of the group
};

// Queries, and keys, that are multiplied together.
constexpr std::int64_t causalBlock = 64;

enum class CausalElement { float32, bfloat16 };

using CausalAttentionStep = void (*)(const CausalAttention& call, const CausalAttentionPart& part, float* scratch);

// scratch: of causalForwardScratch and causalBackwardScratch floats, on a boundary of 64 bytes.
struct CausalAttentionKernel {
  CausalAttentionStep forward, backward;
};

constexpr std::int64_t causalWidth(std::int64_t headDim) { return (headDim + 15) / 16 * 16; }
constexpr std::int64_t causalRows(std::int64_t tokens) {
  return (tokens + causalBlock - 1) / causalBlock * causalBlock;
}
// Keys with positions adjacent, values; queries, results, scores, and two numbers of each query of a block.
constexpr std::int64_t causalForwardScratch(std::int64_t tokens, std::int64_t headDim) {
  return 2 * causalRows(tokens) * causalWidth(headDim) + 2 * causalBlock * causalWidth(headDim) +
         causalBlock * causalBlock + 2 * causalBlock;
}
// Keys and values with positions adjacent, keys, and the gradients of both; of a block queries, gradients of results and
// of queries, weights and their gradients, two numbers of each query.
constexpr std::int64_t causalBackwardScratch(std::int64_t tokens, std::int64_t headDim) {
  return 5 * causalRows(tokens) * causalWidth(headDim) + 3 * causalBlock * causalWidth(headDim) +
         2 * causalBlock * causalBlock + 2 * causalBlock;
}

CausalAttentionKernel avx512CausalAttention(CausalElement element);
CausalAttentionKernel avx2CausalAttention(CausalElement element);

}  // namespace xinghe
