// One call of xinghe::paged_attention as its kernels see it: plain pointers and strides, no libtorch.
//
// Shapes: T rows of queries, H heads of queries, K heads of keys and values, G = H / K, E head_dim, P pages, N sequences,
// M blocks of a table, C key tables of S positions. Query head h looks at head h / G of the keys and values.
#pragma once

#include <cstddef>
#include <cstdint>

namespace xinghe {

constexpr std::int64_t pageTokens = 16;

// Keys go through the online softmax in strides of so many positions, counted from position 0: a part of the result's
// definition, as the order of its sums follows from it.
constexpr std::int64_t strideTokens = 64;
constexpr std::int64_t stridePages = strideTokens / pageTokens;

// The most queries that one call of a kernel takes: they share what is read of the pages.
constexpr std::int64_t tileQueries = 32;

// The most of them that share a load, on any processor.
constexpr std::int64_t togetherQueries = 8;

// A head's rows of [1, H or K, T, E] with adjacent elements; strides in elements.
struct HeadRows {
  void* data;
  std::int64_t headStride, rowStride;
};

struct PagedSequence {
  std::int64_t firstRow, rows, position, keyTable;
  const std::int32_t* pages;  // [M]; below 0: absent
};

struct PagedAttention {
  std::int64_t heads, kvHeads, headDim, window;
  HeadRows q, k, v, out;
  void* keyPages;            // [P, K, E, 16]
  void* valuePages;          // [P, K, 16, E]
  float* keyScales;          // [P, K, 16] where pages hold int8; else null
  float* valueScales;        // the same
  const std::uint8_t* seen;  // [P, 16]
  // Tables that rotate keys, 16 positions adjacent, in the type that is computed in: [C, rotatedBlocks, E, 16]; or null.
  const void* cosLanes;
  const void* sinLanes;
  std::int64_t rotatedBlocks;
  // Writes the keys [E, 16] of a block, rotated, in the type that is computed in; null where keys are stored rotated.
  void (*rotateKeys)(const PagedAttention& call, const PagedSequence& sequence, std::int64_t kvHead, std::int64_t block,
                   void* keys);
};

// How an element is stored in pages; 16-bit floats by their bits.
struct Bfloat16Bits {
  std::uint16_t bits;
};
struct Float16Bits {
  std::uint16_t bits;
};

enum class AttentionType { float64, float32, bfloat16, float16 };

// Queries of `heads` heads at `rows` neighbouring positions, tileQueries together at most, which look at one head of the
// keys and values. `row` counts within the sequence, `head` within all of the call.
struct AttentionTile {
  const PagedSequence* sequence;
  std::int64_t kvHead, head, heads, row, rows;
};

// q and out are [rows, heads, E] in the type that is computed in. `scratch` holds attentionScratch(rows * heads, …)
// elements of that type.
using AttendTile = void (*)(const PagedAttention& call, const AttentionTile& tile, const void* q, void* out,
                            void* scratch);

constexpr std::int64_t attentionScratch(std::int64_t queries, std::int64_t headDim, bool rotates) {
  const std::int64_t width = (headDim + pageTokens - 1) / pageTokens * pageTokens;
  return togetherQueries * strideTokens + 2 * queries * width + (rotates ? strideTokens * headDim : 0);
}

// The kernels for pages of `type`, or of int8, compiled for any processor, for AVX2 with FMA and F16C, for AVX-512.
// They differ in the last bits from each other.
AttendTile plainAttention(AttentionType type, bool int8);
#if defined(__x86_64__)
AttendTile avx2Attention(AttentionType type, bool int8);
AttendTile avx512Attention(AttentionType type, bool int8);
#endif

}  // namespace xinghe
