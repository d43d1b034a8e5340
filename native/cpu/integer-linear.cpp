// xinghe::integer_linear: y = x W^T + b with weights that stay integers in memory, and xinghe::integer_weight, which makes
// W of them. On the CPU W is never made for a product: each weight is decoded in registers to the very float32 that
// integer_weight gives, or, with rounds_input, x is rounded to integers too (rounded-linear.cpp). Other devices, and
// float64, multiply with W.
//
// Shapes: N rows, I input features (K of them with the padding to whole blocks of 32), M output features, G groups.
#include <ATen/Parallel.h>
#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/grad_mode.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <atomic>

#include "cpu/integer-matrix.h"
#include "cpu/integer-products.h"
#include "cpu/linear.h"
#include "cpu/operators.h"
#include "cpu/parallel.h"
#include "cpu/rounded-linear.h"
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
// with it lies so, too. [R, K] with the even inputs of a block first -> as they follow each other.
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
  const at::Tensor rows = x.reshape({-1, matrix.inputs}).to(at::kFloat).contiguous();
  const std::int64_t count = rows.size(0), inputs = matrix.inputs, padded = matrix.padded();
  const bool isInt4 = matrix.isInt4();
  if (!matrix.order.defined() && !isInt4 && padded == inputs) return rows;
  const at::Tensor prepared = emptyTensor({count, padded}, rows.options());
  const at::Tensor order = matrix.order.defined() ? matrix.order.contiguous() : matrix.order;
  const std::int64_t* places = order.defined() ? order.const_data_ptr<std::int64_t>() : nullptr;
  const float* source = rows.const_data_ptr<float>();
  float* target = prepared.mutable_data_ptr<float>();
  parallelRanges(count, std::max<std::int64_t>(1, 65536 / padded), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; row++) {
      const float* from = source + row * inputs;
      float* to = target + row * padded;
      for (std::int64_t block = 0; block < padded; block += integerBlock)
        for (std::int64_t lane = 0; lane < integerBlock; lane++) {
          // Two inputs share a byte of four bits each: the even ones of a block come first.
          const std::int64_t half = integerBlock / 2;
          const std::int64_t place = block + (isInt4 ? lane % half * 2 + lane / half : lane);
          to[block + lane] = place >= inputs ? 0.0f : from[places == nullptr ? place : places[place]];
        }
    }
  });
  return prepared;
}

// The products of one input with several layers, their rows prepared once where they are read in one order, and the threads
// meeting once.
std::vector<at::Tensor> multiplied(const at::Tensor& x, const std::vector<IntegerLayer>& layers) {
  struct Work {
    IntegerProducts products;
    const IntegerKernels* kernels;
    std::int64_t size, firstPiece;
  };
  const std::int64_t threads = at::get_num_threads();
  std::vector<at::Tensor> outputs, rows, addends;
  std::vector<Work> works;
  std::int64_t pieces = 0, scratchFloats = 0;
  for (const IntegerLayer& layer : layers) {
    const IntegerMatrix& matrix = layer.matrix;
    const IntegerMatrix& first = layers.front().matrix;
    const bool isSame = !rows.empty() && !first.order.defined() && !matrix.order.defined() &&
                        first.isInt4() == matrix.isInt4();
    rows.push_back(isSame ? rows.front() : rowsOf(x, matrix));
    const bool hasBias = layer.bias.has_value() && layer.bias->defined();
    addends.push_back(hasBias ? layer.bias->to(at::kFloat).contiguous() : at::Tensor());
    std::vector<std::int64_t> shape(x.sizes().begin(), x.sizes().end() - 1);
    shape.push_back(matrix.outputs());
    outputs.push_back(emptyTensor(shape, rows.back().options()));
    IntegerProducts products = productsOf(matrix);
    products.rows = rows.back().size(0);
    products.input = rows.back().const_data_ptr<float>();
    products.bias = hasBias ? addends.back().const_data_ptr<float>() : nullptr;
    products.output = outputs.back().mutable_data_ptr<float>();
    // Small pieces, taken one after the other: a thread that is held up leaves its work to the others.
    const std::int64_t size = std::clamp<std::int64_t>(roundUp(products.outputs / (threads * 8), 4), 4, 64);
    works.push_back({products, &kernelsOf(matrix), size, pieces});
    pieces += (products.outputs + size - 1) / size;
    // One or two rows never need it: no kernel decodes for so few.
    if (products.rows > 2) scratchFloats = std::max(scratchFloats, decodedOutputs * matrix.padded());
  }
  std::atomic<std::int64_t> next{0};
  parallelRanges(std::min(pieces, threads), 1, [&](std::int64_t, std::int64_t) {
    const at::Tensor scratch =
        scratchFloats == 0 ? at::Tensor() : emptyTensor({scratchFloats}, rows.front().options());
    std::size_t at = 0;
    for (std::int64_t piece = next++; piece < pieces; piece = next++) {
      while (at + 1 < works.size() && works[at + 1].firstPiece <= piece) at++;
      const auto& [products, kernels, size, firstPiece] = works[at];
      const std::int64_t output = (piece - firstPiece) * size;
      kernels->multiply(products, output, std::min(output + size, products.outputs),
                        scratch.defined() ? scratch.mutable_data_ptr<float>() : nullptr);
    }
  });
  for (at::Tensor& output : outputs) output = output.to(x.scalar_type());
  return outputs;
}

