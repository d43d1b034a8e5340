// xinghe::paged_attention_projected: what lies between the projections of an attention layer while texts are generated,
// in one call: heads split, queries and keys rotated, keys and values stored, attention over the pages, heads joined.
// Each part is the function that its own operator calls, so the bits are theirs.
//
// Shapes: T rows, H heads of queries, K heads of keys and values, E head_dim.
#include <ATen/core/LegacyTypeDispatch.h>
#include <c10/util/Exception.h>

#include "cpu/operators.h"

namespace xinghe {
namespace {

// [1, T, heads * E] as [1, heads, T, E]: a view.
at::Tensor splitHeads(const char* name, const at::Tensor& projected, std::int64_t headDim) {
  TORCH_CHECK_VALUE(projected.dim() == 3 && headDim > 0 && projected.size(2) % headDim == 0,
                    "xinghe::paged_attention_projected: ", name, " has shape ", projected.sizes(),
                    "; expected [1, rows, heads * ", headDim, "]");
  return projected.view({projected.size(0), projected.size(1), -1, headDim}).transpose(1, 2);
}

}  // namespace

at::Tensor pagedAttentionProjected(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                   const at::Tensor& cos, const at::Tensor& sin, const at::Tensor& keyPages,
                                   const at::Tensor& valuePages, const OptionalTensor& keyScales,
                                   const OptionalTensor& valueScales, const at::Tensor& attended,
                                   const at::Tensor& blockTables, const at::Tensor& sequences, std::int64_t window) {
  const at::AutoDispatchBelowADInplaceOrView below;
  TORCH_CHECK_VALUE(cos.dim() >= 1, "xinghe::paged_attention_projected: cos has no dimension");
  const std::int64_t headDim = cos.size(-1);
  const bool onCpu = q.device().is_cpu();
  const auto turn = onCpu ? rotary : rotaryComposed;
  const auto attend = onCpu ? pagedAttention : pagedAttentionComposed;
  const at::Tensor mixed = attend(turn(splitHeads("q", q, headDim), cos, sin),
                                  turn(splitHeads("k", k, headDim), cos, sin), splitHeads("v", v, headDim), keyPages,
                                  valuePages, keyScales, valueScales, attended, blockTables, sequences, window,
                                  std::nullopt, std::nullopt);  // [1, H, T, E]
  return mixed.transpose(1, 2).reshape({1, q.size(1), -1});
}

}  // namespace xinghe
