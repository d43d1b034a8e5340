// xinghe::linear: y = x W^T + b, forward and backward, with each float32 product on the CPU multiplied by oneDNN
// where the caller has found it faster than the BLAS that libtorch would take. Other dtypes and devices run
// libtorch's own linear. Without a graph, and where the caller wants it, the batch-invariant kernels of
// invariant-linear.cpp take the place of both.
//
// Shapes: N rows, K input features, M output features.
#include "cpu/linear.h"

#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/grad_mode.h>
#include <c10/util/Exception.h>

#include <atomic>

#include "cpu/invariant-linear.h"
#include "cpu/operators.h"
#include "functions.h"
#include "graph.h"

namespace xinghe {

namespace {
std::atomic<bool> forwardOnednn{false};
std::atomic<bool> gradInputOnednn{false};
std::atomic<bool> gradWeightOnednn{false};

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

at::Tensor asRows(const at::Tensor& tensor) { return tensor.dim() == 1 ? tensor.unsqueeze(0) : tensor.flatten(0, -2); }

}  // namespace

at::Tensor linearProduct(const at::Tensor& x, const at::Tensor& w, const std::optional<at::Tensor>& bias) {
  if (linearRoutes().forward && fitsOnednn(x, w, bias)) return onednnLinear(x, w, bias);
  return linearOf(x, w, bias);
}

// The products of backward record no graph on oneDNN's route, so a second derivative takes libtorch's operators.
at::Tensor linearGradInput(const at::Tensor& grad, const at::Tensor& w) {
  const at::Tensor transposed = w.t();
  if (linearRoutes().gradInput && !at::GradMode::is_enabled() && fitsOnednn(grad, transposed, std::nullopt))
    return onednnLinear(grad, transposed, std::nullopt);
  return grad.matmul(w);
}

at::Tensor linearGradWeight(const at::Tensor& grad, const at::Tensor& x) {
  const at::Tensor left = asRows(grad).t();  // [M, N]
  const at::Tensor right = asRows(x);        // [N, K]
  if (linearRoutes().gradWeight && !at::GradMode::is_enabled() && fitsOnednn(left, right.t(), std::nullopt))
    return onednnLinear(left, right.t(), std::nullopt);
  return left.mm(right);
}

at::Tensor linear(const at::Tensor& x, const at::Tensor& w, const std::optional<at::Tensor>& bias) {
  if (isInvariantLinear())
    if (auto y = invariantLinear(x, w, bias)) return *std::move(y);
  return linearProduct(x, w, bias);
}

at::Tensor linearWithGraph(const at::Tensor& x, const at::Tensor& w, const std::optional<at::Tensor>& bias) {
  if (!at::GradMode::is_enabled()) {
    const at::AutoDispatchBelowADInplaceOrView below;
    return linear(x, w, bias);
  }
  const bool hasBias = bias.has_value() && bias->defined();
  // Each side is needed for the other's gradient only: a frozen weight does not keep its inputs alive.
  const auto run = [&]() -> Forward {
    return {linearProduct(x, w, bias),
            {w.requires_grad() ? x : at::Tensor(), x.requires_grad() ? w : at::Tensor()}};
  };
  const auto backward = [](const at::Tensor& grad, const Tensors& saved, const std::vector<bool>& wanted) {
    Tensors gradients(wanted.size());
    if (wanted[0]) gradients[0] = linearGradInput(grad, saved[1]);
    if (wanted[1]) gradients[1] = linearGradWeight(grad, saved[0]);
    if (wanted.size() > 2 && wanted[2]) gradients[2] = asRows(grad).sum(0);
    return gradients;
  };
  return recorded(hasBias ? Tensors{x, w, *bias} : Tensors{x, w}, run, backward);
}

std::vector<at::Tensor> linears(const at::Tensor& x, at::TensorList weights,
                                const c10::List<OptionalTensor>& biases) {
  TORCH_CHECK_VALUE(weights.size() == biases.size(), "xinghe::linears: ", weights.size(), " weights and ",
                    biases.size(), " biases");
  const std::vector<OptionalTensor> addends = biases.vec();
  if (isInvariantLinear())
    if (auto outputs = invariantLinears(x, weights, addends)) return *std::move(outputs);
  std::vector<at::Tensor> outputs;
  for (std::size_t i = 0; i < weights.size(); i++) outputs.push_back(linear(x, weights[i], addends[i]));
  return outputs;
}

std::vector<at::Tensor> linearsWithGraph(const at::Tensor& x, at::TensorList weights,
                                         const c10::List<OptionalTensor>& biases) {
  if (!at::GradMode::is_enabled()) {
    const at::AutoDispatchBelowADInplaceOrView below;
    return linears(x, weights, biases);
  }
  TORCH_CHECK_VALUE(weights.size() == biases.size(), "xinghe::linears: ", weights.size(), " weights and ",
                    biases.size(), " biases");
  std::vector<at::Tensor> outputs;
  for (std::size_t i = 0; i < weights.size(); i++) outputs.push_back(linearWithGraph(x, weights[i], biases.get(i)));
  return outputs;
}

void setLinearRoutes(LinearRoutes routes) {
  forwardOnednn.store(routes.forward, std::memory_order_relaxed);
  gradInputOnednn.store(routes.gradInput, std::memory_order_relaxed);
  gradWeightOnednn.store(routes.gradWeight, std::memory_order_relaxed);
}

LinearRoutes linearRoutes() {
  return {forwardOnednn.load(std::memory_order_relaxed), gradInputOnednn.load(std::memory_order_relaxed),
          gradWeightOnednn.load(std::memory_order_relaxed)};
}

}  // namespace xinghe
