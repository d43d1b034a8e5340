// xinghe::weighted_cross_entropy: the sum over rows of weight * -log softmax(logits)[target]. The forward pass keeps one
// number for each row, the backward pass writes the gradient in one pass; neither makes a tensor of log-probabilities.
// Rows of weight 0 are not read. Of classes that are split over several processes, log_sums and weighted_target_sum are what each
// of them computes of its own: the former is combined, and given to the latter. Other devices than the CPU, and second derivatives, take the same formula composed of
// libtorch's operators.
//
// Shapes: N rows, V classes.
// compile flags (x64): -O3 -fopenmp-simd -fno-math-errno -fno-trapping-math
// compile flags (arm64): -O3 -fopenmp-simd -fno-math-errno -fno-trapping-math
#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/grad_mode.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <limits>

#include "cpu/operators.h"
#include "cpu/parallel.h"
#include "cpu/vector-math.h"
#include "functions.h"
#include "graph.h"

namespace xinghe {
namespace {

c10::ScalarType wideType(const at::Tensor& logits) {
  return logits.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
}

// log(sum(exp(x))).
template <typename Element>
XINGHE_VECTORISED Wide<Element> logSumExp(const Element* x, std::int64_t classes) {
  using W = Wide<Element>;
  W largest = -std::numeric_limits<W>::infinity();
#pragma omp simd reduction(max : largest)
  for (std::int64_t i = 0; i < classes; i++) largest = std::max(largest, widen(x[i]));
  W sum = 0;
#pragma omp simd reduction(+ : sum)
  for (std::int64_t i = 0; i < classes; i++) sum += exponential(widen(x[i]) - largest);
  return largest + std::log(sum);
}

// d x = scale * softmax(x), without the target's own term.
template <typename Element>
XINGHE_VECTORISED void scaledSoftmax(const Element* x, Wide<Element> logSum, Wide<Element> scale, Element* dx,
                                     std::int64_t classes) {
#pragma omp simd
  for (std::int64_t i = 0; i < classes; i++) dx[i] = narrow<Element>(scale * exponential(widen(x[i]) - logSum));
}

bool fits(const at::Tensor& logits, const at::Tensor& targets, const at::Tensor& weights) {
  return logits.device().is_cpu() && targets.device().is_cpu() && weights.device().is_cpu() && logits.dim() == 2 &&
         targets.dim() == 1 && weights.dim() == 1 && logits.layout() == at::kStrided && logits.numel() != 0 &&
         targets.scalar_type() == at::kLong && targets.size(0) == logits.size(0) &&
         weights.size(0) == logits.size(0) && weights.scalar_type() == wideType(logits) && !weights.requires_grad() &&
         withElementType(logits.scalar_type(), [](auto) {});
}

// A row of weight 0 is not learned, whatever its target: -100 is what others write there.
void checkTargets(const at::Tensor& targets, const at::Tensor& weights, std::int64_t classes) {
  const at::Tensor isLearned = weights.ne(0).contiguous();
  const auto* target = targets.const_data_ptr<std::int64_t>();
  const auto* learned = isLearned.const_data_ptr<bool>();
  for (std::int64_t row = 0; row < targets.size(0); row++)
    TORCH_CHECK_INDEX(!learned[row] || (target[row] >= 0 && target[row] < classes), "xinghe::weighted_cross_entropy: target ",
                      target[row], " of row ", row, " is out of range; there are ", classes, " classes");
}

struct Loss {
  at::Tensor sum;      // []
  at::Tensor logSums;  // [N]
};

// [N], 0 where a row is not read. Both contiguous.
at::Tensor logSumsOf(const at::Tensor& logits, const at::Tensor& weights) {
  const std::int64_t rows = logits.size(0), classes = logits.size(1);
  const at::Tensor result = emptyTensor({rows}, weights.options());
  withElementType(logits.scalar_type(), [&](auto element) {
    using Element = decltype(element);
    using W = Wide<Element>;
    const auto* x = logits.const_data_ptr<Element>();
    const auto* weight = weights.const_data_ptr<W>();
    auto* logSum = result.mutable_data_ptr<W>();
    parallelRanges(rows, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; row++)
        logSum[row] = weight[row] == W(0) ? W(0) : logSumExp<Element>(x + row * classes, classes);
    });
  });
  return result;
}