at::Tensor product(const at::Tensor& x, const IntegerMatrix& matrix, const OptionalTensor& bias, bool roundsInput) {
  TORCH_CHECK_VALUE(x.dim() >= 1, "xinghe::integer_linear: the input has no features");
  if (fitsKernel(x, matrix)) return (roundsInput ? roundedLinears : multiplied)(x, {{matrix, bias}})[0];
  OptionalTensor addend;
  if (bias.has_value() && bias->defined()) addend = bias->to(x.scalar_type());
  return linearProduct(x, weightOf(matrix).to(x.scalar_type()), addend);
}

}  // namespace

at::Tensor integerWeight(const at::Tensor& packed, const at::Tensor& scales, const at::Tensor& zeros,
                         const OptionalTensor& order, std::int64_t inputs, std::int64_t groupSize) {
  return weightOf(checkedIntegers(packed, scales, zeros, order, inputs, groupSize));
}

at::Tensor integerLinear(const at::Tensor& x, const at::Tensor& packed, const at::Tensor& scales,
                         const at::Tensor& zeros, const OptionalTensor& order, const OptionalTensor& bias,
                         std::int64_t groupSize, bool roundsInput) {
  return product(x, checkedIntegers(packed, scales, zeros, order, x.size(-1), groupSize), bias, roundsInput);
}

std::vector<at::Tensor> integerLinears(const at::Tensor& x, at::TensorList integers, const c10::List<OptionalTensor>& orders,
                                       const c10::List<OptionalTensor>& biases, at::IntArrayRef groupSizes,
                                       bool roundsInput) {
  const std::size_t count = groupSizes.size();
  TORCH_CHECK_VALUE(x.dim() >= 1 && integers.size() == count * 3 && orders.size() == count && biases.size() == count,
                    "xinghe::integer_linears: ", integers.size(), " tensors, ", orders.size(), " orders and ",
                    biases.size(), " biases for ", count, " layers; each has a weight, scales and zeros, an order and a bias");
  std::vector<IntegerLayer> layers;
  bool fits = true;
  for (std::size_t i = 0; i < count; i++) {
    layers.push_back({checkedIntegers(integers[i * 3], integers[i * 3 + 1], integers[i * 3 + 2], orders.get(i), x.size(-1),
                              groupSizes[i]),
                      biases.get(i)});
    fits = fits && fitsKernel(x, layers.back().matrix);
  }
  if (fits) return (roundsInput ? roundedLinears : multiplied)(x, layers);
  std::vector<at::Tensor> outputs;
  for (const IntegerLayer& layer : layers) outputs.push_back(product(x, layer.matrix, layer.bias, roundsInput));
  return outputs;
}

at::Tensor integerLinearWithGraph(const at::Tensor& x, const at::Tensor& packed, const at::Tensor& scales,
                                  const at::Tensor& zeros, const OptionalTensor& order, const OptionalTensor& bias,
                                  std::int64_t groupSize, bool roundsInput) {
  if (!at::GradMode::is_enabled()) {
    const at::AutoDispatchBelowADInplaceOrView below;
    return integerLinear(x, packed, scales, zeros, order, bias, groupSize, roundsInput);
  }
  // Nothing is rounded where gradients may be asked for: rounding has none.
  const IntegerMatrix matrix = checkedIntegers(packed, scales, zeros, order, x.size(-1), groupSize);
  const auto run = [&]() -> Forward { return {product(x, matrix, bias, false), {}}; };
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
