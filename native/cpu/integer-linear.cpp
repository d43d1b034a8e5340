// xinghe::integer_linear: y = x W^T + b with weights that stay integers in memory, and xinghe::integer_weight, which makes
// W of them. On the CPU W is never made for a product: each weight is decoded in registers to the very float32 that
// integer_weight gives. Other devices, and float64, multiply with W.
//
// Shapes: N rows, I input features (K of them with the padding to whole blocks of 32), M output features, G groups.
#include <ATen/Parallel.h>
#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/grad_mode.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <atomic>

#include "cpu/integer-products.h"
#include "cpu/linear.h"
#include "cpu/operators.h"
#include "cpu/parallel.h"
#include "functions.h"
#include "graph.h"

namespace xinghe {
namespace {

const IntegerSet& kernels() {
#if defined(__x86_64__)
  static const IntegerSet set = [] {
    const std::string_view capability = cpuCapability();
    return capability == "AVX512" ? avx512Integers() : capability == "AVX2" ? avx2Integers() : plainIntegers();
  }();
#else
  static const IntegerSet set = plainIntegers();
#endif
  return set;
}

std::int64_t roundUp(std::int64_t count, std::int64_t unit) { return (count + unit - 1) / unit * unit; }

// A weight as it is kept.
struct IntegerMatrix {
  at::Tensor packed;  // uint8 [M, K / 2] or [M, K], or int8 [M, K]
  at::Tensor scales;  // float32 or float16 [M, G]
  at::Tensor zeros;   // uint8 [M, G]
  at::Tensor order;   // int64 [I]: the input at each place; undefined: as they are
  std::int64_t inputs, groupSize;

