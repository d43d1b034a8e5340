// xinghe::rms_norm: x / sqrt(mean(x^2) + eps) * weight over the last dimension, forward and backward in one pass over
// each row. Other devices than the CPU, and second derivatives, take the same formula composed of libtorch's operators.
//
// Shapes: N rows, D features.
// compile flags (x64): -O3 -fopenmp-simd -fno-math-errno -fno-trapping-math
// compile flags (arm64): -O3 -fopenmp-simd -fno-math-errno -fno-trapping-math
#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>

#include "cpu/operators.h"
#include "cpu/parallel.h"
#include "cpu/vector-math.h"
#include "functions.h"
#include "graph.h"

namespace xinghe {
namespace {

// Rows below this number of elements are not worth a second thread.
constexpr std::int64_t grain = 16384;
// The weight's gradient is summed in so many parts at most, whatever the number of threads: results do not depend
// on it.
constexpr std::int64_t maxParts = 64;
constexpr std::int64_t rowsPerPart = 16;

c10::ScalarType wideType(const at::Tensor& x) { return x.scalar_type() == at::kDouble ? at::kDouble : at::kFloat; }

template <typename Element>
XINGHE_VECTORISED void normRows(const Element* x, const Wide<Element>* weight, Element* y, Wide<Element>* scales,
                                std::int64_t rows, std::int64_t features, Wide<Element> eps, bool roundBeforeWeight) {
  using W = Wide<Element>;
  for (std::int64_t row = 0; row < rows; row++, x += features, y += features) {
    W sum = 0;
#pragma omp simd reduction(+ : sum)
    for (std::int64_t i = 0; i < features; i++) sum += widen(x[i]) * widen(x[i]);
    const W scale = W(1) / std::sqrt(sum / static_cast<W>(features) + eps);
    scales[row] = scale;
    if (roundBeforeWeight) {
#pragma omp simd
      for (std::int64_t i = 0; i < features; i++)
        y[i] = narrow<Element>(rounded<Element>(widen(x[i]) * scale) * weight[i]);
    } else {
#pragma omp simd
      for (std::int64_t i = 0; i < features; i++) y[i] = narrow<Element>(widen(x[i]) * scale * weight[i]);
    }
  }
}

// With s the scale and h = s x: dx = s (w g - h mean(w g h)), dw = sum over rows of g h.
template <typename Element>
XINGHE_VECTORISED void normRowsBackward(const Element* grad, const Element* x, const Wide<Element>* weight,
                                        const Wide<Element>* scales, Element* dx, Wide<Element>* dw, std::int64_t rows,
                                        std::int64_t features) {
  using W = Wide<Element>;
  for (std::int64_t row = 0; row < rows; row++) {
    const Element* g = grad + row * features;
    const Element* xs = x + row * features;
    const W scale = scales[row];
    if (dw != nullptr) {
#pragma omp simd
      for (std::int64_t i = 0; i < features; i++) dw[i] += widen(g[i]) * widen(xs[i]) * scale;
    }
    if (dx == nullptr) continue;
    W dot = 0;
#pragma omp simd reduction(+ : dot)
    for (std::int64_t i = 0; i < features; i++) dot += widen(g[i]) * weight[i] * widen(xs[i]);
    const W back = dot * scale * scale / static_cast<W>(features);
    Element* out = dx + row * features;
#pragma omp simd
    for (std::int64_t i = 0; i < features; i++)
      out[i] = narrow<Element>(scale * (widen(g[i]) * weight[i] - widen(xs[i]) * back));
  }
}

// The weight as the kernels read it: rounded to x's dtype first where the published code does so.
at::Tensor wideWeight(const at::Tensor& x, const at::Tensor& weight, bool roundBeforeWeight) {
  return (roundBeforeWeight ? weight.to(x.scalar_type()) : weight).to(wideType(x)).contiguous();
}

// wideWeight of a weight in x's own dtype, which needs no rounding: one pass, where libtorch's conversions cost more than
// the norm of a row.
at::Tensor widenedWeight(const at::Tensor& x, const at::Tensor& weight, bool roundBeforeWeight) {
  if (weight.scalar_type() != x.scalar_type() || wideType(x) == x.scalar_type() || !weight.is_contiguous())
    return wideWeight(x, weight, roundBeforeWeight);
  const at::Tensor wide = emptyTensor({weight.size(0)}, weight.options().dtype(wideType(x)));
  withElementType(x.scalar_type(), [&](auto element) {
    using Element = decltype(element);
    const auto* from = weight.const_data_ptr<Element>();
    auto* to = wide.mutable_data_ptr<Wide<Element>>();
    for (std::int64_t i = 0; i < weight.size(0); i++) to[i] = widen(from[i]);
  });
  return wide;
}

bool fits(const at::Tensor& x, const at::Tensor& weight) {
  return x.device().is_cpu() && weight.device().is_cpu() && x.layout() == at::kStrided && x.dim() >= 1 &&
         x.numel() != 0 && weight.dim() == 1 && weight.size(0) == x.size(-1) &&
         (weight.scalar_type() != at::kDouble || x.scalar_type() == at::kDouble) &&
         withElementType(x.scalar_type(), [](auto) {}) && withElementType(weight.scalar_type(), [](auto) {});
}

struct Normed {
  at::Tensor y;
  at::Tensor scales;  // [N]
};

Normed normed(const at::Tensor& input, const at::Tensor& weight, double eps, bool roundBeforeWeight) {
  const at::Tensor x = input.contiguous();
  const std::int64_t features = x.size(-1);
  const std::int64_t rows = x.numel() / features;
  const at::Tensor wide = widenedWeight(x, weight, roundBeforeWeight);
  const Normed result{emptyLike(x), emptyTensor({rows}, x.options().dtype(wideType(x)))};
  withElementType(x.scalar_type(), [&](auto element) {
    using Element = decltype(element);
    using W = Wide<Element>;
    const auto* xs = x.const_data_ptr<Element>();
    const auto* weights = wide.const_data_ptr<W>();
    auto* ys = result.y.mutable_data_ptr<Element>();
    auto* scales = result.scales.mutable_data_ptr<W>();
    parallelRanges(rows, std::max<std::int64_t>(1, grain / features), [&](std::int64_t begin, std::int64_t end) {
      normRows<Element>(xs + begin * features, weights, ys + begin * features, scales + begin, end - begin, features,
                        static_cast<W>(eps), roundBeforeWeight);
    });
  });
  return result;
}

struct Gradients {
  at::Tensor dx, dw;
};

Gradients backward(const at::Tensor& gradOutput, const at::Tensor& input, const at::Tensor& weight,
                   const at::Tensor& scales, bool roundBeforeWeight, bool wantsX, bool wantsWeight) {
  const at::Tensor grad = gradOutput.contiguous();
  const at::Tensor x = input.contiguous();
  const std::int64_t features = x.size(-1);
  const std::int64_t rows = x.numel() / features;
  const at::Tensor wide = wideWeight(x, weight, roundBeforeWeight);
  const std::int64_t parts = std::clamp<std::int64_t>((rows + rowsPerPart - 1) / rowsPerPart, 1, maxParts);
  const std::int64_t rowsInPart = (rows + parts - 1) / parts;
  const at::Tensor dx = wantsX ? emptyLike(x) : at::Tensor();
  const at::Tensor sums = wantsWeight ? zeroTensor({parts, features}, wide.options()) : at::Tensor();
  withElementType(x.scalar_type(), [&](auto element) {
    using Element = decltype(element);
    using W = Wide<Element>;
    const auto* g = grad.const_data_ptr<Element>();
    const auto* xs = x.const_data_ptr<Element>();
    const auto* weights = wide.const_data_ptr<W>();
    const auto* scale = scales.const_data_ptr<W>();
    auto* out = wantsX ? dx.mutable_data_ptr<Element>() : nullptr;
    auto* sum = wantsWeight ? sums.mutable_data_ptr<W>() : nullptr;
    parallelRanges(parts, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t part = begin; part < end; part++) {
        const std::int64_t first = std::min(rows, part * rowsInPart);
        const std::int64_t count = std::min(rows, first + rowsInPart) - first;
        normRowsBackward<Element>(g + first * features, xs + first * features, weights, scale + first,
                                  out == nullptr ? nullptr : out + first * features,
                                  sum == nullptr ? nullptr : sum + part * features, count, features);
      }
    });
  });
  return {dx, wantsWeight ? sums.sum(0).to(weight.scalar_type()) : at::Tensor()};
}

}  // namespace

