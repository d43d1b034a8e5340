#include "cpu/integer-matrix.h"

#include <c10/util/Exception.h>

namespace xinghe {

IntegerMatrix checkedIntegers(const at::Tensor& packed, const at::Tensor& scales, const at::Tensor& zeros,
                              const OptionalTensor& order, std::int64_t inputs, std::int64_t groupSize) {
  const std::int64_t padded = (inputs + integerBlock - 1) / integerBlock * integerBlock;
  TORCH_CHECK_VALUE(inputs > 0 && groupSize > 0 && groupSize % integerBlock == 0, "xinghe::integer_linear: ", inputs,
                    " inputs in groups of ", groupSize, "; groups hold a multiple of ", integerBlock);
  const std::int64_t groups = (inputs + groupSize - 1) / groupSize;
  const auto type = packed.scalar_type();
  TORCH_CHECK_VALUE(packed.dim() == 2 && (((type == at::kByte || type == at::kChar) && packed.size(1) == padded) ||
                                          (type == at::kByte && packed.size(1) * 2 == padded)),
                    "xinghe::integer_linear: weight ", packed.sizes(), " ", type,
                    "; it is uint8 [M, K / 2], or uint8 or int8 [M, K], with K = ", padded);
  const std::vector<std::int64_t> shape{packed.size(0), groups};
  TORCH_CHECK_VALUE(scales.sizes() == shape && (scales.scalar_type() == at::kFloat || scales.scalar_type() == at::kHalf) &&
                        zeros.sizes() == shape && zeros.scalar_type() == at::kByte,
                    "xinghe::integer_linear: scales ", scales.sizes(), " ", scales.scalar_type(), " and zeros ",
                    zeros.sizes(), " ", zeros.scalar_type(), "; they are float32 or float16, and uint8, [", shape[0], ", ",
                    groups, "]");
  const bool hasOrder = order.has_value() && order->defined();
  TORCH_CHECK_VALUE(!hasOrder || (order->dim() == 1 && order->size(0) == inputs && order->scalar_type() == at::kLong),
                    "xinghe::integer_linear: the order of inputs is int64 [", inputs, "]");
  return {packed.contiguous(), scales.contiguous(), zeros.contiguous(), hasOrder ? *order : at::Tensor(), inputs, groupSize};
}

}  // namespace xinghe
