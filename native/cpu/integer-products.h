// Products with weights kept in integers, y = x W^T + b with W [m, k] = scales [m, g] * (q [m, k] - zeros [m, g]): the
// kernels of each processor behind one table. This header is included by files that are compiled for newer processors
// than the rest: it holds declarations only.
//
// Shapes: N rows, K input features in blocks of 32, M output features, G groups of blocks.
#pragma once

#include <cstdint>

namespace xinghe {

constexpr std::int64_t integerBlock = 32;

struct IntegerProducts {
  std::int64_t rows, blocks, outputs;  // N, K / 32, M
  std::int64_t blocksPerGroup, groups;
  const float* input;  // [N, K]; for four bits the 16 even inputs of a block, then the 16 odd ones
  // [M, K / 2] for four bits, a byte the inputs 2 i (its low half) and 2 i + 1; [M, K] for eight, signed or not.
  const std::uint8_t* weight;
  const void* scales;        // [M, G], float32 or float16
  bool areHalfScales;
  const std::uint8_t* zeros;  // [M, G]; of signed weights those of weight + 128
  const float* bias;          // [M], or null
  float* output;              // [N, M]
};

struct IntegerKernels {
  // The outputs from `output` to `endOutput` of all rows. Each element is summed in the same order whatever else is
  // asked for. scratch: integerScratch floats, aligned to 64 bytes.
  void (*multiply)(const IntegerProducts& products, std::int64_t output, std::int64_t endOutput, float* scratch);
  // The weights of those outputs as float32 [endOutput - output, K], in the order of `input`, to `weights`.
  void (*decode)(const IntegerProducts& products, std::int64_t output, std::int64_t endOutput, float* weights);
};

// Outputs whose weights are decoded together where many rows share them.
constexpr std::int64_t decodedOutputs = 4;

struct IntegerSet {
  IntegerKernels int4, int8, signedInt8;
};

IntegerSet plainIntegers();
IntegerSet avx2Integers();
IntegerSet avx512Integers();

}  // namespace xinghe
