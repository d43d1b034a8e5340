// Our operators on a CUDA device: kernels where there are some for these operands, else the formula composed of libtorch's operators.
// What they are is said in cpu/operators.h.
#pragma once

#include "cpu/operators.h"

namespace xinghe::cuda {

at::Tensor rmsNorm(const at::Tensor& x, const at::Tensor& weight, double eps, bool roundBeforeWeight);
at::Tensor rmsNormWithGraph(const at::Tensor& x, const at::Tensor& weight, double eps, bool roundBeforeWeight);
at::Tensor rotary(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin);
at::Tensor rotaryWithGraph(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin);
at::Tensor gatedActivation(const at::Tensor& gate, const at::Tensor& up, std::string_view activation);
at::Tensor gatedActivationWithGraph(const at::Tensor& gate, const at::Tensor& up, std::string_view activation);
at::Tensor integerLinear(const at::Tensor& x, const at::Tensor& packed, const at::Tensor& scales,
                         const at::Tensor& zeros, const OptionalTensor& order, const OptionalTensor& bias,
                         std::int64_t groupSize, bool roundsInput);
std::vector<at::Tensor> integerLinears(const at::Tensor& x, at::TensorList integers,
                                       const c10::List<OptionalTensor>& orders, const c10::List<OptionalTensor>& biases,
                                       at::IntArrayRef groupSizes, bool roundsInput);
at::Tensor integerLinearWithGraph(const at::Tensor& x, const at::Tensor& packed, const at::Tensor& scales,
                                  const at::Tensor& zeros, const OptionalTensor& order, const OptionalTensor& bias,
                                  std::int64_t groupSize, bool roundsInput);
at::Tensor pagedAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const at::Tensor& keyPages,
                          const at::Tensor& valuePages, const OptionalTensor& keyScales,
                          const OptionalTensor& valueScales, const at::Tensor& attended, const at::Tensor& blockTables,
                          const at::Tensor& sequences, std::int64_t window, const OptionalTensor& keyCos,
                          const OptionalTensor& keySin);

// What kernels call an element's type; nullptr where they have none for it.
const char* elementName(at::ScalarType type);
// Whether kernels take this operand: on a device that has them, strided, not empty, of such a type.
bool isTaken(const at::Tensor& tensor);

}  // namespace xinghe::cuda
