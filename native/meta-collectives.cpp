// Collectives of tensors without memory: nothing is exchanged, and every shape is what it would be. So a rank of a layout that no
// machine here could hold is built and run through a step, each slice of it checked. c10d has no such kernels; its group is not asked
// for. They are boxed: the C++ type of a group's name is another from release to release.
#include <ATen/core/Tensor.h>
#include <ATen/core/stack.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <torch/library.h>

#include <numeric>
#include <vector>

namespace xinghe {
namespace {

using Values = std::vector<c10::IValue>;

template <at::Tensor (*kernel)(const Values&)>
void boxed(const c10::OperatorHandle& collective, c10::Stack* stack) {
  const auto count = static_cast<std::ptrdiff_t>(collective.schema().arguments().size());
  const Values values(stack->end() - count, stack->end());
  stack->erase(stack->end() - count, stack->end());
  stack->emplace_back(kernel(values));
}

// The first of the values. Gloo wants it in one piece.
const at::Tensor& input(const Values& values) {
  const at::Tensor& tensor = values.at(0).toTensor();
  TORCH_CHECK(tensor.is_contiguous(), "a collective of a tensor that is not contiguous, ", tensor.sizes());
  return tensor;
}

at::Tensor resized(const at::Tensor& like, std::int64_t first) {
  std::vector<std::int64_t> sizes = like.sizes().vec();
  sizes.at(0) = first;
  return at::empty(sizes, like.options());
}

at::Tensor same(const Values& values) { return input(values); }

at::Tensor fresh(const Values& values) { return at::empty_like(input(values)); }

at::Tensor waited(const Values& values) { return values.at(0).toTensor(); }

// (input, size, group)
at::Tensor allGather(const Values& values) {
  return resized(input(values), input(values).size(0) * values.at(1).toInt());
}

// (input, size, group, *, whole)
at::Tensor allGatherInto(const Values& values) {
  const at::Tensor& part = input(values);
  const at::Tensor& whole = values.at(3).toTensor();
  const std::int64_t size = values.at(1).toInt();
  TORCH_CHECK(whole.is_contiguous() && whole.numel() == part.numel() * size && whole.dtype() == part.dtype(),
              "all_gather_into_tensor_out: ", size, " parts of ", part.sizes(), " into ", whole.sizes());
  const auto bytes = static_cast<std::size_t>(whole.numel()) * whole.element_size();
  TORCH_CHECK(whole.storage().nbytes() >= bytes, "all_gather_into_tensor_out: into memory that was released");
  return whole;
}

// (input, operation, size, group)
at::Tensor reduceScatter(const Values& values) {
  const at::Tensor& whole = input(values);
  const std::int64_t size = values.at(2).toInt();
  TORCH_CHECK(whole.size(0) % size == 0, "reduce_scatter_tensor: ", whole.sizes(), " among ", size);
  return resized(whole, whole.size(0) / size);
}

// (input, sizes that come, sizes that go, group)
at::Tensor allToAll(const Values& values) {
  const auto sum = [](const std::vector<std::int64_t>& parts) {
    return std::accumulate(parts.begin(), parts.end(), std::int64_t{0});
  };
  const std::int64_t sent = sum(values.at(2).toIntVector());
  TORCH_CHECK(sent == input(values).size(0), "all_to_all_single: ", sent, " sent of ", input(values).sizes());
  return resized(input(values), sum(values.at(1).toIntVector()));
}

TORCH_LIBRARY_IMPL(_c10d_functional, Meta, library) {
  library.impl("all_reduce", torch::CppFunction::makeFromBoxedFunction<boxed<fresh>>());
  library.impl("all_reduce_", torch::CppFunction::makeFromBoxedFunction<boxed<same>>());
  library.impl("broadcast_", torch::CppFunction::makeFromBoxedFunction<boxed<same>>());
  library.impl("all_gather_into_tensor", torch::CppFunction::makeFromBoxedFunction<boxed<allGather>>());
  library.impl("all_gather_into_tensor_out", torch::CppFunction::makeFromBoxedFunction<boxed<allGatherInto>>());
  library.impl("reduce_scatter_tensor", torch::CppFunction::makeFromBoxedFunction<boxed<reduceScatter>>());
  library.impl("all_to_all_single", torch::CppFunction::makeFromBoxedFunction<boxed<allToAll>>());
  library.impl("wait_tensor", torch::CppFunction::makeFromBoxedFunction<boxed<waited>>());
}

}  // namespace
}  // namespace xinghe