  std::int64_t padded() const { return roundUp(inputs, integerBlock); }
  std::int64_t outputs() const { return packed.size(0); }
  bool isInt4() const { return packed.size(1) * 2 == padded(); }
  bool isSigned() const { return packed.scalar_type() == at::kChar; }
};

IntegerMatrix checked(const at::Tensor& packed, const at::Tensor& scales, const at::Tensor& zeros,
                      const OptionalTensor& order, std::int64_t inputs, std::int64_t groupSize) {
  const std::int64_t padded = roundUp(inputs, integerBlock);
  TORCH_CHECK_VALUE(inputs > 0 && groupSize > 0 && groupSize % integerBlock == 0, "xinghe::integer_linear: ", inputs,
                    " inputs in groups of ", groupSize, "; groups hold a multiple of ", integerBlock);
  const std::int64_t groups = (inputs + groupSize - 1) / groupSize;
  const auto type = packed.scalar_type();
  TORCH_CHECK_VALUE(packed.dim() == 2 && (((type == at::kByte || type == at::kChar) && packed.size(1) == padded) ||
                                          (type == at::kByte && packed.size(1) * 2 == padded)),
                    "xinghe::integer_linear: weight ", packed.sizes(), " ", type,
                    "; it is uint8 [M, K / 2], or uint8 or int8 [M, K], with K = ", padded);
  const std::vector<std::int64_t> shape{packed.size(0), groups};
  TORCH_CHECK_VALUE(scales.sizes() == shape && (scales.scalar_type() == at::kFloat || scales.scalar_type() == at::kHalf) &&
                        zeros.sizes() == shape && zeros.scalar_type() == at::kByte,
                    "xinghe::integer_linear: scales ", scales.sizes(), " ", scales.scalar_type(), " and zeros ",
                    zeros.sizes(), " ", zeros.scalar_type(), "; they are float32 or float16, and uint8, [", shape[0], ", ",
                    groups, "]");
  const bool hasOrder = order.has_value() && order->defined();
  TORCH_CHECK_VALUE(!hasOrder || (order->dim() == 1 && order->size(0) == inputs && order->scalar_type() == at::kLong),
                    "xinghe::integer_linear: the order of inputs is int64 [", inputs, "]");
  return {packed.contiguous(), scales.contiguous(), zeros.contiguous(), hasOrder ? *order : at::Tensor(), inputs, groupSize};
}

IntegerProducts productsOf(const IntegerMatrix& matrix) {
  return {.rows = 0,
          .blocks = matrix.padded() / integerBlock,
          .outputs = matrix.outputs(),
          .blocksPerGroup = matrix.groupSize / integerBlock,
          .groups = matrix.scales.size(1),
          .input = nullptr,
          .weight = static_cast<const std::uint8_t*>(matrix.packed.const_data_ptr()),
          .scales = matrix.scales.const_data_ptr(),
          .areHalfScales = matrix.scales.scalar_type() == at::kHalf,
          .zeros = matrix.zeros.const_data_ptr<std::uint8_t>(),
          .bias = nullptr,
          .output = nullptr};
}

const IntegerKernels& kernelsOf(const IntegerMatrix& matrix) {
  return matrix.isInt4() ? kernels().int4 : matrix.isSigned() ? kernels().signedInt8 : kernels().int8;
}

// Two inputs share a byte of four bits each, so that a block is decoded as 16 even and 16 odd ones; whatever is multiplied
// with it lies so, too. [R, K] with the inputs of a block as they follow each other -> the even ones first, and back.
at::Tensor pairsApart(const at::Tensor& rows) {
  return rows.view({rows.size(0), -1, integerBlock / 2, 2}).transpose(2, 3).contiguous().view(rows.sizes());
}
at::Tensor pairsTogether(const at::Tensor& rows) {
  return rows.view({rows.size(0), -1, 2, integerBlock / 2}).transpose(2, 3).contiguous().view(rows.sizes());
}

// [M, K], the inputs in the order in which they are kept.
at::Tensor decoded(const IntegerMatrix& matrix) {
  const at::Tensor weights = emptyTensor({matrix.outputs(), matrix.padded()}, matrix.packed.options().dtype(at::kFloat));
  const IntegerProducts products = productsOf(matrix);
  float* target = weights.mutable_data_ptr<float>();
  parallelRanges(matrix.outputs(), 16, [&](std::int64_t begin, std::int64_t end) {
    kernelsOf(matrix).decode(products, begin, end, target + begin * matrix.padded());
  });
  return matrix.isInt4() ? pairsTogether(weights) : weights;
}

// The same composed of libtorch's operators.
at::Tensor decodedComposed(const IntegerMatrix& matrix) {
  const std::int64_t outputs = matrix.outputs(), padded = matrix.padded(), groups = matrix.scales.size(1);
  at::Tensor integers = matrix.packed;
  if (matrix.isInt4()) {
    const at::Tensor bytes = matrix.packed.unsqueeze(2);
    integers = concatenated({bytes.bitwise_and(15), bytes.bitwise_right_shift(4)}, 2).view({outputs, padded});
  }
  const auto forInputs = [&](const at::Tensor& ofGroups) {
    return ofGroups.to(at::kFloat)
        .unsqueeze(2)
        .expand({outputs, groups, matrix.groupSize})
        .reshape({outputs, groups * matrix.groupSize})
        .narrow(1, 0, padded);
  };
  const at::Tensor scales = forInputs(matrix.scales);
  at::Tensor zeros = forInputs(matrix.zeros);
  if (matrix.isSigned()) zeros = zeros.sub(128);
  return integers.to(at::kFloat).sub_(zeros).mul_(scales);
}

at::Tensor weightOf(const IntegerMatrix& matrix) {
  const bool isOnCpu = matrix.packed.device().is_cpu();
  const at::Tensor weights =
      (isOnCpu ? decoded(matrix) : decodedComposed(matrix)).narrow(1, 0, matrix.inputs).contiguous();
  if (!matrix.order.defined()) return weights;
  return emptyLike(weights).index_copy_(1, matrix.order, weights);
}

bool fitsKernel(const at::Tensor& x, const IntegerMatrix& matrix) {
  const auto type = x.scalar_type();
  return x.device().is_cpu() && matrix.packed.device().is_cpu() && x.layout() == at::kStrided && x.numel() != 0 &&
         (type == at::kFloat || type == at::kBFloat16 || type == at::kHalf);
}

// x [N, I] as the kernels read it: float32 [N, K], in the order in which the weight is decoded.
at::Tensor rowsOf(const at::Tensor& x, const IntegerMatrix& matrix) {
  at::Tensor rows = x.reshape({-1, matrix.inputs}).to(at::kFloat);
  if (matrix.order.defined()) rows = rows.index_select(1, matrix.order);
  if (matrix.padded() != matrix.inputs) {
    const at::Tensor padded = zeroTensor({rows.size(0), matrix.padded()}, rows.options());
    padded.narrow(1, 0, matrix.inputs).copy_(rows);
    rows = padded;
  }
  return matrix.isInt4() ? pairsApart(rows.contiguous()) : rows.contiguous();
}

at::Tensor multiplied(const at::Tensor& x, const IntegerMatrix& matrix, const OptionalTensor& bias) {
  const at::Tensor rows = rowsOf(x, matrix);
  at::Tensor addend;
  if (bias.has_value() && bias->defined()) addend = bias->to(at::kFloat).contiguous();
  std::vector<std::int64_t> shape(x.sizes().begin(), x.sizes().end() - 1);
  shape.push_back(matrix.outputs());
  const at::Tensor y = emptyTensor(shape, rows.options());
  IntegerProducts products = productsOf(matrix);
  products.rows = rows.size(0);
  products.input = rows.const_data_ptr<float>();
  products.bias = addend.defined() ? addend.const_data_ptr<float>() : nullptr;
  products.output = y.mutable_data_ptr<float>();
  // Small pieces, taken one after the other: a thread that is held up leaves its work to the others.
  const std::int64_t threads = at::get_num_threads();
  const std::int64_t size = std::clamp<std::int64_t>(roundUp(products.outputs / (threads * 8), 4), 4, 64);
  const std::int64_t pieces = (products.outputs + size - 1) / size;
  std::atomic<std::int64_t> next{0};
  parallelRanges(std::min(pieces, threads), 1, [&](std::int64_t, std::int64_t) {
    const at::Tensor scratch = emptyTensor({decodedOutputs * matrix.padded()}, rows.options());
    for (std::int64_t piece = next++; piece < pieces; piece = next++)
      kernelsOf(matrix).multiply(products, piece * size, std::min((piece + 1) * size, products.outputs),
                                 scratch.mutable_data_ptr<float>());
  });
  return y.to(x.scalar_type());
}

at::Tensor product(const at::Tensor& x, const IntegerMatrix& matrix, const OptionalTensor& bias) {
  TORCH_CHECK_VALUE(x.dim() >= 1, "xinghe::integer_linear: the input has no features");
  if (fitsKernel(x, matrix)) return multiplied(x, matrix, bias);
  OptionalTensor addend;
  if (bias.has_value() && bias->defined()) addend = bias->to(x.scalar_type());
  return linearProduct(x, weightOf(matrix).to(x.scalar_type()), addend);
}

}  // namespace

at::Tensor integerWeight(const at::Tensor& packed, const at::Tensor& scales, const at::Tensor& zeros,
                         const OptionalTensor& order, std::int64_t inputs, std::int64_t groupSize) {
  return weightOf(checked(packed, scales, zeros, order, inputs, groupSize));
}

at::Tensor integerLinear(const at::Tensor& x, const at::Tensor& packed, const at::Tensor& scales,
                         const at::Tensor& zeros, const OptionalTensor& order, const OptionalTensor& bias,
                         std::int64_t groupSize) {
  return product(x, checked(packed, scales, zeros, order, x.size(-1), groupSize), bias);
}

at::Tensor integerLinearWithGraph(const at::Tensor& x, const at::Tensor& packed, const at::Tensor& scales,
                                  const at::Tensor& zeros, const OptionalTensor& order, const OptionalTensor& bias,
                                  std::int64_t groupSize) {
  if (!at::GradMode::is_enabled()) {
    const at::AutoDispatchBelowADInplaceOrView below;
    return integerLinear(x, packed, scales, zeros, order, bias, groupSize);
  }
  const IntegerMatrix matrix = checked(packed, scales, zeros, order, x.size(-1), groupSize);
  const auto run = [&]() -> Forward { return {product(x, matrix, bias), {}}; };
  // The weight is made again where it is needed: kept, it would be a copy in floats of the whole model.
  const auto backward = [matrix](const at::Tensor& grad, const Tensors&, const std::vector<bool>& wanted) {
    Tensors gradients(wanted.size());
    if (wanted[0]) gradients[0] = linearGradInput(grad, weightOf(matrix).to(grad.scalar_type()));
    if (wanted.size() > 1 && wanted[1]) gradients[1] = grad.reshape({-1, grad.size(-1)}).sum(0);
    return gradients;
  };
  const bool hasBias = bias.has_value() && bias->defined();
  return recorded(hasBias ? Tensors{x, *bias} : Tensors{x}, run, backward);
}

}  // namespace xinghe
