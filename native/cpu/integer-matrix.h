// A weight of integers as the operators get it: its tensors, checked to fit each other.
//
// Shapes: I input features (K of them with the padding to whole blocks of 32), M output features, G groups.
#pragma once

#include <ATen/core/Tensor.h>

#include "cpu/integer-products.h"
#include "cpu/operators.h"

namespace xinghe {

// A weight as it is kept.
struct IntegerMatrix {
  at::Tensor packed;  // uint8 [M, K / 2] or [M, K], or int8 [M, K]
  at::Tensor scales;  // float32 or float16 [M, G]
  at::Tensor zeros;   // uint8 [M, G]
  at::Tensor order;   // int64 [I]: the input at each place; undefined: as they are
  std::int64_t inputs, groupSize;

  std::int64_t padded() const { return (inputs + integerBlock - 1) / integerBlock * integerBlock; }
  std::int64_t outputs() const { return packed.size(0); }
  bool isInt4() const { return packed.size(1) * 2 == padded(); }
  bool isSigned() const { return packed.scalar_type() == at::kChar; }
};

struct IntegerLayer {
  IntegerMatrix matrix;
  OptionalTensor bias;
};

// ValueError for tensors that do not fit.
IntegerMatrix checkedIntegers(const at::Tensor& packed, const at::Tensor& scales, const at::Tensor& zeros,
                              const OptionalTensor& order, std::int64_t inputs, std::int64_t groupSize);

}  // namespace xinghe
