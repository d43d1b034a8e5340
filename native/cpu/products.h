// Batch-invariant products y = x W^T + b: the kernels of each processor behind one table. This header is included by
// files that are compiled for newer processors than the rest: it holds declarations only.
//
// Shapes: N rows, K input features, M output features.
#pragma once

#include <cstdint>

namespace xinghe {

// One product; all pointers are to elements of one type.
struct Products {
  std::int64_t rows, inputs, outputs;  // N, K, M
  const void* packedInput;             // as packInputs or packPairs wrote it, aligned to 64 bytes
  const void* weight;                  // [M, K] or [K, M]
  std::int64_t weightStride;           // elements between the rows of the weight as it lies in memory
  const void* bias;                    // [M], or null
  void* output;                        // [N, M], contiguous
};

// The kernels for one element type. Rows are cut into panels of at most rowTile (columnRowTile for weights [K, M])
// rows; a panel is packed by itself, and a block is a range of panels and of outputs. Blocks may be computed in any
// order by any thread: each element of the output belongs to one block and is summed there.
struct ProductKernels {
  std::int64_t rowTile, columnRowTile;
  std::int64_t columnGroup;       // outputs of a block of multiplyColumns are packed in groups of so many,
  std::int64_t columnGroupBytes;  // each taking so many bytes of the scratch memory
  std::int64_t sumBytes;

  // Weights [M, K].
  std::int64_t (*packedInputBytes)(std::int64_t rows, std::int64_t inputs);
  void (*packInputs)(const void* input, std::int64_t rowStride, std::int64_t rows, std::int64_t inputs,
                     std::int64_t panel, void* packed);
  // For few rows. scratch: rows * 16 sums.
  void (*multiplyStored)(const Products& products, std::int64_t firstOutput, std::int64_t endOutput, void* scratch);
  // For many rows. scratch, with the outputs of the block rounded up to 4: outputs * 4096 bytes and rows * outputs
  // sums; aligned to 64 bytes.
  void (*multiplyPacked)(const Products& products, std::int64_t firstPanel, std::int64_t endPanel,
                         std::int64_t firstOutput, std::int64_t endOutput, void* scratch);

  // Weights [K, M].
  std::int64_t (*packedPairBytes)(std::int64_t rows, std::int64_t inputs);
  void (*packPairs)(const void* input, std::int64_t rowStride, std::int64_t rows, std::int64_t inputs,
                    std::int64_t panel, void* packed);
  // scratch: the groups of the block and rows * (outputs rounded up to groups) sums; aligned to 64 bytes.
  void (*multiplyColumns)(const Products& products, std::int64_t firstPanel, std::int64_t endPanel,
                          std::int64_t firstOutput, std::int64_t endOutput, void* scratch);
};

// The kernels of one set of instructions; null where there are none for the type, or the compiler or the processor
// the addon is built for does not know the instructions. The caller asks the processor first.
struct ProductSet {
  const ProductKernels* float32;
  const ProductKernels* float64;
  const ProductKernels* bfloat16;
  const ProductKernels* float16;
};

ProductSet plainProducts();
ProductSet avx2Products();         // AVX2, FMA, F16C
ProductSet avx512Products();       // AVX-512 F, BW, DQ, VL
ProductSet avx512Bf16Products();   // and AVX512_BF16: bfloat16 only

}  // namespace xinghe
