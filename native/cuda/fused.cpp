// Norm, rotation, gate and products of integers on a CUDA device (operators.h).
//
// Shapes: N rows, D or F features, B batch, H heads, T tokens, E head_dim, M outputs, K inputs in whole blocks of 32, G groups.
#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <string>

#include "cuda/driver.h"
#include "cuda/operators.h"
#include "cuda/signatures.h"
#include "functions.h"
#include "graph.h"

namespace xinghe::cuda {
namespace {

constexpr unsigned rowThreads = 256;
constexpr std::int64_t sharedLimit = 48 << 10;  // bytes that every device gives a block
constexpr std::int64_t normParts = 256;         // about two blocks for each multiprocessor
// Beyond so many rows cuBLAS, with the weight in floats, is faster: it reads the weight once for all of them.
constexpr std::int64_t productRows = 8;

std::string named(const char* kernel, const at::Tensor& x) { return std::string(kernel) + elementName(x.scalar_type()); }

unsigned toGrid(std::int64_t count) { return static_cast<unsigned>(count); }

at::Tensor adjacent(const at::Tensor& x) { return x.stride(-1) == 1 ? x : x.contiguous(); }

bool fitsNorm(const at::Tensor& x, const at::Tensor& weight) {
  return isTaken(x) && isTaken(weight) && x.device() == weight.device() && x.dim() >= 1 && weight.dim() == 1 &&
         weight.size(0) == x.size(-1) && x.size(-1) * 4 <= sharedLimit - 4096 && x.numel() / x.size(-1) < INT32_MAX;
}

// As the kernels read it.
at::Tensor wideWeight(const at::Tensor& x, const at::Tensor& weight, bool roundBeforeWeight) {
  return (roundBeforeWeight ? weight.to(x.scalar_type()) : weight).to(at::kFloat).contiguous();
}

struct Normed {
  at::Tensor y, scales;  // x's shape, [N]
};

Normed normed(const at::Tensor& input, const at::Tensor& weight, double eps, bool roundBeforeWeight) {
  const at::Tensor x = input.contiguous();
  const std::int64_t features = x.size(-1), rows = x.numel() / features;
  const at::Tensor wide = wideWeight(x, weight, roundBeforeWeight);
  const Normed result{emptyLike(x), emptyTensor({rows}, x.options().dtype(at::kFloat))};
  Launch<NormRow>::of(named("norm_row_", x), x.device(), {.x = toGrid(rows), .threads = rowThreads},
                      x.const_data_ptr(), wide.const_data_ptr<float>(), result.y.mutable_data_ptr(),
                      result.scales.mutable_data_ptr<float>(), static_cast<int>(features), static_cast<float>(eps),
                      roundBeforeWeight);
  return result;
}

Tensors normBackward(const at::Tensor& gradOutput, const at::Tensor& input, const at::Tensor& weight,
                     const at::Tensor& scales, bool roundBeforeWeight) {
  const at::Tensor grad = gradOutput.contiguous(), x = input.contiguous();
  const std::int64_t features = x.size(-1), rows = x.numel() / features, parts = std::min(rows, normParts);
  const at::Tensor wide = wideWeight(x, weight, roundBeforeWeight), dx = emptyLike(x);
  const at::Tensor sums = emptyTensor({parts, features}, wide.options());
  Launch<NormRowsBackward>::of(
      named("norm_rows_backward_", x), x.device(),
      {.x = toGrid(parts), .threads = rowThreads, .sharedBytes = static_cast<unsigned>(4 * features)},
      grad.const_data_ptr(), x.const_data_ptr(), wide.const_data_ptr<float>(), scales.const_data_ptr<float>(),
      dx.mutable_data_ptr(), sums.mutable_data_ptr<float>(), static_cast<int>(rows), static_cast<int>(features));
  return {dx, sums.sum(0).to(weight.scalar_type())};
}

bool isTable(const at::Tensor& table, const at::Tensor& x) {
  return isTaken(table) && table.device() == x.device() && table.scalar_type() == x.scalar_type() &&
         table.dim() == 2 && table.size(0) == x.size(2) && table.size(1) == x.size(3) && table.is_contiguous() &&
         !table.requires_grad();
}

bool fitsRotary(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin) {
  return isTaken(x) && x.dim() == 4 && x.size(3) % 2 == 0 && isTable(cos, x) && isTable(sin, x);
}

HeadStrides stridesOf(const at::Tensor& x) { return {x.stride(0), x.stride(1), x.stride(2)}; }

at::Tensor rotated(const at::Tensor& input, const at::Tensor& cos, const at::Tensor& sin, bool back) {
  const at::Tensor x = adjacent(input);
  const std::int64_t batch = x.size(0), heads = x.size(1), tokens = x.size(2), headDim = x.size(3);
  const bool tokensOutside = x.stride(2) > x.stride(1) || heads == 1;
  const at::Tensor y = tokensOutside ? emptyTensor({batch, tokens, heads, headDim}, x.options()).transpose(1, 2)
                                     : emptyTensor({batch, heads, tokens, headDim}, x.options());
  Launch<RotateToken>::of(named("rotate_token_", x), x.device(),
                          {.x = toGrid(batch * tokens), .threads = rowThreads}, x.const_data_ptr(), stridesOf(x),
                          cos.const_data_ptr(), sin.const_data_ptr(), y.mutable_data_ptr(), stridesOf(y),
                          static_cast<int>(heads), static_cast<int>(tokens), static_cast<int>(headDim / 2), back);
  return y;
}

at::Tensor rotatedWithGraph(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin, bool back) {
  const auto forward = [&]() -> Forward { return {rotated(x, cos, sin, back), {cos, sin}}; };
  return recorded({x}, forward,
                  [back](const at::Tensor& grad, const Tensors& saved, const std::vector<bool>&) -> Tensors {
                    return {rotatedWithGraph(grad, saved[0], saved[1], !back)};
                  });
}

bool fitsGate(const at::Tensor& gate, const at::Tensor& up, std::string_view activation) {
  return isTaken(gate) && isTaken(up) && gate.device() == up.device() && gate.scalar_type() == up.scalar_type() &&
         gate.dim() >= 1 && gate.sizes() == up.sizes() && (activation == "silu" || activation == "gelu_tanh");
}

at::Tensor asRows(const at::Tensor& tensor) { return adjacent(tensor.reshape({-1, tensor.size(-1)})); }

at::Tensor gated(const at::Tensor& gateInput, const at::Tensor& upInput, std::string_view activation) {
  const at::Tensor gate = asRows(gateInput), up = asRows(upInput), y = emptyTensor(gate.sizes(), gate.options());
  Launch<GateRow>::of(named("gate_row_", gate), gate.device(), {.x = toGrid(gate.size(0)), .threads = rowThreads},
                      gate.const_data_ptr(), gate.stride(0), up.const_data_ptr(), up.stride(0), y.mutable_data_ptr(),
                      static_cast<int>(gate.size(1)), activation == "silu");
  return y.view(gateInput.sizes());
}

Tensors gateBackward(const at::Tensor& gradOutput, const at::Tensor& gateInput, const at::Tensor& upInput,
                     std::string_view activation) {
  const at::Tensor grad = gradOutput.contiguous(), gate = asRows(gateInput), up = asRows(upInput);
  const at::Tensor dGate = emptyTensor(gate.sizes(), gate.options()), dUp = emptyTensor(gate.sizes(), gate.options());
  Launch<GateRowBackward>::of(named("gate_row_backward_", gate), gate.device(),
                              {.x = toGrid(gate.size(0)), .threads = rowThreads}, grad.const_data_ptr(),
                              gate.const_data_ptr(), gate.stride(0), up.const_data_ptr(), up.stride(0),
                              dGate.mutable_data_ptr(), dUp.mutable_data_ptr(), static_cast<int>(gate.size(1)),
                              activation == "silu");
  return {dGate.view(gateInput.sizes()), dUp.view(upInput.sizes())};
}

bool fitsIntegers(const at::Tensor& x, const at::Tensor& packed, const at::Tensor& scales, const at::Tensor& zeros,
                  std::int64_t groupSize) {
  if (!isTaken(x) || x.dim() < 1 || packed.dim() != 2 || x.numel() / x.size(-1) > productRows) return false;
  const std::int64_t inputs = x.size(-1), padded = (inputs + 31) / 32 * 32, outputs = packed.size(0);
  const auto isOf = [&](const at::Tensor& part) {
    return part.device() == x.device() && part.is_contiguous() && part.dim() == 2 && part.size(0) == outputs;
  };
  return isOf(packed) && isOf(scales) && isOf(zeros) && groupSize > 0 && groupSize % 32 == 0 &&
         scales.size(1) == (inputs + groupSize - 1) / groupSize && zeros.sizes() == scales.sizes() &&
         (scales.scalar_type() == at::kFloat || scales.scalar_type() == at::kHalf) &&
         zeros.scalar_type() == at::kByte && (packed.size(1) == padded || packed.size(1) * 2 == padded) &&
         (packed.scalar_type() == at::kByte || (packed.scalar_type() == at::kChar && packed.size(1) == padded)) &&
         padded * x.element_size() <= sharedLimit;
}

at::Tensor integerProduct(const at::Tensor& input, const at::Tensor& packed, const at::Tensor& scales,
                          const at::Tensor& zeros, const OptionalTensor& order, const OptionalTensor& bias,
                          std::int64_t groupSize) {
  const bool hasOrder = order.has_value() && order->defined(), hasBias = bias.has_value() && bias->defined();
  const std::int64_t inputs = input.size(-1), outputs = packed.size(0), padded = (inputs + 31) / 32 * 32;
  const at::Tensor rows = (hasOrder ? input.index_select(-1, *order) : input).reshape({-1, inputs}).contiguous();
  const at::Tensor addend = hasBias ? bias->to(input.scalar_type()).contiguous() : at::Tensor();
  std::vector<std::int64_t> shape(input.sizes().begin(), input.sizes().end() - 1);
  shape.push_back(outputs);
  const at::Tensor y = emptyTensor(shape, input.options());
  const char* kind = packed.size(1) * 2 == padded ? "four" : packed.scalar_type() == at::kChar ? "signed_eight" : "eight";
  constexpr unsigned threads = 128;
  const std::int64_t warps = threads / warpThreads;
  Launch<IntegerProduct>::of(
      named("integer_product_", rows) + "_" + elementName(scales.scalar_type()) + "_" + kind, rows.device(),
      {.x = toGrid((outputs + warps - 1) / warps),
       .y = toGrid(rows.size(0)),
       .threads = threads,
       .sharedBytes = static_cast<unsigned>(padded * rows.element_size())},
      rows.const_data_ptr(), static_cast<const std::uint8_t*>(packed.const_data_ptr()), scales.const_data_ptr(),
      zeros.const_data_ptr<std::uint8_t>(), hasBias ? addend.const_data_ptr() : nullptr, y.mutable_data_ptr(),
      IntegerShape{static_cast<int>(inputs), static_cast<int>(padded), static_cast<int>(outputs),
                   static_cast<int>(groupSize), static_cast<int>(scales.size(1))});
  return y;
}

}  // namespace

const char* elementName(at::ScalarType type) {
  switch (type) {
    case at::kFloat: return "float32";
    case at::kBFloat16: return "bfloat16";
    case at::kHalf: return "float16";
    default: return nullptr;
  }
}

bool isTaken(const at::Tensor& tensor) {
  return tensor.device().is_cuda() && tensor.layout() == at::kStrided && tensor.numel() != 0 &&
         elementName(tensor.scalar_type()) != nullptr && hasKernels(tensor.device());
}

at::Tensor rmsNorm(const at::Tensor& x, const at::Tensor& weight, double eps, bool roundBeforeWeight) {
  return fitsNorm(x, weight) ? normed(x, weight, eps, roundBeforeWeight).y
                             : rmsNormComposed(x, weight, eps, roundBeforeWeight);
}

at::Tensor rmsNormWithGraph(const at::Tensor& x, const at::Tensor& weight, double eps, bool roundBeforeWeight) {
  if (!fitsNorm(x, weight)) return rmsNormComposed(x, weight, eps, roundBeforeWeight);
  const auto forward = [&]() -> Forward {
    const Normed result = normed(x, weight, eps, roundBeforeWeight);
    return {result.y, {x, weight, result.scales}};
  };
  return recorded({x, weight}, forward,
                  [eps, roundBeforeWeight](const at::Tensor& grad, const Tensors& saved,
                                           const std::vector<bool>&) -> Tensors {
                    if (at::GradMode::is_enabled())
                      return differentiableGradients(rmsNormComposed(saved[0], saved[1], eps, roundBeforeWeight),
                                                     {saved[0], saved[1]}, grad);
                    return normBackward(grad, saved[0], saved[1], saved[2], roundBeforeWeight);
                  });
}

at::Tensor rotary(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin) {
  return fitsRotary(x, cos, sin) ? rotated(x, cos, sin, false) : rotaryComposed(x, cos, sin);
}

at::Tensor rotaryWithGraph(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin) {
  return fitsRotary(x, cos, sin) ? rotatedWithGraph(x, cos, sin, false) : rotaryComposed(x, cos, sin);
}

at::Tensor gatedActivation(const at::Tensor& gate, const at::Tensor& up, std::string_view activation) {
  return fitsGate(gate, up, activation) ? gated(gate, up, activation) : gatedActivationComposed(gate, up, activation);
}

at::Tensor gatedActivationWithGraph(const at::Tensor& gate, const at::Tensor& up, std::string_view activation) {
  if (!fitsGate(gate, up, activation)) return gatedActivationComposed(gate, up, activation);
  const auto forward = [&]() -> Forward { return {gated(gate, up, activation), {gate, up}}; };
  return recorded({gate, up}, forward,
                  [name = std::string(activation)](const at::Tensor& grad, const Tensors& saved,
                                                   const std::vector<bool>&) -> Tensors {
                    if (at::GradMode::is_enabled())
                      return differentiableGradients(gatedActivationComposed(saved[0], saved[1], name), saved, grad);
                    return gateBackward(grad, saved[0], saved[1], name);
                  });
}

at::Tensor integerLinear(const at::Tensor& x, const at::Tensor& packed, const at::Tensor& scales,
                         const at::Tensor& zeros, const OptionalTensor& order, const OptionalTensor& bias,
                         std::int64_t groupSize, bool roundsInput) {
  // Inputs are rounded on the CPU alone; what asks for it here goes to the function that says so.
  if (!roundsInput && fitsIntegers(x, packed, scales, zeros, groupSize))
    return integerProduct(x, packed, scales, zeros, order, bias, groupSize);
  return xinghe::integerLinear(x, packed, scales, zeros, order, bias, groupSize, roundsInput);
}

std::vector<at::Tensor> integerLinears(const at::Tensor& x, at::TensorList integers,
                                       const c10::List<OptionalTensor>& orders, const c10::List<OptionalTensor>& biases,
                                       at::IntArrayRef groupSizes, bool roundsInput) {
  const std::size_t count = groupSizes.size();
  if (integers.size() != count * 3 || orders.size() != count || biases.size() != count)
    return xinghe::integerLinears(x, integers, orders, biases, groupSizes, roundsInput);  // which says what is wrong
  std::vector<at::Tensor> outputs;
  for (std::size_t i = 0; i < count; i++)
    outputs.push_back(integerLinear(x, integers[i * 3], integers[i * 3 + 1], integers[i * 3 + 2], orders.get(i),
                                    biases.get(i), groupSizes[i], roundsInput));
  return outputs;
}

at::Tensor integerLinearWithGraph(const at::Tensor& x, const at::Tensor& packed, const at::Tensor& scales,
                                  const at::Tensor& zeros, const OptionalTensor& order, const OptionalTensor& bias,
                                  std::int64_t groupSize, bool roundsInput) {
  if (at::GradMode::is_enabled())
    return xinghe::integerLinearWithGraph(x, packed, scales, zeros, order, bias, groupSize, roundsInput);
  const at::AutoDispatchBelowADInplaceOrView below;
  return integerLinear(x, packed, scales, zeros, order, bias, groupSize, roundsInput);
}

}  // namespace xinghe::cuda
