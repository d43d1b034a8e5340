// Products of rows that are rounded to integers with weights of integers.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "cpu/integer-matrix.h"

namespace xinghe {

// One x [..., I] (float32, bfloat16 or float16, on the CPU) times several weights. Each row is rounded by itself, so that a
// row of the results depends on that row alone, bit by bit, whatever the number of rows, threads and the processor. A
// group of inputs with a number that is not finite makes its row NaN.
std::vector<at::Tensor> roundedLinears(const at::Tensor& x, const std::vector<IntegerLayer>& layers);

}  // namespace xinghe