at::Tensor rmsNormComposed(const at::Tensor& x, const at::Tensor& weight, double eps, bool roundBeforeWeight) {
  const at::Tensor wide = x.to(wideType(x));
  const at::Tensor normed = wide.mul(wide.mul(wide).mean(-1, /*keepdim=*/true).add(eps).rsqrt());
  return roundBeforeWeight ? normed.to(x.scalar_type()).mul(weight.to(x.scalar_type()))
                           : normed.mul(weight).to(x.scalar_type());
}

at::Tensor rmsNorm(const at::Tensor& x, const at::Tensor& weight, double eps, bool roundBeforeWeight) {
  if (!fits(x, weight)) return rmsNormComposed(x, weight, eps, roundBeforeWeight);
  return normed(x, weight, eps, roundBeforeWeight).y;
}

at::Tensor rmsNormWithGraph(const at::Tensor& x, const at::Tensor& weight, double eps, bool roundBeforeWeight) {
  if (!fits(x, weight)) return rmsNormComposed(x, weight, eps, roundBeforeWeight);
  if (!at::GradMode::is_enabled() || !(x.requires_grad() || weight.requires_grad())) {
    const at::AutoDispatchBelowADInplaceOrView below;
    return normed(x, weight, eps, roundBeforeWeight).y;
  }
  const auto forward = [&]() -> Forward {
    const Normed result = normed(x, weight, eps, roundBeforeWeight);
    return {result.y, {x, weight, result.scales}};
  };
  return recorded({x, weight}, forward,
                  [eps, roundBeforeWeight](const at::Tensor& grad, const Tensors& saved, const std::vector<bool>& wanted) -> Tensors {
                    const at::Tensor &x = saved[0], &weight = saved[1], &scales = saved[2];
                    if (at::GradMode::is_enabled())
                      return differentiableGradients(rmsNormComposed(x, weight, eps, roundBeforeWeight), {x, weight},
                                                     grad);
                    const auto [dx, dw] = backward(grad, x, weight, scales, roundBeforeWeight, wanted[0], wanted[1]);
                    return {dx, dw};
                  });
}

}  // namespace xinghe
