// xinghe::gated_activation: activation(gate) * up, forward and backward in one pass each. Other devices than the CPU,
// and second derivatives, take the same formula composed of libtorch's operators.
//
// Shapes: N rows, F features.
// compile flags (x64): -O3 -fopenmp-simd -fno-math-errno -fno-trapping-math
// compile flags (arm64): -O3 -fopenmp-simd -fno-math-errno -fno-trapping-math
#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/grad_mode.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <type_traits>

#include "cpu/operators.h"
#include "cpu/parallel.h"
#include "cpu/vector-math.h"
#include "functions.h"
#include "graph.h"

namespace xinghe {
namespace {

constexpr std::int64_t grain = 8192;  // elements for which a second thread pays

enum class Activation { silu, geluTanh };

Activation activationNamed(std::string_view name) {
  TORCH_CHECK_VALUE(name == "silu" || name == "gelu_tanh", "xinghe::gated_activation: activation \"", name,
                    "\"; it may be silu or gelu_tanh");
  return name == "silu" ? Activation::silu : Activation::geluTanh;
}

// Both activations are x * sigmoid(z(x)): z = x for SiLU, and since (1 + tanh u) / 2 = sigmoid(2 u),
// z = 2 sqrt(2/pi) (x + 0.044715 x^3) for the tanh form of GELU (Hendrycks & Gimpel, arXiv 1606.08415).
template <Activation activation, typename Float>
XINGHE_INLINE Float gateSigmoid(Float x) {
  if constexpr (activation == Activation::silu) return sigmoid(x);
  return sigmoid(Float(1.5957691216057308) * (x + Float(0.044715) * x * x * x));
}

template <Activation activation, typename Float>
XINGHE_INLINE Float gateSigmoidSlope(Float x) {
  if constexpr (activation == Activation::silu) return Float(1);
  return Float(1.5957691216057308) * (Float(1) + Float(3 * 0.044715) * x * x);
}

template <Activation activation, typename Element>
XINGHE_VECTORISED void gateRow(const Element* gate, const Element* up, Element* y, std::int64_t features) {
#pragma omp simd
  for (std::int64_t i = 0; i < features; i++) {
    const auto x = widen(gate[i]);
    y[i] = narrow<Element>(rounded<Element>(x * gateSigmoid<activation>(x)) * widen(up[i]));
  }
}

template <Activation activation, typename Element>
XINGHE_VECTORISED void gateRowBackward(const Element* grad, const Element* gate, const Element* up, Element* dGate,
                                       Element* dUp, std::int64_t features) {
#pragma omp simd
  for (std::int64_t i = 0; i < features; i++) {
    using W = Wide<Element>;
    const W x = widen(gate[i]), g = widen(grad[i]);
    const W s = gateSigmoid<activation>(x);
    const W slope = s + x * s * (W(1) - s) * gateSigmoidSlope<activation>(x);
    dGate[i] = narrow<Element>(g * widen(up[i]) * slope);
    dUp[i] = narrow<Element>(g * x * s);
  }
}

bool fits(const at::Tensor& gate, const at::Tensor& up) {
  return gate.device().is_cpu() && up.device().is_cpu() && gate.layout() == at::kStrided &&
         up.layout() == at::kStrided && gate.scalar_type() == up.scalar_type() && gate.dim() >= 1 &&
         gate.numel() != 0 && gate.sizes() == up.sizes() && withElementType(gate.scalar_type(), [](auto) {});
}

// [N, F] with adjacent features: a view where the strides allow one, as they do for a half of a wider tensor.
at::Tensor asRows(const at::Tensor& tensor) {
  const at::Tensor rows = tensor.reshape({-1, tensor.size(-1)});
  return rows.stride(1) == 1 || rows.size(1) == 1 ? rows : rows.contiguous();
}

// Calls kernel(activation as a constant, element) for the pair at hand.
template <typename Kernel>
void dispatch(Activation activation, c10::ScalarType type, const Kernel& kernel) {
  withElementType(type, [&](auto element) {
    if (activation == Activation::silu)
      kernel(std::integral_constant<Activation, Activation::silu>{}, element);
    else
      kernel(std::integral_constant<Activation, Activation::geluTanh>{}, element);
  });
}

at::Tensor gated(const at::Tensor& gateInput, const at::Tensor& upInput, std::string_view name) {
  const Activation activation = activationNamed(name);
  const at::Tensor gate = asRows(gateInput), up = asRows(upInput);
  const std::int64_t rows = gate.size(0), features = gate.size(1);
  const at::Tensor y = emptyTensor({rows, features}, gate.options());
  dispatch(activation, gate.scalar_type(), [&](auto which, auto element) {
    using Element = decltype(element);
    const auto* g = gate.const_data_ptr<Element>();
    const auto* u = up.const_data_ptr<Element>();
    auto* out = y.mutable_data_ptr<Element>();
    parallelRanges(rows, std::max<std::int64_t>(1, grain / features), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; row++)
        gateRow<which.value, Element>(g + row * gate.stride(0), u + row * up.stride(0), out + row * features,
                                      features);
    });
  });
  return y.view(gateInput.sizes());
}

