// The kernels' backward passes record no graph. Where one is asked for (createGraph), the gradients come from the
// same function composed of libtorch's operators instead.
#pragma once

#include <ATen/core/Tensor.h>
#include <torch/csrc/autograd/autograd.h>

namespace xinghe {

// Differentiable gradients of `output` with respect to those inputs that want one; undefined for the others.
inline torch::autograd::variable_list differentiableGradients(const at::Tensor& output,
                                                              const torch::autograd::variable_list& inputs,
                                                              const at::Tensor& gradOutput) {
  torch::autograd::variable_list wanted;
  for (const at::Tensor& input : inputs)
    if (input.requires_grad()) wanted.push_back(input);
  const auto found = torch::autograd::grad({output}, wanted, {gradOutput}, /*retain_graph=*/true,
                                           /*create_graph=*/true, /*allow_unused=*/true);
  torch::autograd::variable_list gradients;
  auto next = found.begin();
  for (const at::Tensor& input : inputs) gradients.push_back(input.requires_grad() ? *next++ : at::Tensor());
  return gradients;
}

}  // namespace xinghe