Loss lossOf(const at::Tensor& input, const at::Tensor& targetInput, const at::Tensor& weightInput) {
  const at::Tensor logits = input.contiguous(), targets = targetInput.contiguous(), weights = weightInput.contiguous();
  const std::int64_t rows = logits.size(0), classes = logits.size(1);
  checkTargets(targets, weights, classes);
  const Loss result{emptyTensor({}, weights.options()), logSumsOf(logits, weights)};
  withElementType(logits.scalar_type(), [&](auto element) {
    using Element = decltype(element);
    using W = Wide<Element>;
    const auto* x = logits.const_data_ptr<Element>();
    const auto* target = targets.const_data_ptr<std::int64_t>();
    const auto* weight = weights.const_data_ptr<W>();
    const auto* logSum = result.logSums.const_data_ptr<W>();
    double sum = 0;
    for (std::int64_t row = 0; row < rows; row++)
      if (weight[row] != W(0))
        sum += static_cast<double>(weight[row]) *
               static_cast<double>(logSum[row] - widen(x[row * classes + target[row]]));
    *result.sum.mutable_data_ptr<W>() = static_cast<W>(sum);
  });
  return result;
}

at::Tensor backward(const at::Tensor& gradOutput, const at::Tensor& input, const at::Tensor& targetInput,
                    const at::Tensor& weightInput, const at::Tensor& logSums) {
  const at::Tensor logits = input.contiguous(), targets = targetInput.contiguous(), weights = weightInput.contiguous();
  const std::int64_t rows = logits.size(0), classes = logits.size(1);
  const at::Tensor gradient = emptyLike(logits);
  withElementType(logits.scalar_type(), [&](auto element) {
    using Element = decltype(element);
    using W = Wide<Element>;
    const auto* x = logits.const_data_ptr<Element>();
    const auto* target = targets.const_data_ptr<std::int64_t>();
    const auto* weight = weights.const_data_ptr<W>();
    const auto* logSum = logSums.const_data_ptr<W>();
    const W factor = *gradOutput.const_data_ptr<W>();
    auto* dx = gradient.mutable_data_ptr<Element>();
    parallelRanges(rows, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; row++) {
        Element* out = dx + row * classes;
        if (weight[row] == W(0)) {
          std::fill(out, out + classes, Element(0));
          continue;
        }
        const W scale = factor * weight[row];
        scaledSoftmax<Element>(x + row * classes, logSum[row], scale, out, classes);
        if (target[row] < 0 || target[row] >= classes) continue;  // another process has it
        const W p = exponential(widen(x[row * classes + target[row]]) - logSum[row]);
        out[target[row]] = narrow<Element>(scale * (p - W(1)));
      }
    });
  });
  return gradient;
}

void checkPart(const at::Tensor& logits, const at::Tensor& targets, const at::Tensor& weights) {
  TORCH_CHECK(fits(logits, targets, weights), "xinghe: logits [N, V] of a part of the classes, targets [N] of int64 and weights [N] of ",
              wideType(logits), " on the CPU are needed");
}

}  // namespace

at::Tensor logSums(const at::Tensor& logits, const at::Tensor& weights) {
  return logSumsOf(logits.contiguous(), weights.contiguous());
}

at::Tensor weightedTargetSum(const at::Tensor& input, const at::Tensor& targetInput, const at::Tensor& weightInput,
                             const at::Tensor&) {
  checkPart(input, targetInput, weightInput);
  const at::Tensor logits = input.contiguous(), targets = targetInput.contiguous(), weights = weightInput.contiguous();
  const std::int64_t rows = logits.size(0), classes = logits.size(1);
  const at::Tensor result = emptyTensor({}, weights.options());
  withElementType(logits.scalar_type(), [&](auto element) {
    using Element = decltype(element);
    using W = Wide<Element>;
    const auto* x = logits.const_data_ptr<Element>();
    const auto* target = targets.const_data_ptr<std::int64_t>();
    const auto* weight = weights.const_data_ptr<W>();
    double sum = 0;
    for (std::int64_t row = 0; row < rows; row++)
      if (weight[row] != W(0) && target[row] >= 0 && target[row] < classes)
        sum -= static_cast<double>(weight[row]) * static_cast<double>(widen(x[row * classes + target[row]]));
    *result.mutable_data_ptr<W>() = static_cast<W>(sum);
  });
  return result;
}