struct Gradients {
  at::Tensor dGate, dUp;
};

Gradients backward(const at::Tensor& gradOutput, const at::Tensor& gateInput, const at::Tensor& upInput,
                   std::string_view name) {
  const at::Tensor grad = asRows(gradOutput), gate = asRows(gateInput), up = asRows(upInput);
  const std::int64_t rows = gate.size(0), features = gate.size(1);
  const at::Tensor dGate = emptyTensor({rows, features}, gate.options());
  const at::Tensor dUp = emptyTensor({rows, features}, gate.options());
  dispatch(activationNamed(name), gate.scalar_type(), [&](auto which, auto element) {
    using Element = decltype(element);
    const auto* d = grad.const_data_ptr<Element>();
    const auto* g = gate.const_data_ptr<Element>();
    const auto* u = up.const_data_ptr<Element>();
    auto* outGate = dGate.mutable_data_ptr<Element>();
    auto* outUp = dUp.mutable_data_ptr<Element>();
    parallelRanges(rows, std::max<std::int64_t>(1, grain / features), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; row++)
        gateRowBackward<which.value, Element>(d + row * grad.stride(0), g + row * gate.stride(0),
                                              u + row * up.stride(0), outGate + row * features,
                                              outUp + row * features, features);
    });
  });
  return {dGate.view(gateInput.sizes()), dUp.view(upInput.sizes())};
}

}  // namespace

at::Tensor gatedActivationComposed(const at::Tensor& gate, const at::Tensor& up, std::string_view name) {
  return (activationNamed(name) == Activation::silu ? silu(gate) : geluTanh(gate)).mul(up);
}

at::Tensor gatedActivation(const at::Tensor& gate, const at::Tensor& up, std::string_view name) {
  return fits(gate, up) ? gated(gate, up, name) : gatedActivationComposed(gate, up, name);
}

at::Tensor gatedActivationWithGraph(const at::Tensor& gate, const at::Tensor& up, std::string_view name) {
  if (!fits(gate, up)) return gatedActivationComposed(gate, up, name);
  if (!at::GradMode::is_enabled() || !(gate.requires_grad() || up.requires_grad())) {
    const at::AutoDispatchBelowADInplaceOrView below;
    return gated(gate, up, name);
  }
  const auto forward = [&]() -> Forward { return {gated(gate, up, name), {gate, up}}; };
  return recorded({gate, up}, forward,
                  [name = std::string(name)](const at::Tensor& grad, const Tensors& saved,
                                             const std::vector<bool>&) -> Tensors {
                    if (at::GradMode::is_enabled())
                      return differentiableGradients(gatedActivationComposed(saved[0], saved[1], name), saved, grad);
                    const auto [dGate, dUp] = backward(grad, saved[0], saved[1], name);
                    return {dGate, dUp};
                  });
}

}  // namespace xinghe
