// xinghe::paged_pre_norm_block: a whole block of Llama's layout while texts are generated,
//   h = hidden + o(attend(q(norm(hidden)), k(…), v(…))),  h + down(silu(gate(norm(h))) * up(norm(h))),
// in one call: a step of a small model is many calls of few microseconds, and between two of them the other threads
// fall asleep. Each part is the function that its own operator calls, so the bits are theirs.
//
// Shapes: T rows, D hidden.
#include "cpu/paged-pre-norm-block.h"

#include <ATen/core/LegacyTypeDispatch.h>
#include <c10/util/Exception.h>

namespace xinghe {
namespace {

constexpr std::size_t layerCount = 7;  // q, k, v, o, gate, up, down

void checkCounts(at::TensorList norms, std::size_t weights, const c10::List<OptionalTensor>& biases) {
  TORCH_CHECK_VALUE(norms.size() == 2 && weights == layerCount && biases.size() == layerCount,
                    "xinghe::paged_pre_norm_block: ", norms.size(), " norms, ", weights, " weights and ",
                    biases.size(), " biases; expected 2, 7 and 7: q, k, v, o, gate, up, down");
}

c10::List<OptionalTensor> sliced(const c10::List<OptionalTensor>& list, std::size_t first, std::size_t count) {
  c10::List<OptionalTensor> some;
  for (std::size_t i = first; i < first + count; i++) some.push_back(list.get(i));
  return some;
}

// project(x, first, count): the outputs of so many layers; attend(q, k, v).
template <typename Project, typename Attend>
at::Tensor block(const at::Tensor& hidden, at::TensorList norms, double eps, bool roundBeforeWeight,
                 const Project& project, const Attend& attend) {
  const auto qkv = project(rmsNorm(hidden, norms[0], eps, roundBeforeWeight), 0, 3);
  const at::Tensor h = hidden.add(project(attend(qkv[0], qkv[1], qkv[2]), 3, 1)[0]);
  const auto inner = project(rmsNorm(h, norms[1], eps, roundBeforeWeight), 4, 2);
  return h.add(project(gatedActivation(inner[0], inner[1], "silu"), 6, 1)[0]);
}

}  // namespace

at::Tensor pagedPreNormBlock(const at::Tensor& hidden, at::TensorList norms, at::TensorList weights,
                             const c10::List<OptionalTensor>& biases, double eps, bool roundBeforeWeight,
                             const at::Tensor& cos, const at::Tensor& sin, const at::Tensor& keyPages,
                             const at::Tensor& valuePages, const OptionalTensor& keyScales,
                             const OptionalTensor& valueScales, const at::Tensor& attended,
                             const at::Tensor& blockTables, const at::Tensor& sequences, std::int64_t window) {
  checkCounts(norms, weights.size(), biases);
  const at::AutoDispatchBelowADInplaceOrView below;
  const auto project = [&](const at::Tensor& x, std::size_t first, std::size_t count) -> std::vector<at::Tensor> {
    if (count == 1) return {linear(x, weights[first], biases.get(first))};
    return linears(x, weights.slice(first, count), sliced(biases, first, count));
  };
  const auto attend = [&](const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
    return pagedAttentionProjected(q, k, v, cos, sin, keyPages, valuePages, keyScales, valueScales, attended,
                                   blockTables, sequences, window);
  };
  return block(hidden, norms, eps, roundBeforeWeight, project, attend);
}

at::Tensor pagedPreNormIntegerBlock(const at::Tensor& hidden, at::TensorList norms, at::TensorList integers,
                                    const c10::List<OptionalTensor>& orders, const c10::List<OptionalTensor>& biases,
                                    at::IntArrayRef groupSizes, bool roundsInput, double eps, bool roundBeforeWeight,
                                    const at::Tensor& cos, const at::Tensor& sin, const at::Tensor& keyPages,
                                    const at::Tensor& valuePages, const OptionalTensor& keyScales,
                                    const OptionalTensor& valueScales, const at::Tensor& attended,
                                    const at::Tensor& blockTables, const at::Tensor& sequences, std::int64_t window) {
  checkCounts(norms, groupSizes.size(), biases);
  TORCH_CHECK_VALUE(integers.size() == 3 * layerCount && orders.size() == layerCount,
                    "xinghe::paged_pre_norm_integer_block: ", integers.size(), " tensors and ", orders.size(),
                    " orders; expected 21 and 7");
  const at::AutoDispatchBelowADInplaceOrView below;
  const auto project = [&](const at::Tensor& x, std::size_t first, std::size_t count) {
    return integerLinears(x, integers.slice(first * 3, count * 3), sliced(orders, first, count),
                          sliced(biases, first, count), groupSizes.slice(first, count), roundsInput);
  };
  const auto attend = [&](const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
    return pagedAttentionProjected(q, k, v, cos, sin, keyPages, valuePages, keyScales, valueScales, attended,
                                   blockTables, sequences, window);
  };
  return block(hidden, norms, eps, roundBeforeWeight, project, attend);
}

}  // namespace xinghe
