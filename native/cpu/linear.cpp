// xinghe::linear: y = x W^T + b, forward and backward, with float32 on the CPU multiplied by oneDNN where the caller
// has found it faster than the BLAS that libtorch would take. Other dtypes and devices run libtorch's own linear.
#include <ATen/ATen.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include <atomic>

namespace xinghe {

namespace {
std::atomic<bool> onednnRoute{false};

// The product of x [N, K] and the transpose of w [M, K].
at::Tensor multiplyOnednn(const at::Tensor& x, const at::Tensor& w, const std::optional<at::Tensor>& bias) {
  using Signature = at::Tensor(const at::Tensor&, const at::Tensor&, const std::optional<at::Tensor>&,
                               std::string_view, c10::List<std::optional<at::Scalar>>,
                               std::optional<std::string_view>);
  static const auto op = c10::Dispatcher::singleton()
                             .findSchemaOrThrow("mkldnn::_linear_pointwise", "")
                             .typed<Signature>();
  return op.call(x, w, bias, "none", c10::List<std::optional<at::Scalar>>(), "");
}

bool takesOnednn(const at::Tensor& x, const at::Tensor& w) {
  return onednnRoute.load(std::memory_order_relaxed) && x.device().is_cpu() && x.scalar_type() == at::kFloat &&
         w.scalar_type() == at::kFloat && x.numel() != 0;
}

at::Tensor forward(const at::Tensor& x, const at::Tensor& w, const std::optional<at::Tensor>& bias) {
  if (!takesOnednn(x, w)) return at::linear(x, w, bias);
  return multiplyOnednn(x, w.is_contiguous() ? w : w.contiguous(), bias);
}

at::Tensor gradInput(const at::Tensor& grad, const at::Tensor& w) {
  if (!takesOnednn(grad, w)) return at::matmul(grad, w);
  return multiplyOnednn(grad, w.t().contiguous(), std::nullopt);
}

at::Tensor gradWeight(const at::Tensor& grad, const at::Tensor& x) {
  const at::Tensor rows = grad.reshape({-1, grad.size(-1)});  // [N, M]
  const at::Tensor inputs = x.reshape({-1, x.size(-1)});      // [N, K]
  if (!takesOnednn(rows, inputs)) return at::mm(rows.t(), inputs);
  return multiplyOnednn(rows.t().contiguous(), inputs.t().contiguous(), std::nullopt);
}

struct Linear : torch::autograd::Function<Linear> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x, const at::Tensor& w,
                            const std::optional<at::Tensor>& bias) {
    const at::AutoDispatchBelowADInplaceOrView below;
    context->save_for_backward({x, w});
    context->saved_data["bias"] = bias.has_value() && bias->requires_grad();
    return xinghe::forward(x, w, bias);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const at::Tensor& grad = gradients[0];
    const auto& [x, w] = std::tie(saved[0], saved[1]);
    at::Tensor dx, dw, db;
    if (context->needs_input_grad(0)) dx = gradInput(grad, w);
    if (context->needs_input_grad(1)) dw = gradWeight(grad, x);
    if (context->saved_data["bias"].toBool()) db = grad.reshape({-1, grad.size(-1)}).sum(0);
    return {dx, dw, db};
  }
};

at::Tensor linearAutograd(const at::Tensor& x, const at::Tensor& w, const std::optional<at::Tensor>& bias) {
  if (!at::GradMode::is_enabled()) {
    const at::AutoDispatchBelowADInplaceOrView below;
    return forward(x, w, bias);
  }
  return Linear::apply(x, w, bias);
}

}  // namespace

void setLinearRoute(bool onednn) { onednnRoute.store(onednn, std::memory_order_relaxed); }

TORCH_LIBRARY(xinghe, library) { library.def("linear(Tensor input, Tensor weight, Tensor? bias=None) -> Tensor"); }
TORCH_LIBRARY_IMPL(xinghe, CompositeExplicitAutograd, library) { library.impl("linear", forward); }
TORCH_LIBRARY_IMPL(xinghe, Autograd, library) { library.impl("linear", linearAutograd); }

}  // namespace xinghe
