// xinghe::linear: y = x W^T + b, forward and backward, with each float32 product on the CPU multiplied by oneDNN
// where the caller has found it faster than the BLAS that libtorch would take. Other dtypes and devices run
// libtorch's own linear. Without a graph, and where the caller wants it, the batch-invariant kernels of
// invariant-linear.cpp take the place of both.
//
// Shapes: N rows, K input features, M output features.
#include "cpu/linear.h"

#include <ATen/ATen.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include <atomic>

#include "cpu/invariant-linear.h"

namespace xinghe {

namespace {
std::atomic<bool> forwardOnednn{false};
std::atomic<bool> gradInputOnednn{false};
std::atomic<bool> gradWeightOnednn{false};

// x [..., K] times the transpose of w [M, K]. oneDNN reads w with either dimension innermost; x is copied by the
// operator if it is not contiguous.
at::Tensor multiplyOnednn(const at::Tensor& x, const at::Tensor& w, const std::optional<at::Tensor>& bias) {
  using Signature = at::Tensor(const at::Tensor&, const at::Tensor&, const std::optional<at::Tensor>&,
                               std::string_view, c10::List<std::optional<at::Scalar>>,
                               std::optional<std::string_view>);
  static const auto op =
      c10::Dispatcher::singleton().findSchemaOrThrow("mkldnn::_linear_pointwise", "").typed<Signature>();
  const bool dense = w.is_contiguous() || w.t().is_contiguous();
  return op.call(x, dense ? w : w.contiguous(), bias, "none", c10::List<std::optional<at::Scalar>>(), "");
}

bool isFloatMatrixOnCpu(const at::Tensor& tensor) {
  return tensor.device().is_cpu() && tensor.layout() == at::kStrided && tensor.scalar_type() == at::kFloat &&
         tensor.dim() >= 2 && tensor.numel() != 0;
}

// Whatever does not fit goes to libtorch's own operator, which says what is wrong with it.
bool fitsOnednn(const at::Tensor& x, const at::Tensor& w, const std::optional<at::Tensor>& bias) {
  return isFloatMatrixOnCpu(x) && isFloatMatrixOnCpu(w) && w.dim() == 2 && x.size(-1) == w.size(1) &&
         (!bias.has_value() || !bias->defined() ||
          (bias->device().is_cpu() && bias->scalar_type() == at::kFloat && bias->dim() == 1 &&
           bias->size(0) == w.size(0) && bias->is_contiguous()));
}

at::Tensor forward(const at::Tensor& x, const at::Tensor& w, const std::optional<at::Tensor>& bias) {
  if (linearRoutes().forward && fitsOnednn(x, w, bias)) return multiplyOnednn(x, w, bias);
  return at::linear(x, w, bias);
}

at::Tensor forwardWithoutGraph(const at::Tensor& x, const at::Tensor& w, const std::optional<at::Tensor>& bias) {
  if (isInvariantLinear())
    if (auto y = invariantLinear(x, w, bias)) return *std::move(y);
  return forward(x, w, bias);
}

at::Tensor asRows(const at::Tensor& tensor) { return tensor.dim() == 1 ? tensor.unsqueeze(0) : tensor.flatten(0, -2); }

// The products of backward record no graph on oneDNN's route, so a second derivative takes libtorch's operators.
at::Tensor gradInput(const at::Tensor& grad, const at::Tensor& w) {
  const at::Tensor transposed = w.t();
  if (linearRoutes().gradInput && !at::GradMode::is_enabled() && fitsOnednn(grad, transposed, std::nullopt))
    return multiplyOnednn(grad, transposed, std::nullopt);
  return at::matmul(grad, w);
}

at::Tensor gradWeight(const at::Tensor& grad, const at::Tensor& x) {
  const at::Tensor left = asRows(grad).t();  // [M, N]
  const at::Tensor right = asRows(x);        // [N, K]
  if (linearRoutes().gradWeight && !at::GradMode::is_enabled() && fitsOnednn(left, right.t(), std::nullopt))
    return multiplyOnednn(left, right.t(), std::nullopt);
  return at::mm(left, right);
}

struct Linear : torch::autograd::Function<Linear> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x, const at::Tensor& w,
                            const std::optional<at::Tensor>& bias) {
    const at::AutoDispatchBelowADInplaceOrView below;
    // Each side is needed for the other's gradient only: a frozen weight does not keep its inputs alive.
    context->save_for_backward({w.requires_grad() ? x : at::Tensor(), x.requires_grad() ? w : at::Tensor()});
    context->saved_data["bias"] = bias.has_value() && bias->requires_grad();
    return xinghe::forward(x, w, bias);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const at::Tensor& grad = gradients[0];
    at::Tensor dx, dw, db;
    if (!grad.defined()) return {dx, dw, db};
    if (context->needs_input_grad(0)) dx = gradInput(grad, saved[1]);
    if (context->needs_input_grad(1)) dw = gradWeight(grad, saved[0]);
    if (context->saved_data["bias"].toBool()) db = asRows(grad).sum(0);
    return {dx, dw, db};
  }
};

at::Tensor linearAutograd(const at::Tensor& x, const at::Tensor& w, const std::optional<at::Tensor>& bias) {
  if (!at::GradMode::is_enabled()) {
    const at::AutoDispatchBelowADInplaceOrView below;
    return forwardWithoutGraph(x, w, bias);
  }
  return Linear::apply(x, w, bias);
}

}  // namespace

void setLinearRoutes(LinearRoutes routes) {
  forwardOnednn.store(routes.forward, std::memory_order_relaxed);
  gradInputOnednn.store(routes.gradInput, std::memory_order_relaxed);
  gradWeightOnednn.store(routes.gradWeight, std::memory_order_relaxed);
}

LinearRoutes linearRoutes() {
  return {forwardOnednn.load(std::memory_order_relaxed), gradInputOnednn.load(std::memory_order_relaxed),
          gradWeightOnednn.load(std::memory_order_relaxed)};
}

TORCH_LIBRARY(xinghe, library) { library.def("linear(Tensor input, Tensor weight, Tensor? bias=None) -> Tensor"); }
TORCH_LIBRARY_IMPL(xinghe, CompositeExplicitAutograd, library) { library.impl("linear", forwardWithoutGraph); }
TORCH_LIBRARY_IMPL(xinghe, Autograd, library) { library.impl("linear", linearAutograd); }

}  // namespace xinghe