at::Tensor weightedTargetSumWithGraph(const at::Tensor& logits, const at::Tensor& targets, const at::Tensor& weights,
                                      const at::Tensor& logSums) {
  const auto forward = [&]() -> Forward {
    return {weightedTargetSum(logits, targets, weights, logSums), {logits, targets, weights, logSums}};
  };
  return recorded({logits}, forward, [](const at::Tensor& grad, const Tensors& saved, const std::vector<bool>&) -> Tensors {
    return {backward(grad, saved[0], saved[1], saved[2], saved[3])};
  });
}

at::Tensor logSumsComposed(const at::Tensor& logits, const at::Tensor& weights) {
  return logits.to(wideType(logits)).logsumexp(-1).masked_fill(weights.eq(0), 0);
}

at::Tensor weightedTargetSumComposed(const at::Tensor& logits, const at::Tensor& targets, const at::Tensor& weights,
                                     const at::Tensor& logSums) {
  const at::Tensor skipped = weights.eq(0);
  const at::Tensor read = logits.to(wideType(logits)).masked_fill(skipped.unsqueeze(-1), 0);  // [N, V]
  const at::Tensor isElsewhere = skipped.logical_or(targets.lt(0)).logical_or(targets.ge(logits.size(1)));
  const at::Tensor chosen = read.gather(1, targets.masked_fill(isElsewhere, 0).unsqueeze(-1)).squeeze(-1);
  // Of value 0: it adds what log_sums of all classes have for a gradient.
  const at::Tensor sums = read.sub(logSums.masked_fill(skipped, 0).unsqueeze(-1)).exp().sum(-1).mul(weights).sum();
  return sums.sub(sums.detach()).sub(chosen.masked_fill(isElsewhere, 0).mul(weights).sum());
}

at::Tensor crossEntropyComposed(const at::Tensor& logits, const at::Tensor& targets, const at::Tensor& weights) {
  const at::Tensor wide = logits.to(wideType(logits));
  if (weights.requires_grad()) return crossEntropies(wide, targets).mul(weights).sum();
  // As in the fused kernel a row of weight 0 is not read: neither its target nor logits that are not finite.
  const at::Tensor skipped = weights.eq(0);
  const at::Tensor read = wide.masked_fill(skipped.unsqueeze(-1), 0);
  return crossEntropies(read, targets.masked_fill(skipped, 0)).mul(weights).sum();
}

at::Tensor crossEntropy(const at::Tensor& logits, const at::Tensor& targets, const at::Tensor& weights) {
  return fits(logits, targets, weights) ? lossOf(logits, targets, weights).sum
                                        : crossEntropyComposed(logits, targets, weights);
}

at::Tensor crossEntropyWithGraph(const at::Tensor& logits, const at::Tensor& targets, const at::Tensor& weights) {
  if (!fits(logits, targets, weights)) return crossEntropyComposed(logits, targets, weights);
  if (!at::GradMode::is_enabled() || !logits.requires_grad()) {
    const at::AutoDispatchBelowADInplaceOrView below;
    return lossOf(logits, targets, weights).sum;
  }
  const auto forward = [&]() -> Forward {
    const Loss loss = lossOf(logits, targets, weights);
    return {loss.sum, {logits, targets, weights, loss.logSums}};
  };
  return recorded({logits}, forward,
                  [](const at::Tensor& grad, const Tensors& saved, const std::vector<bool>&) -> Tensors {
                    if (at::GradMode::is_enabled())
                      return differentiableGradients(crossEntropyComposed(saved[0], saved[1], saved[2]), {saved[0]},
                                                     grad);
                    return {backward(grad, saved[0], saved[1], saved[2], saved[3])};
                  });
}

}  // namespace xinghe
