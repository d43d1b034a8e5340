// Our operators, as operators.cpp names them to libtorch. Each is what its file says; …Composed is the same formula
// composed of libtorch's operators, for other devices, and …WithGraph records gradients where they are on.
#pragma once

#include <ATen/core/List.h>
#include <ATen/core/Tensor.h>

#include <optional>
#include <string_view>
#include <vector>

namespace xinghe {

using OptionalTensor = std::optional<at::Tensor>;

at::Tensor linear(const at::Tensor& x, const at::Tensor& w, const OptionalTensor& bias);
at::Tensor linearWithGraph(const at::Tensor& x, const at::Tensor& w, const OptionalTensor& bias);

at::Tensor groupedLinear(const at::Tensor& x, const at::Tensor& w, const at::Tensor& counts);
at::Tensor groupedLinearWithGraph(const at::Tensor& x, const at::Tensor& w, const at::Tensor& counts);
// Weights in integers: uint8 [M, K / 2], or uint8 or int8 [M, K], scales and zeros [M, G], and the order in which inputs [I] are kept.
// roundsInput: x is rounded to 8 bits in groups (rounded-linear.cpp), where there is a kernel for it and no graph is recorded.
at::Tensor integerLinear(const at::Tensor& x, const at::Tensor& packed, const at::Tensor& scales,
                         const at::Tensor& zeros, const OptionalTensor& order, const OptionalTensor& bias,
                         std::int64_t groupSize, bool roundsInput);
at::Tensor integerLinearWithGraph(const at::Tensor& x, const at::Tensor& packed, const at::Tensor& scales,
                                  const at::Tensor& zeros, const OptionalTensor& order, const OptionalTensor& bias,
                                  std::int64_t groupSize, bool roundsInput);
// One x times several of them, without gradients; integers: weight, scales and zeros of each, one after the other.
std::vector<at::Tensor> integerLinears(const at::Tensor& x, at::TensorList integers, const c10::List<OptionalTensor>& orders,
                                       const c10::List<OptionalTensor>& biases, at::IntArrayRef groupSizes,
                                       bool roundsInput);
// [M, I] in float32.
at::Tensor integerWeight(const at::Tensor& packed, const at::Tensor& scales, const at::Tensor& zeros,
                         const OptionalTensor& order, std::int64_t inputs, std::int64_t groupSize);
// One x times several weights; biases: one for each.
std::vector<at::Tensor> linears(const at::Tensor& x, at::TensorList weights, const c10::List<OptionalTensor>& biases);
std::vector<at::Tensor> linearsWithGraph(const at::Tensor& x, at::TensorList weights,
                                         const c10::List<OptionalTensor>& biases);

at::Tensor rmsNorm(const at::Tensor& x, const at::Tensor& weight, double eps, bool roundBeforeWeight);
at::Tensor rmsNormComposed(const at::Tensor& x, const at::Tensor& weight, double eps, bool roundBeforeWeight);
at::Tensor rmsNormWithGraph(const at::Tensor& x, const at::Tensor& weight, double eps, bool roundBeforeWeight);

at::Tensor rotary(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin);
at::Tensor rotaryComposed(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin);
at::Tensor rotaryWithGraph(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin);

at::Tensor gatedActivation(const at::Tensor& gate, const at::Tensor& up, std::string_view activation);
at::Tensor gatedActivationComposed(const at::Tensor& gate, const at::Tensor& up, std::string_view activation);
at::Tensor gatedActivationWithGraph(const at::Tensor& gate, const at::Tensor& up, std::string_view activation);

// Over whole rows; starts [B, T]: where each token's document begins, none: at 0; window: keys that a query sees, 0: all.
at::Tensor causalAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const OptionalTensor& starts,
                           std::int64_t window);
at::Tensor causalAttentionComposed(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const OptionalTensor& starts,
                                   std::int64_t window);
at::Tensor causalAttentionWithGraph(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const OptionalTensor& starts,
                                    std::int64_t window);

// Of a part of the classes: log(sum(exp(logits))) by row [N], 0 where the weight is; outside of any graph.
at::Tensor logSums(const at::Tensor& logits, const at::Tensor& weights);
at::Tensor logSumsComposed(const at::Tensor& logits, const at::Tensor& weights);
// -sum(weight * logits[target]) over targets that are of the part. With log_sums over all classes its gradient is that of the whole
// loss, sum(weight * (log_sums - logits[target])).
at::Tensor weightedTargetSum(const at::Tensor& logits, const at::Tensor& targets, const at::Tensor& weights,
                             const at::Tensor& logSums);
at::Tensor weightedTargetSumComposed(const at::Tensor& logits, const at::Tensor& targets, const at::Tensor& weights,
                                     const at::Tensor& logSums);
at::Tensor weightedTargetSumWithGraph(const at::Tensor& logits, const at::Tensor& targets, const at::Tensor& weights,
                                      const at::Tensor& logSums);
at::Tensor crossEntropy(const at::Tensor& logits, const at::Tensor& targets, const at::Tensor& weights);
at::Tensor crossEntropyComposed(const at::Tensor& logits, const at::Tensor& targets, const at::Tensor& weights);
at::Tensor crossEntropyWithGraph(const at::Tensor& logits, const at::Tensor& targets, const at::Tensor& weights);

at::Tensor pagedAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const at::Tensor& keyPages,
                          const at::Tensor& valuePages, const OptionalTensor& keyScales,
                          const OptionalTensor& valueScales, const at::Tensor& attended, const at::Tensor& blockTables,
                          const at::Tensor& sequences, std::int64_t window, const OptionalTensor& keyCos,
                          const OptionalTensor& keySin);
// pagedAttention between the projections: q [1, T, H * E], k and v [1, T, K * E], as they come from their layers, are
// rotated by cos and sin [T, E] and split into heads. Returns [1, T, H * E].
at::Tensor pagedAttentionProjected(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                   const at::Tensor& cos, const at::Tensor& sin, const at::Tensor& keyPages,
                                   const at::Tensor& valuePages, const OptionalTensor& keyScales,
                                   const OptionalTensor& valueScales, const at::Tensor& attended,
                                   const at::Tensor& blockTables, const at::Tensor& sequences, std::int64_t window);
at::Tensor pagedAttentionComposed(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                  const at::Tensor& keyPages, const at::Tensor& valuePages,
                                  const OptionalTensor& keyScales, const OptionalTensor& valueScales,
                                  const at::Tensor& attended, const at::Tensor& blockTables, const at::Tensor& sequences,
                                  std::int64_t window, const OptionalTensor& keyCos, const OptionalTensor& keySin);

}  // namespace xinghe
