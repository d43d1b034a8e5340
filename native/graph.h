// The graph of gradients behind a header that is cheap to include: libtorch's own for it take a compiler ten seconds,
// and are included by graph.cpp alone.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <vector>

namespace xinghe {

using Tensors = std::vector<at::Tensor>;

// What a forward pass gives: its output, and what it leaves for the backward pass (undefined tensors are allowed).
struct Forward {
  at::Tensor output;
  Tensors saved;
};

// The gradients of the inputs, undefined where there is none; wanted[i] says whether input i's is asked for.
using Backward =
    std::function<Tensors(const at::Tensor& gradOutput, const Tensors& saved, const std::vector<bool>& wanted)>;

// Runs `forward` without a graph, and records `backward` as the derivative of its output with respect to `inputs`, all
// of them defined. Where gradients are off or no input wants one, nothing is recorded.
at::Tensor recorded(at::TensorList inputs, const std::function<Forward()>& forward, Backward backward);

// Differentiable gradients of `output` with respect to those inputs that want one; undefined for the others. The
// kernels' backward passes record no graph: where one is asked for (createGraph), the gradients come from the same
// function composed of libtorch's operators.
Tensors differentiableGradients(const at::Tensor& output, const Tensors& inputs, const at::Tensor& gradOutput);

// Adds to the .grad of every leaf. gradOutputs: one for each output, or none.
void backwardAll(const Tensors& outputs, const Tensors& gradOutputs, bool retainGraph);

// Undefined where an input has no part.
Tensors gradientsOf(const Tensors& outputs, const Tensors& inputs, const Tensors& gradOutputs, bool retainGraph,
                    bool createGraph);

}  // namespace xinghe
