// How a batch-invariant product is cut into blocks for threads and caches. Which kernel adds up an element of the
// result, and in which order, depends on the layout of the weight alone; the rest here is speed.
//
// Shapes: N rows, K input features, M output features.
#include "cpu/invariant-linear.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "cpu/parallel.h"
#include "cpu/products.h"
#include "functions.h"

namespace xinghe {
namespace {

thread_local bool enabled = false;

thread_local Instructions allowed = Instructions::avx512Bf16;

Instructions instructionsNamed(std::string_view name) {
  if (name == "plain") return Instructions::plain;
  if (name == "avx2") return Instructions::avx2;
  if (name == "avx512") return Instructions::avx512;
  TORCH_CHECK_VALUE(name.empty() || name == "avx512bf16", "setInvariantLinear: instructions \"", name,
                    "\"; they may be plain, avx2, avx512, avx512bf16 or empty");
  return Instructions::avx512Bf16;
}

// What libtorch found, or was told by ATEN_CPU_CAPABILITY.
Instructions processorInstructions() {
#if defined(__x86_64__)
  static const Instructions found = [] {
    const std::string_view capability = cpuCapability();
    if (capability == "AVX2") return Instructions::avx2;
    if (capability != "AVX512") return Instructions::plain;
    return __builtin_cpu_supports("avx512bf16") ? Instructions::avx512Bf16 : Instructions::avx512;
  }();
  return found;
#else
  return Instructions::plain;
#endif
}

const ProductKernels* kernelsOf(const ProductSet& set, c10::ScalarType type) {
  switch (type) {
    case c10::ScalarType::Float: return set.float32;
    case c10::ScalarType::Double: return set.float64;
    case c10::ScalarType::BFloat16: return set.bfloat16;
    case c10::ScalarType::Half: return set.float16;
    default: return nullptr;
  }
}

}  // namespace

Instructions allowedInstructions() { return std::min(processorInstructions(), allowed); }
bool isLimitedTo(Instructions instructions) { return allowed == instructions; }

namespace {

// The kernels for the newest instructions that may be used; null if no set has any for the type.
const ProductKernels* kernelsFor(c10::ScalarType type) {
  static const ProductSet sets[] = {plainProducts(), avx2Products(), avx512Products(), avx512Bf16Products()};
  const Instructions most = allowedInstructions();
  for (int i = static_cast<int>(most); i >= 0; i--)
    if (const ProductKernels* kernels = kernelsOf(sets[i], type)) return kernels;
  return nullptr;
}

// Memory that a thread keeps for its next block.
class Scratch {
 public:
  void* atLeast(std::int64_t bytes) {
    if (bytes > size_) {
      memory_.reset(::operator new(static_cast<std::size_t>(bytes), alignment));
      size_ = bytes;
    }
    return memory_.get();
  }

 private:
  static constexpr std::align_val_t alignment{64};
  struct Free {
    void operator()(void* memory) const { ::operator delete(memory, alignment); }
  };
  std::unique_ptr<void, Free> memory_;
  std::int64_t size_ = 0;
};

// Calls work(block, scratch) for 0 … blocks on all threads, each taking the next block when it is done with one.
template <typename Work>
void forEachBlock(std::int64_t blocks, std::int64_t scratchBytes, const Work& work) {
  std::atomic<std::int64_t> next{0};
  const std::int64_t threads = std::min<std::int64_t>(blocks, at::get_num_threads());
  parallelRanges(threads, 1, [&](std::int64_t, std::int64_t) {
    static thread_local Scratch scratch;
    for (std::int64_t block = next++; block < blocks; block = next++) work(block, scratch.atLeast(scratchBytes));
  });
}

std::int64_t ceilDivide(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }
std::int64_t roundUp(std::int64_t a, std::int64_t b) { return ceilDivide(a, b) * b; }

// Blocks for each thread, so that one which is held up leaves its work to the others.
constexpr std::int64_t blocksPerThread = 8;
// Up to here reading the weight where it lies beats copying each part for all rows; measured at 64 rows: equal.
constexpr std::int64_t mostStoredRows = 64;

// How many of `count` items, a multiple of `unit`, make equal blocks: at least `blocks` of them where there are enough
// items, and none of more than `most`, which is a multiple of `unit` too.
std::int64_t blockSize(std::int64_t count, std::int64_t unit, std::int64_t most, std::int64_t blocks) {
  return roundUp(ceilDivide(count, std::max(blocks, ceilDivide(count, most))), unit);
}

template <typename Pack>
void packPanels(std::int64_t panels, std::int64_t bytes, const Pack& pack) {
  constexpr std::int64_t bytesForThreads = 131072;
  const std::int64_t grain = std::max<std::int64_t>(1, panels * bytesForThreads / bytes);
  parallelRanges(panels, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t panel = begin; panel < end; panel++) pack(panel);
  });
}

