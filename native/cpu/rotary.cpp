// xinghe::rotary: rotates plane j of each head, the coordinates j and j + E/2, by the angle whose cosine and sine stand
// in the tables, forward and backward in one pass. The result lies in memory as the input does, so queries and keys
// that are views of a projection [B, T, H, E] are not copied. Other devices than the CPU take the same formula
// composed of libtorch's operators.
//
// Shapes: B batch, H heads, T tokens, E head_dim.
// compile flags (x64): -O3 -fopenmp-simd -fno-math-errno -fno-trapping-math
// compile flags (arm64): -O3 -fopenmp-simd -fno-math-errno -fno-trapping-math
#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/grad_mode.h>
#include <c10/util/Exception.h>

#include <algorithm>

#include "cpu/operators.h"
#include "cpu/parallel.h"
#include "cpu/vector-math.h"
#include "functions.h"
#include "graph.h"

namespace xinghe {
namespace {

constexpr std::int64_t grain = 16384;  // elements for which a second thread pays

// The rotation by the angle; its transpose, the inverse rotation, is the derivative.
template <bool back, typename Element>
XINGHE_VECTORISED void rotate(const Element* x, const Element* cos, const Element* sin, Element* y, std::int64_t half) {
#pragma omp simd
  for (std::int64_t j = 0; j < half; j++) {
    const auto first = widen(x[j]), second = widen(x[j + half]);
    const auto sinFirst = widen(sin[j]), sinSecond = widen(sin[j + half]);
    y[j] = narrow<Element>(first * widen(cos[j]) + (back ? second * sinSecond : -second * sinFirst));
    y[j + half] = narrow<Element>(second * widen(cos[j + half]) + (back ? -first * sinFirst : first * sinSecond));
  }
}

bool isTable(const at::Tensor& table, const at::Tensor& x) {
  return table.device().is_cpu() && table.scalar_type() == x.scalar_type() && table.dim() == 2 &&
         table.size(0) == x.size(2) && table.size(1) == x.size(3) && table.is_contiguous() && !table.requires_grad();
}

bool fits(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin) {
  return x.device().is_cpu() && x.layout() == at::kStrided && x.dim() == 4 && x.numel() != 0 && x.size(3) % 2 == 0 &&
         isTable(cos, x) && isTable(sin, x) && withElementType(x.scalar_type(), [](auto) {});
}

at::Tensor rotated(const at::Tensor& input, const at::Tensor& cos, const at::Tensor& sin, bool back) {
  const at::Tensor x = input.stride(3) == 1 ? input : input.contiguous();
  const std::int64_t batch = x.size(0), heads = x.size(1), tokens = x.size(2), headDim = x.size(3);
  const bool tokensOutside = x.stride(2) > x.stride(1) || heads == 1;
  const at::Tensor y = tokensOutside ? emptyTensor({batch, tokens, heads, headDim}, x.options()).transpose(1, 2)
                                     : emptyTensor({batch, heads, tokens, headDim}, x.options());
  withElementType(x.scalar_type(), [&](auto element) {
    using Element = decltype(element);
    const auto* xs = x.const_data_ptr<Element>();
    const auto* c = cos.const_data_ptr<Element>();
    const auto* s = sin.const_data_ptr<Element>();
    auto* out = y.mutable_data_ptr<Element>();
    const auto step = back ? rotate<true, Element> : rotate<false, Element>;
    const std::int64_t perToken = std::max<std::int64_t>(1, heads * headDim);
    parallelRanges(batch * tokens, std::max<std::int64_t>(1, grain / perToken),
                     [&](std::int64_t begin, std::int64_t end) {
                       for (std::int64_t row = begin; row < end; row++) {
                         const std::int64_t b = row / tokens, t = row % tokens;
                         for (std::int64_t h = 0; h < heads; h++)
                           step(xs + b * x.stride(0) + h * x.stride(1) + t * x.stride(2), c + t * headDim,
                                s + t * headDim, out + b * y.stride(0) + h * y.stride(1) + t * y.stride(2),
                                headDim / 2);
                       }
                     });
  });
  return y;
}

// The derivative of a rotation is the inverse rotation, and does not depend on x: derivatives of any order are this function.
at::Tensor rotatedWithGraph(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin, bool back) {
  const auto forward = [&]() -> Forward { return {rotated(x, cos, sin, back), {cos, sin}}; };
  return recorded({x}, forward,
                  [back](const at::Tensor& grad, const Tensors& saved, const std::vector<bool>&) -> Tensors {
                    return {rotatedWithGraph(grad, saved[0], saved[1], !back)};
                  });
}

}  // namespace

at::Tensor rotaryComposed(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin) {
  TORCH_CHECK_VALUE(x.dim() >= 1 && x.size(-1) % 2 == 0, "xinghe::rotary: odd head_dim in shape ", x.sizes());
  const auto halves = x.chunk(2, -1);
  return x.mul(cos).add(concatenated({halves[1].neg(), halves[0]}, -1).mul(sin));
}

at::Tensor rotary(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin) {
  return fits(x, cos, sin) ? rotated(x, cos, sin, false) : rotaryComposed(x, cos, sin);
}

at::Tensor rotaryWithGraph(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin) {
  if (!fits(x, cos, sin)) return rotaryComposed(x, cos, sin);
  if (at::GradMode::is_enabled() && x.requires_grad()) return rotatedWithGraph(x, cos, sin, false);
  const at::AutoDispatchBelowADInplaceOrView below;
  return rotated(x, cos, sin, false);
}

}  // namespace xinghe
