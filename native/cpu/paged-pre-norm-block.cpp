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

at::Tensor pagedPreNormBlock(const at::Tensor& hidden, at::TensorList norms, at::TensorList weights,
                             const c10::List<OptionalTensor>& biases, double eps, bool roundBeforeWeight,
                             const at::Tensor& cos, const at::Tensor& sin, const at::Tensor& keyPages,
                             const at::Tensor& valuePages, const OptionalTensor& keyScales,
                             const OptionalTensor& valueScales, const at::Tensor& attended,
                             const at::Tensor& blockTables, const at::Tensor& sequences, std::int64_t window) {
  TORCH_CHECK_VALUE(norms.size() == 2 && weights.size() == 7 && biases.size() == 7,
                    "xinghe::paged_pre_norm_block: ", norms.size(), " norms, ", weights.size(), " weights and ",
                    biases.size(), " biases; expected 2, 7 and 7: q, k, v, o, gate, up, down");
  const at::AutoDispatchBelowADInplaceOrView below;
  const auto project = [&](const at::Tensor& x, std::size_t first, std::size_t count) {
    c10::List<OptionalTensor> some;
    for (std::size_t i = first; i < first + count; i++) some.push_back(biases.get(i));
    return linears(x, weights.slice(first, count), some);
  };
  const auto qkv = project(rmsNorm(hidden, norms[0], eps, roundBeforeWeight), 0, 3);
  const at::Tensor mixed = pagedAttentionProjected(qkv[0], qkv[1], qkv[2], cos, sin, keyPages, valuePages, keyScales,
                                                   valueScales, attended, blockTables, sequences, window);
  const at::Tensor h = hidden.add(linear(mixed, weights[3], biases.get(3)));
  const auto inner = project(rmsNorm(h, norms[1], eps, roundBeforeWeight), 4, 2);
  return h.add(linear(gatedActivation(inner[0], inner[1], "silu"), weights[6], biases.get(6)));
}

}  // namespace xinghe