// How one layer's product is cut: blocks of so many outputs and panels, the first of them with the number `first`.
struct RowMajorBlocks {
  const Products* products;
  std::int64_t first, outputs, outputBlocks, panels;
};

// Weights [M, K] of several layers that read one x: packed once, and one round of the threads for all of them.
void multiplyRowMajor(const ProductKernels& kernels, std::vector<Products>& layers, const at::Tensor& x) {
  const std::int64_t rows = x.size(0), inputs = x.size(1), threads = at::get_num_threads();
  const std::int64_t panels = ceilDivide(rows, kernels.rowTile);
  const std::int64_t bytes = kernels.packedInputBytes(rows, inputs);
  const at::Tensor packed = emptyTensor({bytes}, at::kByte);
  void* target = packed.mutable_data_ptr();
  packPanels(panels, bytes, [&](std::int64_t panel) {
    kernels.packInputs(x.const_data_ptr(), x.stride(0), rows, inputs, panel, target);
  });
  for (Products& products : layers) products.packedInput = target;

  const bool stored = rows <= mostStoredRows;
  constexpr std::int64_t mostRows = 256;
  std::vector<RowMajorBlocks> cuts;
  std::int64_t blocks = 0, scratchBytes = 0;
  for (const Products& products : layers) {
    const std::int64_t size = blockSize(products.outputs, 4, stored ? 256 : 64, threads * blocksPerThread);
    const std::int64_t outputBlocks = ceilDivide(products.outputs, size);
    const std::int64_t perBlock =
        stored ? panels
               : blockSize(panels, 1, ceilDivide(mostRows, kernels.rowTile),
                           ceilDivide(threads * blocksPerThread, outputBlocks));
    cuts.push_back({&products, blocks, size, outputBlocks, perBlock});
    blocks += outputBlocks * ceilDivide(panels, perBlock);
    scratchBytes = std::max(scratchBytes,
                            stored ? rows * 16 * kernels.sumBytes
                                   : size * 4096 + perBlock * kernels.rowTile * size * kernels.sumBytes);
  }
  forEachBlock(blocks, scratchBytes, [&](std::int64_t index, void* scratch) {
    const auto after = std::find_if(cuts.begin(), cuts.end(), [&](const auto& cut) { return cut.first > index; });
    const RowMajorBlocks& cut = *(after - 1);
    const std::int64_t block = index - cut.first, output = block % cut.outputBlocks * cut.outputs;
    const std::int64_t endOutput = std::min(output + cut.outputs, cut.products->outputs);
    const std::int64_t panel = block / cut.outputBlocks * cut.panels;
    if (stored)
      kernels.multiplyStored(*cut.products, output, endOutput, scratch);
    else
      kernels.multiplyPacked(*cut.products, panel, std::min(panel + cut.panels, panels), output, endOutput, scratch);
  });
}

void multiplyColumnMajor(const ProductKernels& kernels, Products& products, const at::Tensor& x) {
  const std::int64_t threads = at::get_num_threads();
  const std::int64_t panels = ceilDivide(products.rows, kernels.columnRowTile);
  const std::int64_t bytes = kernels.packedPairBytes(products.rows, products.inputs);
  const at::Tensor packed = emptyTensor({bytes}, at::kByte);
  void* target = packed.mutable_data_ptr();
  packPanels(panels, bytes, [&](std::int64_t panel) {
    kernels.packPairs(x.const_data_ptr(), x.stride(0), products.rows, products.inputs, panel, target);
  });
  products.packedInput = target;
  constexpr std::int64_t mostRows = 256, mostBytes = 262144;
  const std::int64_t group = kernels.columnGroup;
  const std::int64_t most = std::max<std::int64_t>(1, mostBytes / kernels.columnGroupBytes) * group;
  const std::int64_t size = blockSize(products.outputs, group, most, threads * blocksPerThread);
  const std::int64_t outputBlocks = ceilDivide(products.outputs, size);
  const std::int64_t perBlock =
      blockSize(panels, 1, ceilDivide(mostRows, kernels.columnRowTile), ceilDivide(threads * blocksPerThread, outputBlocks));
  const std::int64_t scratchBytes =
      size / group * kernels.columnGroupBytes + perBlock * kernels.columnRowTile * size * kernels.sumBytes;
  forEachBlock(outputBlocks * ceilDivide(panels, perBlock), scratchBytes, [&](std::int64_t block, void* scratch) {
    const std::int64_t output = block % outputBlocks * size, panel = block / outputBlocks * perBlock;
    kernels.multiplyColumns(products, panel, std::min(panel + perBlock, panels), output,
                            std::min(output + size, products.outputs), scratch);
  });
}

