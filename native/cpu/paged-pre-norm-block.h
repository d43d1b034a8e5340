// A whole block of Llama's layout over pages of keys and values.
#pragma once

#include "cpu/operators.h"

namespace xinghe {

// hidden [1, T, D]; norms: weights [D] before attention and before the MLP; weights and biases of q, k, v, o, gate, up,
// down; the rest as in pagedAttentionProjected. No graph is recorded.
at::Tensor pagedPreNormBlock(const at::Tensor& hidden, at::TensorList norms, at::TensorList weights,
                             const c10::List<OptionalTensor>& biases, double eps, bool roundBeforeWeight,
                             const at::Tensor& cos, const at::Tensor& sin, const at::Tensor& keyPages,
                             const at::Tensor& valuePages, const OptionalTensor& keyScales,
                             const OptionalTensor& valueScales, const at::Tensor& attended,
                             const at::Tensor& blockTables, const at::Tensor& sequences, std::int64_t window);
// The same with weights in integers, as in integerLinears.
at::Tensor pagedPreNormIntegerBlock(const at::Tensor& hidden, at::TensorList norms, at::TensorList integers,
                                    const c10::List<OptionalTensor>& orders, const c10::List<OptionalTensor>& biases,
                                    at::IntArrayRef groupSizes, bool roundsInput, double eps, bool roundBeforeWeight,
                                    const at::Tensor& cos, const at::Tensor& sin, const at::Tensor& keyPages,
                                    const at::Tensor& valuePages, const OptionalTensor& keyScales,
                                    const OptionalTensor& valueScales, const at::Tensor& attended,
                                    const at::Tensor& blockTables, const at::Tensor& sequences, std::int64_t window);

}  // namespace xinghe
