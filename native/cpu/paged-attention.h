// One call of xinghe::paged_attention as its kernels see it: plain pointers and strides, no libtorch.
//
// Shapes: T rows of queries, H heads, E head_dim, P pages, N sequences, M blocks of a table, C key tables of S positions.
#pragma once

#include <cstdint>

namespace xinghe {

constexpr std::int64_t pageTokens = 16;

// Rows of [1, H, T, E] with adjacent elements; strides in elements.
struct HeadRows {
  void* data;
  std::int64_t headStride, rowStride;
};

struct PagedSequence {
  std::int64_t firstRow, rows, position, keyTable;
  const std::int32_t* pages;  // [M]; -1: absent
};

struct PagedAttention {
  std::int64_t heads, headDim, tableBlocks, window;
  HeadRows q, k, v, out;
  void* keyPages;      // [P, H, E, 16]
  void* valuePages;    // [P, H, 16, E]
  float* keyScales;    // [P, H, 16] where pages hold int8; else null
  float* valueScales;  // the same
  const std::uint8_t* seen;  // [P, 16]
  // Tables that turn keys, as lanes of 16 positions: [C, blocks, E, 16] in the type computed in; null: none.
  const void* cosLanes;
  const void* sinLanes;
  std::int64_t turnedBlocks;  // blocks of one key table
};

// Attends for `rows` queries of one head, from row `row` of the sequence on. `scratch` holds attentionScratch() bytes, aligned to 64.
using AttendRows = void (*)(const PagedAttention& call, const PagedSequence& sequence, std::int64_t head,
                            std::int64_t row, std::int64_t rows, void* scratch);

enum class AttentionType { float64, float32, bfloat16, float16 };

// The most rows that one call of a kernel takes.
constexpr std::int64_t tileRows = 8;

std::int64_t attentionScratch(std::int64_t headDim, AttentionType type);

// The kernel for elements of `type` and pages of the same type or int8, for the processor at hand.
AttendRows attendKernel(AttentionType type, bool int8);

}  // namespace xinghe
