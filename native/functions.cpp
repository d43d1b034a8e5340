#include "functions.h"

#include <limits>
#include <ATen/Version.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/zeros.h>

#include <string>
#include <utility>

namespace xinghe {

at::Tensor emptyTensor(at::IntArrayRef shape, const at::TensorOptions& options) { return at::empty(shape, options); }

at::Tensor emptyLike(const at::Tensor& x) { return at::empty_like(x); }

at::Tensor zeroTensor(at::IntArrayRef shape, const at::TensorOptions& options) { return at::zeros(shape, options); }

at::Tensor tensorIn(void* data, at::IntArrayRef shape, const at::TensorOptions& options, std::shared_ptr<void> owner) {
  return at::from_blob(data, shape, [owner = std::move(owner)](void*) {}, options);
}

at::Tensor concatenated(at::TensorList tensors, std::int64_t dim) { return at::cat(tensors, dim); }

at::Tensor wholeNumbers(std::int64_t from, std::int64_t to, const at::TensorOptions& options) {
  return at::arange(from, to, options);
}

at::Tensor silu(const at::Tensor& x) { return at::silu(x); }

at::Tensor geluTanh(const at::Tensor& x) { return at::gelu(x, "tanh"); }

at::Tensor crossEntropies(const at::Tensor& logits, const at::Tensor& targets) {
  // No target is passed over in silence, as -100 would be by default.
  constexpr auto noTarget = std::numeric_limits<std::int64_t>::min();
  return at::cross_entropy_loss(logits, targets, {}, at::Reduction::None, noTarget);
}

at::Tensor linearOf(const at::Tensor& x, const at::Tensor& w, const std::optional<at::Tensor>& bias) {
  return at::linear(x, w, bias);
}

at::Tensor onednnLinear(const at::Tensor& x, const at::Tensor& w, const std::optional<at::Tensor>& bias) {
  using Signature = at::Tensor(const at::Tensor&, const at::Tensor&, const std::optional<at::Tensor>&,
                               std::string_view, c10::List<std::optional<at::Scalar>>,
                               std::optional<std::string_view>);
  static const auto op =
      c10::Dispatcher::singleton().findSchemaOrThrow("mkldnn::_linear_pointwise", "").typed<Signature>();
  const bool dense = w.is_contiguous() || w.t().is_contiguous();
  return op.call(x, dense ? w : w.contiguous(), bias, "none", c10::List<std::optional<at::Scalar>>(), "");
}

std::string_view cpuCapability() {
  static const std::string capability = at::get_cpu_capability();
  return capability;
}

}  // namespace xinghe
