// Names our operators to libtorch's dispatcher: in one file, as <torch/library.h> takes a compiler seconds.
#include "cpu/operators.h"

#include <torch/library.h>

#include "cpu/paged-pre-norm-block.h"
#include "collective-functions.h"

namespace xinghe {

#define XINGHE_PAGED_SCHEMA                                                                                      \
  "(Tensor q, Tensor k, Tensor v, Tensor(a!) key_pages, Tensor(b!) value_pages, Tensor(c!)? key_scales, "       \
  "Tensor(d!)? value_scales, Tensor attended, Tensor block_tables, Tensor sequences, int window, Tensor? key_cos, " \
  "Tensor? key_sin) -> Tensor"

TORCH_LIBRARY(xinghe, library) {
  library.def("linear(Tensor input, Tensor weight, Tensor? bias=None) -> Tensor");
  library.def("grouped_linear(Tensor input, Tensor weight, Tensor counts) -> Tensor");
  library.def("integer_linear(Tensor input, Tensor weight, Tensor scales, Tensor zeros, Tensor? order, Tensor? bias, "
              "int group_size, bool rounds_input=False) -> Tensor");
  library.def("integer_weight(Tensor weight, Tensor scales, Tensor zeros, Tensor? order, int inputs, int group_size) -> Tensor");
  library.def("integer_linears(Tensor input, Tensor[] integers, Tensor?[] orders, Tensor?[] biases, int[] group_sizes, "
              "bool rounds_input=False) -> Tensor[]");
  library.def("linears(Tensor input, Tensor[] weights, Tensor?[] biases) -> Tensor[]");
  library.def("rms_norm(Tensor input, Tensor weight, float eps, bool round_before_weight) -> Tensor", rmsNormComposed);
  library.def("rotary(Tensor input, Tensor cos, Tensor sin) -> Tensor", rotaryComposed);
  library.def("gated_activation(Tensor gate, Tensor up, str activation) -> Tensor", gatedActivationComposed);
  library.def("weighted_cross_entropy(Tensor logits, Tensor targets, Tensor weights) -> Tensor", crossEntropyComposed);
  library.def("causal_attention(Tensor query, Tensor key, Tensor value, Tensor? starts, int window) -> Tensor",
              causalAttentionComposed);
  library.def("all_reduce_forward(Tensor input, str group_name) -> Tensor");
  library.def("all_reduce_backward(Tensor input, str group_name) -> Tensor");
  library.def("all_gather(Tensor input, int group_size, str group_name) -> Tensor");
  library.def("reduce_scatter(Tensor input, int group_size, str group_name) -> Tensor");
  library.def("all_to_all(Tensor input, int group_size, str group_name) -> Tensor");
  library.def("log_sums(Tensor logits, Tensor weights) -> Tensor", logSumsComposed);
  library.def("weighted_target_sum(Tensor logits, Tensor targets, Tensor weights, Tensor log_sums) -> Tensor",
              weightedTargetSumComposed);
  library.def("paged_attention" XINGHE_PAGED_SCHEMA);
  library.def("paged_attention_composed" XINGHE_PAGED_SCHEMA);
  library.def(
      "paged_attention_projected(Tensor q, Tensor k, Tensor v, Tensor cos, Tensor sin, Tensor(a!) key_pages, "
      "Tensor(b!) value_pages, Tensor(c!)? key_scales, Tensor(d!)? value_scales, Tensor attended, Tensor block_tables, "
      "Tensor sequences, int window) -> Tensor");
#define XINGHE_BLOCK_END                                                                                      \
  "float eps, bool round_before_weight, Tensor cos, Tensor sin, Tensor(a!) key_pages, Tensor(b!) value_pages, " \
  "Tensor(c!)? key_scales, Tensor(d!)? value_scales, Tensor attended, Tensor block_tables, Tensor sequences, "  \
  "int window) -> Tensor"
  library.def("paged_pre_norm_block(Tensor hidden, Tensor[] norms, Tensor[] weights, Tensor?[] biases, " XINGHE_BLOCK_END);
  library.def("paged_pre_norm_integer_block(Tensor hidden, Tensor[] norms, Tensor[] integers, Tensor?[] orders, "
              "Tensor?[] biases, int[] group_sizes, bool rounds_input, " XINGHE_BLOCK_END);
}

TORCH_LIBRARY_IMPL(xinghe, CompositeExplicitAutograd, library) {
  library.impl("linear", linear);
  library.impl("grouped_linear", groupedLinear);
  library.impl("integer_linear", integerLinear);
  library.impl("integer_weight", integerWeight);
  library.impl("integer_linears", integerLinears);
  library.impl("linears", linears);
  library.impl("all_reduce_forward", allReduceForward);
  library.impl("all_reduce_backward", allReduceBackward);
  library.impl("all_gather", allGather);
  library.impl("reduce_scatter", reduceScatter);
  library.impl("all_to_all", allToAll);
  library.impl("paged_attention", pagedAttentionComposed);
  library.impl("paged_attention_composed", pagedAttentionComposed);
  library.impl("paged_attention_projected", pagedAttentionProjected);
  library.impl("paged_pre_norm_block", pagedPreNormBlock);
  library.impl("paged_pre_norm_integer_block", pagedPreNormIntegerBlock);
}

TORCH_LIBRARY_IMPL(xinghe, CPU, library) {
  library.impl("rms_norm", rmsNorm);
  library.impl("rotary", rotary);
  library.impl("gated_activation", gatedActivation);
  library.impl("weighted_cross_entropy", crossEntropy);
  library.impl("causal_attention", causalAttention);
  library.impl("log_sums", logSums);
  library.impl("weighted_target_sum", weightedTargetSum);
  library.impl("paged_attention", pagedAttention);
}

TORCH_LIBRARY_IMPL(xinghe, Autograd, library) {
  library.impl("linear", linearWithGraph);
  library.impl("grouped_linear", groupedLinearWithGraph);
  library.impl("integer_linear", integerLinearWithGraph);
  library.impl("linears", linearsWithGraph);
  library.impl("all_reduce_forward", allReduceForwardWithGraph);
  library.impl("all_reduce_backward", allReduceBackwardWithGraph);
  library.impl("all_gather", allGatherWithGraph);
  library.impl("reduce_scatter", reduceScatterWithGraph);
  library.impl("all_to_all", allToAllWithGraph);
}

TORCH_LIBRARY_IMPL(xinghe, AutogradCPU, library) {
  library.impl("rms_norm", rmsNormWithGraph);
  library.impl("rotary", rotaryWithGraph);
  library.impl("gated_activation", gatedActivationWithGraph);
  library.impl("weighted_cross_entropy", crossEntropyWithGraph);
  library.impl("causal_attention", causalAttentionWithGraph);
  library.impl("weighted_target_sum", weightedTargetSumWithGraph);
}

}  // namespace xinghe
