// Rows are rounded to eight bits, symmetrically, with one scale for each group of inputs: the groups of the weight up to
// 128 inputs, parts of 64 or 32 of longer ones. How the work is shared between threads; the products are those of
// rounded-products.h.
//
// Shapes: N rows, I input features (K with the padding to whole blocks of 32), M output features, H groups of the input.
#include "cpu/rounded-linear.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <atomic>
#include <deque>

#include "cpu/invariant-linear.h"
#include "cpu/parallel.h"
#include "cpu/rounded-products.h"
#include "functions.h"

namespace xinghe {
namespace {

const RoundedSet& kernels() {
#if defined(__x86_64__)
  static const bool hasVnni = __builtin_cpu_supports("avx512vnni");
  static const RoundedSet sets[] = {plainRounded(), avx2Rounded(), avx512Rounded(), avx512VnniRounded()};
  switch (allowedInstructions()) {
    case Instructions::plain: return sets[0];
    case Instructions::avx2: return sets[1];
    // A limit to AVX-512 is one to its first form.
    case Instructions::avx512: return hasVnni && !isLimitedTo(Instructions::avx512) ? sets[3] : sets[2];
    case Instructions::avx512Bf16: return hasVnni ? sets[3] : sets[2];
  }
#endif
  static const RoundedSet plain = plainRounded();
  return plain;
}

std::int64_t ceilDivide(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

// One input, rounded as some of the layers read it.
struct Prepared {
  at::Tensor order;
  at::Tensor codes, scales, sums;
  RoundedRows rows;
};

// Of x [N, I], float32 and contiguous, whose inputs are taken in this order.
void roundInto(const RoundedRows& rows, const at::Tensor& x, const at::Tensor& order) {
  const std::int64_t inputs = x.size(1), padded = rows.blocks * integerBlock;
  const float* source = x.const_data_ptr<float>();
  const at::Tensor places = order.defined() ? order.contiguous() : order;
  const std::int64_t* place = places.defined() ? places.const_data_ptr<std::int64_t>() : nullptr;
  const RoundedSet& set = kernels();
  constexpr std::int64_t inputsForThreads = 32768;
  parallelRanges(rows.rows, std::max<std::int64_t>(1, inputsForThreads / padded), [&](std::int64_t row, std::int64_t end) {
    if (place == nullptr && padded == inputs) return set.round(rows, source, row, end);
    std::vector<float> moved(static_cast<std::size_t>(padded), 0.0f);
    for (; row < end; row++) {
      const float* from = source + row * inputs;
      for (std::int64_t i = 0; i < inputs; i++) moved[i] = from[place == nullptr ? i : place[i]];
      RoundedRows one = rows;
      one.codes += row * rows.stride;
      one.scales += row * rows.groups;
      one.sums += row * rows.groups;
      set.round(one, moved.data(), 0, 1);
    }
  });
}

Prepared prepared(const at::Tensor& x, const IntegerMatrix& matrix) {
  const std::int64_t count = x.size(0), blocks = matrix.padded() / integerBlock;
  const std::int64_t perGroup = roundedBlocks(matrix.groupSize / integerBlock), groups = ceilDivide(blocks, perGroup);
  // Rows a power of two apart would share their places in the first cache.
  const std::int64_t stride = ceilDivide(blocks * integerBlock, 64) * 64 + 64;
  Prepared result{matrix.order, emptyTensor({count, stride}, x.options().dtype(at::kChar)),
                  emptyTensor({count, groups}, x.options()), emptyTensor({count, groups}, x.options()), {}};
  result.rows = {.rows = count,
                 .blocks = blocks,
                 .blocksPerGroup = perGroup,
                 .groups = groups,
                 .stride = stride,
                 .isPaired = matrix.isInt4(),
                 .codes = result.codes.mutable_data_ptr<std::int8_t>(),
                 .scales = result.scales.mutable_data_ptr<float>(),
                 .sums = result.sums.mutable_data_ptr<float>()};
  roundInto(result.rows, x, matrix.order);
  return result;
}

bool reads(const Prepared& input, const IntegerMatrix& matrix) {
  return !input.order.defined() && !matrix.order.defined() && input.rows.isPaired == matrix.isInt4() &&
         input.rows.blocksPerGroup == roundedBlocks(matrix.groupSize / integerBlock);
}

RoundedSet::Multiply multiplyOf(const IntegerMatrix& matrix) {
  const RoundedSet& set = kernels();
  return matrix.isInt4() ? set.int4 : matrix.isSigned() ? set.signedInt8 : set.int8;
}

// The outputs of a layer in pieces, the first of them with the number `first`.
struct Work {
  RoundedProducts products;
  RoundedSet::Multiply multiply;
  std::int64_t size, first;

  std::int64_t outputOf(std::int64_t piece) const { return (piece - first) * size; }
};

// Each thread knows its next piece while it works on one, and asks for its memory.
void multiplyAll(const std::vector<Work>& works, std::int64_t pieces, std::int64_t rows) {
  const at::Tensor scratch = emptyTensor({at::get_num_threads(), roundedScratch(rows) + 64}, at::kByte);
  std::atomic<std::int64_t> next{0}, thread{0};
  parallelRanges(std::min<std::int64_t>(pieces, at::get_num_threads()), 1, [&](std::int64_t, std::int64_t) {
    const std::int64_t own = thread++;
    auto address = reinterpret_cast<std::uintptr_t>(scratch.const_data_ptr<std::uint8_t>() + own * scratch.size(1));
    void* memory = reinterpret_cast<void*>((address + 63) / 64 * 64);
    std::size_t at = 0;
    for (std::int64_t piece = next++; piece < pieces;) {
      const std::int64_t following = next++;
      while (at + 1 < works.size() && works[at + 1].first <= piece) at++;
      const Work& work = works[at];
      const std::int64_t output = work.outputOf(piece), end = std::min(output + work.size, work.products.outputs);
      const std::int64_t after = following < pieces ? work.outputOf(following) : work.products.outputs;
      work.multiply(work.products, output, end, after < work.products.outputs ? after : -1, memory);
      piece = following;
    }
  });
}

}  // namespace

std::vector<at::Tensor> roundedLinears(const at::Tensor& x, const std::vector<IntegerLayer>& layers) {
  const at::Tensor rows = x.reshape({-1, x.size(-1)}).to(at::kFloat).contiguous();
  const std::int64_t count = rows.size(0), threads = at::get_num_threads();
  std::deque<Prepared> inputs;
  std::vector<at::Tensor> outputs, addends;
  std::vector<Work> works;
  std::int64_t pieces = 0;
  for (const auto& [matrix, bias] : layers) {
    const auto same = std::find_if(inputs.begin(), inputs.end(), [&](const Prepared& input) { return reads(input, matrix); });
    const Prepared& input = same == inputs.end() ? inputs.emplace_back(prepared(rows, matrix)) : *same;
    const bool hasBias = bias.has_value() && bias->defined();
    addends.push_back(hasBias ? bias->to(at::kFloat).contiguous() : at::Tensor());
    std::vector<std::int64_t> shape(x.sizes().begin(), x.sizes().end() - 1);
    shape.push_back(matrix.outputs());
    outputs.push_back(emptyTensor(shape, rows.options()));
    const RoundedProducts products{.input = input.rows,
                                   .outputs = matrix.outputs(),
                                   .blocksPerGroup = matrix.groupSize / integerBlock,
                                   .groups = matrix.scales.size(1),
                                   .weight = static_cast<const std::uint8_t*>(matrix.packed.const_data_ptr()),
                                   .scales = matrix.scales.const_data_ptr(),
                                   .areHalfScales = matrix.scales.scalar_type() == at::kHalf,
                                   .zeros = matrix.zeros.const_data_ptr<std::uint8_t>(),
                                   .bias = hasBias ? addends.back().const_data_ptr<float>() : nullptr,
                                   .output = outputs.back().mutable_data_ptr<float>()};
    const std::int64_t size =
        std::clamp(ceilDivide(ceilDivide(products.outputs, threads * 8), mostRoundedOutputs), std::int64_t{1}, std::int64_t{4}) *
        mostRoundedOutputs;
    works.push_back({products, multiplyOf(matrix), size, pieces});
    pieces += ceilDivide(products.outputs, size);
  }
  multiplyAll(works, pieces, count);
  for (at::Tensor& output : outputs) output = output.to(x.scalar_type());
  return outputs;
}

}  // namespace xinghe
