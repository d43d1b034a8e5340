// Which library multiplies the float32 matrices of xinghe::linear on the CPU, for each of its three products.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>

namespace xinghe {

// true: oneDNN, false: the BLAS that libtorch takes by itself. Holds for the whole process.
struct LinearRoutes {
  bool forward = false;
  bool gradInput = false;
  bool gradWeight = false;
};

void setLinearRoutes(LinearRoutes routes);
LinearRoutes linearRoutes();

// The products of xinghe::linear on their routes: x [..., K] times the transpose of w [M, K], plus bias [M]; the gradient
// of the input, and that of the weight, from that of the output.
at::Tensor linearProduct(const at::Tensor& x, const at::Tensor& w, const std::optional<at::Tensor>& bias);
at::Tensor linearGradInput(const at::Tensor& grad, const at::Tensor& w);
at::Tensor linearGradWeight(const at::Tensor& grad, const at::Tensor& x);

}  // namespace xinghe