bool isOnCpu(const at::Tensor& tensor, c10::ScalarType type) {
  return tensor.device().is_cpu() && tensor.layout() == at::kStrided && tensor.scalar_type() == type &&
         !tensor.is_conj() && !tensor.is_neg();
}

// What does not fit goes to libtorch's own operator, which says what is wrong with it.
bool fits(const at::Tensor& x, const at::Tensor& w, const std::optional<at::Tensor>& bias) {
  const c10::ScalarType type = x.scalar_type();
  return isOnCpu(x, type) && isOnCpu(w, type) && x.dim() >= 1 && w.dim() == 2 && x.size(-1) == w.size(1) &&
         x.numel() != 0 && w.numel() != 0 &&
         (!bias.has_value() || !bias->defined() ||
          (isOnCpu(*bias, type) && bias->dim() == 1 && bias->size(0) == w.size(0)));
}

}  // namespace

void setInvariantLinear(bool on, std::string_view instructions) {
  allowed = instructionsNamed(instructions);
  enabled = on;
}

bool isInvariantLinear() { return enabled; }

namespace {

at::Tensor asRows(const at::Tensor& x) {
  at::Tensor rows = x.reshape({-1, x.size(-1)});
  return rows.stride(1) == 1 ? rows : rows.contiguous();
}

at::Tensor emptyOutput(const at::Tensor& x, std::int64_t outputs) {
  std::vector<std::int64_t> shape(x.sizes().begin(), x.sizes().end() - 1);
  shape.push_back(outputs);
  return emptyTensor(shape, x.options());
}

// bias: contiguous, or undefined.
Products productsOf(const at::Tensor& rows, const at::Tensor& weight, const at::Tensor& bias, const at::Tensor& y) {
  return {.rows = rows.size(0),
          .inputs = weight.size(1),
          .outputs = weight.size(0),
          .packedInput = nullptr,
          .weight = weight.const_data_ptr(),
          .weightStride = weight.stride(weight.stride(1) == 1 ? 0 : 1),
          .bias = bias.defined() ? bias.const_data_ptr() : nullptr,
          .output = y.mutable_data_ptr()};
}

at::Tensor contiguousBias(const std::optional<at::Tensor>& bias) {
  return bias.has_value() && bias->defined() ? bias->contiguous() : at::Tensor();
}

}  // namespace

std::optional<at::Tensor> invariantLinear(const at::Tensor& x, const at::Tensor& w,
                                          const std::optional<at::Tensor>& bias) {
  if (!fits(x, w, bias)) return std::nullopt;
  const ProductKernels* kernels = kernelsFor(x.scalar_type());
  if (kernels == nullptr) return std::nullopt;

  const at::Tensor rows = asRows(x);
  const bool isRowMajor = w.stride(1) == 1, isColumnMajor = !isRowMajor && w.stride(0) == 1;
  const at::Tensor weight = isRowMajor || isColumnMajor ? w : w.contiguous();
  const at::Tensor addend = contiguousBias(bias);
  const at::Tensor y = emptyOutput(x, w.size(0));
  std::vector<Products> products{productsOf(rows, weight, addend, y)};
  if (isColumnMajor)
    multiplyColumnMajor(*kernels, products[0], rows);
  else
    multiplyRowMajor(*kernels, products, rows);
  return y;
}

std::optional<std::vector<at::Tensor>> invariantLinears(const at::Tensor& x, at::TensorList weights,
                                                        const std::vector<std::optional<at::Tensor>>& biases) {
  for (std::size_t i = 0; i < weights.size(); i++)
    if (!fits(x, weights[i], biases[i]) || weights[i].stride(1) != 1) return std::nullopt;
  const ProductKernels* kernels = kernelsFor(x.scalar_type());
  if (kernels == nullptr || weights.empty()) return std::nullopt;

  const at::Tensor rows = asRows(x);
  std::vector<at::Tensor> outputs, addends;
  std::vector<Products> layers;
  for (std::size_t i = 0; i < weights.size(); i++) {
    addends.push_back(contiguousBias(biases[i]));
    outputs.push_back(emptyOutput(x, weights[i].size(0)));
    layers.push_back(productsOf(rows, weights[i], addends[i], outputs[i]));
  }
  multiplyRowMajor(*kernels, layers, rows);
  return outputs;
}

}  // namespace xinghe
