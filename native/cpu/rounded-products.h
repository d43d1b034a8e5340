// Products of integers with integers, y = x W^T + b: the weights are those of integer-products.h, and each row of x is
// rounded to eight bits in groups with one scale each. What is added up within a group is exact, and the order in which
// the groups are added is one: all processors and any number of rows give the same bits. This header is included by
// files that are compiled for newer processors than the rest: it holds declarations only.
//
// Shapes: N rows, K input features in blocks of 32, M output features, G groups of the weight, H groups of the input.
#pragma once

#include <cstdint>

#include "cpu/integer-products.h"

namespace xinghe {

// Rows x [N, K] as x = scale * code, codes -127 … 127.
struct RoundedRows {
  std::int64_t rows, blocks;             // N, K / 32
  std::int64_t blocksPerGroup, groups;   // of the input: whole parts of a group of the weight; H
  std::int64_t stride;                   // from a row's codes to the next one's
  bool isPaired;  // for four bits: of each eight inputs the four even ones come first
  std::int8_t* codes;                    // [N, stride]
  float* scales;                         // [N, H]; NaN where the group has a number that is not finite
  float* sums;                           // [N, H], of the codes
};

// Groups whose largest magnitude is less are zeros: their scale would leave the normal numbers.
constexpr float leastRounded = 1e-30f;

// At most so many inputs share a scale: what they add up to is then exact as a float, too (127 * 255 * 128 < 2^24).
constexpr std::int64_t mostRoundedBlocks = 4;

// How many blocks of an input share a scale, for a weight with groups of so many blocks: all of them, or a part.
constexpr std::int64_t roundedBlocks(std::int64_t blocksPerGroup) {
  if (blocksPerGroup <= mostRoundedBlocks) return blocksPerGroup;
  return blocksPerGroup % 2 == 0 ? 2 : 1;
}

struct RoundedProducts {
  RoundedRows input;
  std::int64_t outputs;                    // M
  std::int64_t blocksPerGroup, groups;     // of the weight; G
  const std::uint8_t* weight;              // as in IntegerProducts
  const void* scales;                      // [M, G], float32 or float16
  bool areHalfScales;
  const std::uint8_t* zeros;               // [M, G]; of signed weights those of weight + 128
  const float* bias;                       // [M], or null
  float* output;                           // [N, M]
};

struct RoundedSet {
  // The rows from `row` to `endRow` of x [N, K] in float32.
  void (*round)(const RoundedRows& rows, const float* x, std::int64_t row, std::int64_t endRow);
  // The outputs from `output` to `endOutput` of all rows. next: whose weights this thread needs after them, or -1.
  // scratch: roundedScratch bytes, aligned to 64.
  using Multiply = void (*)(const RoundedProducts& products, std::int64_t output, std::int64_t endOutput,
                            std::int64_t next, void* scratch);
  Multiply int4, int8, signedInt8;
};

// Blocks of the weight that are unpacked together.
constexpr std::int64_t unpackedBlocks = 16;
// Outputs that are computed together at most.
constexpr std::int64_t mostRoundedOutputs = 32;

// Rows whose codes stay in the second cache while outputs pass by.
constexpr std::int64_t mostRoundedRows = 120;

// Codes of the outputs that are computed together, their scales and zero points, and the sums of the rows.
constexpr std::int64_t roundedScratch(std::int64_t allRows) {
  const std::int64_t rows = allRows < mostRoundedRows ? allRows : mostRoundedRows;
  return mostRoundedOutputs * (unpackedBlocks * integerBlock + (2 * unpackedBlocks + rows) * 4);
}

RoundedSet plainRounded();
RoundedSet avx2Rounded();
RoundedSet avx512Rounded();
RoundedSet avx512VnniRounded();

}  // namespace xinghe
