#include "graph.h"

#include <ATen/core/LegacyTypeDispatch.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include <utility>

namespace xinghe {

namespace {

struct HeldBackward : torch::CustomClassHolder {
  std::size_t inputs;
  Backward call;
  HeldBackward(std::size_t count, Backward backward) : inputs(count), call(std::move(backward)) {}
};

// One function for all kernels: each instance of libtorch's template takes a compiler seconds.
struct Kernel : torch::autograd::Function<Kernel> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, at::TensorList inputs,
                            const std::function<Forward()>& run, Backward& backward) {
    const at::AutoDispatchBelowADInplaceOrView below;
    Forward result = run();
    context->save_for_backward(std::move(result.saved));
    context->saved_data["backward"] =
        c10::IValue::make_capsule(c10::make_intrusive<HeldBackward>(inputs.size(), std::move(backward)));
    return result.output;
  }

  static Tensors backward(torch::autograd::AutogradContext* context, Tensors gradOutputs) {
    const auto capsule = context->saved_data["backward"].toCapsule();
    const auto& held = static_cast<const HeldBackward&>(*capsule);
    const Tensors saved = context->get_saved_variables();
    Tensors gradients;
    if (gradOutputs[0].defined()) {
      std::vector<bool> wanted(held.inputs);
      for (std::size_t i = 0; i < held.inputs; i++) wanted[i] = context->needs_input_grad(i);
      gradients = held.call(gradOutputs[0], saved, wanted);
    }
    gradients.resize(held.inputs + 2);  // and the two other arguments of forward
    return gradients;
  }
};

}  // namespace

at::Tensor recorded(at::TensorList inputs, const std::function<Forward()>& forward, Backward backward) {
  return Kernel::apply(inputs, forward, backward);
}

Tensors differentiableGradients(const at::Tensor& output, const Tensors& inputs, const at::Tensor& gradOutput) {
  Tensors wanted;
  for (const at::Tensor& input : inputs)
    if (input.requires_grad()) wanted.push_back(input);
  const Tensors found = gradientsOf({output}, wanted, {gradOutput}, /*retainGraph=*/true, /*createGraph=*/true);
  Tensors gradients;
  auto next = found.begin();
  for (const at::Tensor& input : inputs) gradients.push_back(input.requires_grad() ? *next++ : at::Tensor());
  return gradients;
}

void backwardAll(const Tensors& outputs, const Tensors& gradOutputs, bool retainGraph) {
  torch::autograd::backward(outputs, gradOutputs, retainGraph, /*create_graph=*/false);
}

Tensors gradientsOf(const Tensors& outputs, const Tensors& inputs, const Tensors& gradOutputs, bool retainGraph,
                    bool createGraph) {
  return torch::autograd::grad(outputs, inputs, gradOutputs, retainGraph, createGraph, /*allow_unused=*/true);
}

}  // namespace xinghe
