// The loops of the batch-invariant products, for one processor: every file products-….cpp includes this with the
// vectors of its processor and is compiled with flags of its own. Nothing here may be shared between such files
// (hence the unnamed namespace, and no header of libtorch or of the standard library's templates).
//
// y = x W^T + b. Every element of y is summed in one order that depends on K alone: chunks of K one after another,
// within a chunk what the two layouts say below. Tiles, blocks and threads only decide which elements are summed at
// the same time, so the bits of a row do not depend on the other rows.
//
// Shapes: N rows, K input features, M output features.
#pragma once

#include <cstdint>

#include "cpu/products.h"

namespace xinghe {
namespace {

#define XINGHE_UNROLL _Pragma("GCC unroll 16")

// What a file must bring for an element type, here called `Type`:
//   Stored                       an element in memory; Sum: the type of sums (float, or double for double)
//   Operand, Accumulator         a vector as it is multiplied, a vector of sums
//   step, parts                  elements that are loaded at once, and the vectors that they become
//   rowTile                      rows of x in a register tile, at four outputs
//   load, loadPart               `step` elements, or the first `count` of them and zeros
//   fetch, keep                  an Operand from and to aligned memory
//   multiplyAdd(x, w, sum)
//   addSums(a, b, c, d, sums)    adds the sum over the lanes of each to sums[0…3]
//   narrow(Sum)                  rounds to Stored
// and for weights [K, M]:
//   Pair                         what is broadcast: `depth` adjacent elements of a row of x
//   lanes, columnVectors, columnRowTile: outputs in a vector, vectors and rows in a register tile
//   pair(x, count)               a Pair from the first `count` <= depth elements
//   broadcast(Pair)
//   loadColumns(w, stride, depth, count)  `depth` rows of w, `count` <= lanes columns, the rest zeros
//   addVector(a, sums)           adds the lanes of a to sums[0…lanes)

// A chunk is 4 KiB of vectors in the first layout and 128 steps in the second: sums one after another of 256 steps were
// less exact than those of libtorch.
template <typename Type>
constexpr std::int64_t chunkSteps =
    std::int64_t{4096} / static_cast<std::int64_t>(sizeof(typename Type::Operand) * Type::parts);
constexpr std::int64_t columnChunkSteps = 128;

inline std::int64_t least(std::int64_t a, std::int64_t b) { return a < b ? a : b; }
inline std::int64_t ceilDivide(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

// Rows first … first + count of a block of `rows`, cut into panels of at most `tile` rows that differ by one.
struct Panels {
  std::int64_t rows, count;
  Panels(std::int64_t rows_, std::int64_t tile) : rows(rows_), count(ceilDivide(rows_, tile)) {}
  std::int64_t first(std::int64_t panel) const { return panel * (rows / count) + least(panel, rows % count); }
  std::int64_t size(std::int64_t panel) const { return rows / count + (panel < rows % count ? 1 : 0); }
};

// Calls kernel with a constant equal to `rows`, 1 … Tile.
template <int Rows>
struct Constant {
  static constexpr int value = Rows;
};
template <int Tile, typename Kernel>
inline void withRows(std::int64_t rows, const Kernel& kernel) {
  if constexpr (Tile > 1) {
    if (rows < Tile) return withRows<Tile - 1>(rows, kernel);
  }
  kernel(Constant<Tile>{});
}

// ---- Weights [M, K]: lanes lie along K. Lane i of a chunk sums the products of elements i, i + step, …; the lanes
// are then added in the order of addSums.

// Packed x: for each panel [step][row of the panel][part], so that a tile reads it in one stream.
template <typename Type>
std::int64_t packedInputBytes(std::int64_t rows, std::int64_t k) {
  return rows * ceilDivide(k, Type::step) * Type::parts * static_cast<std::int64_t>(sizeof(typename Type::Operand));
}

template <typename Type>
void packInputs(const void* input, std::int64_t rowStride, std::int64_t rows, std::int64_t k, std::int64_t panel,
                void* packed) {
  using Operand = typename Type::Operand;
  const Panels panels(rows, Type::rowTile);
  const std::int64_t first = panels.first(panel), size = panels.size(panel);
  const std::int64_t steps = ceilDivide(k, Type::step);
  auto* target = static_cast<Operand*>(packed) + first * steps * Type::parts;
  const auto* x = static_cast<const typename Type::Stored*>(input) + first * rowStride;
  for (std::int64_t row = 0; row < size; row++)
    for (std::int64_t s = 0; s < steps; s++) {
      Operand parts[Type::parts];
      const auto* from = x + row * rowStride + s * Type::step;
      const std::int64_t count = k - s * Type::step;
      if (count >= Type::step)
        Type::load(from, parts);
      else
        Type::loadPart(from, count, parts);
      for (int p = 0; p < Type::parts; p++) Type::keep(target + (s * size + row) * Type::parts + p, parts[p]);
    }
}

// Asks for the part of W that is read next, in the order of memory and into the second cache, while the part before it
// is multiplied: by itself the processor follows no stream past the end of its page. Addresses are numbers here, as
// the last may lie past the end of the weight.
class Ahead {
 public:
  Ahead(std::uintptr_t first, std::int64_t rowBytes, std::int64_t rowStride, std::int64_t rows, std::int64_t lines)
      : next_(first), end_(first + static_cast<std::uintptr_t>(rowBytes)), stride_(static_cast<std::uintptr_t>(rowStride)),
        bytes_(static_cast<std::uintptr_t>(rowBytes)), rows_(rows), lines_(lines) {}

  inline void advance() {
    for (std::int64_t i = 0; i < lines_ && rows_ > 0; i++) {
      __builtin_prefetch(reinterpret_cast<const void*>(next_), 0, 2);
      next_ += line;
      if (next_ < end_) continue;
      end_ += stride_;
      next_ = end_ - bytes_;
      rows_--;
    }
  }

 private:
  static constexpr std::uintptr_t line = 64;
  std::uintptr_t next_, end_, stride_, bytes_;
  std::int64_t rows_, lines_;
};

// A chunk of four rows of W as they lie in memory.
template <typename Type>
struct StoredWeights {
  const typename Type::Stored* rows[4];
  std::int64_t full;  // whole steps
  std::int64_t part;  // elements in the step after them
  Ahead& ahead;
  static constexpr bool partsApart = false;

  inline void load(std::int64_t s, int output, typename Type::Operand (&parts)[Type::parts]) const {
    Type::load(rows[output] + s * Type::step, parts);
  }
  inline void loadLast(int output, typename Type::Operand (&parts)[Type::parts]) const {
    Type::loadPart(rows[output] + full * Type::step, part, parts);
  }
  inline void advance() const { ahead.advance(); }
};

// Four rows of W as packWeights left them: [step][row][part].
template <typename Type>
struct PackedWeights {
  const typename Type::Operand* packed;
  std::int64_t full;
  static constexpr std::int64_t part = 0;
  static constexpr bool partsApart = true;

  inline typename Type::Operand loadOne(std::int64_t s, int output, int part) const {
    return Type::fetch(packed + (s * 4 + output) * Type::parts + part);
  }
  inline void loadLast(int, typename Type::Operand (&)[Type::parts]) const {}
  inline void advance() const {}
};

// sums[row][0 … 3] += the products of a chunk.
template <typename Type, int Rows, typename Weights>
inline void multiplyTile(const typename Type::Operand* x, const Weights& weights, typename Type::Sum* sums,
                         std::int64_t sumStride) {
  using Operand = typename Type::Operand;
  typename Type::Accumulator sum[Rows][4];
  XINGHE_UNROLL for (int row = 0; row < Rows; row++)
      XINGHE_UNROLL for (int output = 0; output < 4; output++) sum[row][output] = Type::zero();
  const auto addPart = [&](int output, int part, const Operand& w) __attribute__((always_inline)) {
    XINGHE_UNROLL for (int row = 0; row < Rows; row++) sum[row][output] =
        Type::multiplyAdd(Type::fetch(x + row * Type::parts + part), w, sum[row][output]);
  };
  const auto addStep = [&](int output, const Operand(&w)[Type::parts]) __attribute__((always_inline)) {
    XINGHE_UNROLL for (int part = 0; part < Type::parts; part++) addPart(output, part, w[part]);
  };
  for (std::int64_t s = 0; s < weights.full; s++) {
    weights.advance();
    if constexpr (Weights::partsApart) {
      // All outputs of a part: its vectors of x stay in registers, where those of all parts would not. An output's order of
      // sums is the same.
      XINGHE_UNROLL for (int part = 0; part < Type::parts; part++)
          XINGHE_UNROLL for (int output = 0; output < 4; output++)
              addPart(output, part, weights.loadOne(s, output, part));
    } else {
      XINGHE_UNROLL for (int output = 0; output < 4; output++) {
        Operand w[Type::parts];
        weights.load(s, output, w);
        addStep(output, w);
      }
    }
    x += Rows * Type::parts;
  }
  if (weights.part != 0) {
    XINGHE_UNROLL for (int output = 0; output < 4; output++) {
      Operand w[Type::parts];
      weights.loadLast(output, w);
      addStep(output, w);
    }
  }
  XINGHE_UNROLL for (int row = 0; row < Rows; row++)
      Type::addSums(sum[row][0], sum[row][1], sum[row][2], sum[row][3], sums + row * sumStride);
}

template <typename Type>
void writeOutputs(const Products& products, std::int64_t firstRow, std::int64_t rows, std::int64_t firstOutput,
                  std::int64_t outputs, const typename Type::Sum* sums, std::int64_t sumStride) {
  using Stored = typename Type::Stored;
  const auto* bias = static_cast<const Stored*>(products.bias);
  auto* y = static_cast<Stored*>(products.output);
  for (std::int64_t row = 0; row < rows; row++)
    for (std::int64_t output = 0; output < outputs; output++) {
      typename Type::Sum value = sums[row * sumStride + output];
      if (bias != nullptr) value += Type::widen(bias[firstOutput + output]);
      y[(firstRow + row) * products.outputs + firstOutput + output] = Type::narrow(value);
    }
}

// All rows times outputs first … first + count, at most 16; sums: [rows][16]. A chunk of W serves all panels, and a panel of
// x all of the outputs, while they are in the cache.
template <typename Type>
void addStored(const Products& products, std::int64_t firstOutput, std::int64_t count, typename Type::Sum* sums) {
  using Stored = typename Type::Stored;
  constexpr std::int64_t bytes = sizeof(Stored), chunk = chunkSteps<Type> * Type::step;
  const Panels panels(products.rows, Type::rowTile);
  const std::int64_t steps = ceilDivide(products.inputs, Type::step), stride = products.weightStride;
  const auto* weight = static_cast<const Stored*>(products.weight);
  const auto* x = static_cast<const typename Type::Operand*>(products.packedInput);
  // As many lines as a step of four rows holds, spread over the panels that multiply them.
  const std::int64_t lines = ceilDivide(4 * Type::step * bytes, 64 * panels.count);
  for (std::int64_t start = 0; start < products.inputs; start += chunk) {
    const std::int64_t elements = least(products.inputs - start, chunk);
    const bool isLast = start + chunk >= products.inputs;
    const std::int64_t nextRow = isLast ? firstOutput + count : firstOutput, nextStart = isLast ? 0 : start + chunk;
    Ahead ahead(reinterpret_cast<std::uintptr_t>(weight) + static_cast<std::uintptr_t>((nextRow * stride + nextStart) * bytes),
                least(products.inputs - nextStart, chunk) * bytes, stride * bytes,
                least(count, products.outputs - nextRow), lines);
    for (std::int64_t panel = 0; panel < panels.count; panel++) {
      const std::int64_t first = panels.first(panel), size = panels.size(panel);
      const auto* rows = x + (first * steps + start / Type::step * size) * Type::parts;
      for (std::int64_t output = 0; output < count; output += 4) {
        StoredWeights<Type> weights{{}, elements / Type::step, elements % Type::step, ahead};
        // Outputs past the end repeat the last one, and are not written.
        for (int i = 0; i < 4; i++)
          weights.rows[i] = weight + least(firstOutput + output + i, products.outputs - 1) * stride + start;
        withRows<Type::rowTile>(size, [&](auto constant) {
          multiplyTile<Type, constant.value>(rows, weights, sums + first * 16 + output, 16);
        });
      }
    }
  }
}

// All rows times outputs first … end, with W read once from where it lies. sums: [rows][16].
template <typename Type>
void multiplyStored(const Products& products, std::int64_t firstOutput, std::int64_t endOutput, void* scratch) {
  auto* sums = static_cast<typename Type::Sum*>(scratch);
  // One panel has nothing to share: W is read as it lies, four rows to their end.
  const std::int64_t together = products.rows <= Type::rowTile ? 4 : 16;
  for (std::int64_t output = firstOutput; output < endOutput; output += 16) {
    const std::int64_t count = least(16, endOutput - output);
    for (std::int64_t i = 0; i < products.rows * 16; i++) sums[i] = 0;
    for (std::int64_t i = 0; i < count; i += together)
      addStored<Type>(products, output + i, least(together, count - i), sums + i);
    writeOutputs<Type>(products, 0, products.rows, output, count, sums, 16);
  }
}

// Rows first … end times outputs first … end, with each chunk of that part of W copied to where four rows of it are
// one stream, for all rows of x. scratch: [outputs rounded up to 4][4096 bytes], then sums [rows][outputs].
template <typename Type>
void multiplyPacked(const Products& products, std::int64_t firstPanel, std::int64_t endPanel,
                    std::int64_t firstOutput, std::int64_t endOutput, void* scratch) {
  using Stored = typename Type::Stored;
  using Operand = typename Type::Operand;
  const Panels panels(products.rows, Type::rowTile);
  const std::int64_t steps = ceilDivide(products.inputs, Type::step);
  const std::int64_t outputs = ceilDivide(endOutput - firstOutput, 4) * 4;
  const std::int64_t firstRow = panels.first(firstPanel), rows = panels.first(endPanel) - firstRow;
  const auto* weight = static_cast<const Stored*>(products.weight);
  const auto* x = static_cast<const Operand*>(products.packedInput);
  auto* packed = static_cast<Operand*>(scratch);
  auto* sums = reinterpret_cast<typename Type::Sum*>(static_cast<char*>(scratch) + outputs * 4096);
  for (std::int64_t i = 0; i < rows * outputs; i++) sums[i] = 0;
  for (std::int64_t start = 0; start < steps; start += chunkSteps<Type>) {
    const std::int64_t count = least(steps - start, chunkSteps<Type>);
    for (std::int64_t output = 0; output < outputs; output++) {
      const auto* row = weight + least(firstOutput + output, products.outputs - 1) * products.weightStride;
      auto* target = packed + ((output / 4) * count * 4 + output % 4) * Type::parts;
      for (std::int64_t s = 0; s < count; s++) {
        Operand parts[Type::parts];
        const std::int64_t element = (start + s) * Type::step;
        if (element + Type::step <= products.inputs)
          Type::load(row + element, parts);
        else
          Type::loadPart(row + element, products.inputs - element, parts);
        for (int p = 0; p < Type::parts; p++) Type::keep(target + s * 4 * Type::parts + p, parts[p]);
      }
    }
    for (std::int64_t panel = firstPanel; panel < endPanel; panel++) {
      const std::int64_t first = panels.first(panel), size = panels.size(panel);
      const auto* panelX = x + (first * steps + start * size) * Type::parts;
      for (std::int64_t output = 0; output < outputs; output += 4)
        withRows<Type::rowTile>(size, [&](auto constant) {
          multiplyTile<Type, constant.value>(panelX, PackedWeights<Type>{packed + output * count * Type::parts, count},
                                             sums + (first - firstRow) * outputs + output, outputs);
        });
    }
  }
  writeOutputs<Type>(products, firstRow, rows, firstOutput, endOutput - firstOutput, sums, outputs);
}

// ---- Weights [K, M]: lanes lie along M. Within a chunk an output sums the products of its steps one after another.

// Packed x: for each panel [step][row of the panel].
template <typename Type>
std::int64_t packedPairBytes(std::int64_t rows, std::int64_t k) {
  return rows * ceilDivide(k, Type::depth) * static_cast<std::int64_t>(sizeof(typename Type::Pair));
}

template <typename Type>
void packPairs(const void* input, std::int64_t rowStride, std::int64_t rows, std::int64_t k, std::int64_t panel,
               void* packed) {
  const Panels panels(rows, Type::columnRowTile);
  const std::int64_t first = panels.first(panel), size = panels.size(panel);
  const std::int64_t steps = ceilDivide(k, Type::depth);
  auto* target = static_cast<typename Type::Pair*>(packed) + first * steps;
  const auto* x = static_cast<const typename Type::Stored*>(input) + first * rowStride;
  for (std::int64_t row = 0; row < size; row++)
    for (std::int64_t s = 0; s < steps; s++)
      target[s * size + row] =
          Type::pair(x + row * rowStride + s * Type::depth, least(Type::depth, k - s * Type::depth));
}

template <typename Type, int Rows>
inline void multiplyColumnTile(const typename Type::Pair* x, const typename Type::Operand* w, std::int64_t steps,
                               typename Type::Sum* sums, std::int64_t sumStride) {
  constexpr int vectors = Type::columnVectors;
  typename Type::Accumulator sum[Rows][vectors];
  XINGHE_UNROLL for (int row = 0; row < Rows; row++)
      XINGHE_UNROLL for (int v = 0; v < vectors; v++) sum[row][v] = Type::zero();
  for (std::int64_t s = 0; s < steps; s++) {
    typename Type::Operand columns[vectors];
    XINGHE_UNROLL for (int v = 0; v < vectors; v++) columns[v] = Type::fetch(w + s * vectors + v);
    XINGHE_UNROLL for (int row = 0; row < Rows; row++) {
      const auto value = Type::broadcast(x[s * Rows + row]);
      XINGHE_UNROLL for (int v = 0; v < vectors; v++) sum[row][v] = Type::multiplyAdd(value, columns[v], sum[row][v]);
    }
  }
  XINGHE_UNROLL for (int row = 0; row < Rows; row++)
      XINGHE_UNROLL for (int v = 0; v < vectors; v++)
          Type::addVector(sum[row][v], sums + row * sumStride + v * Type::lanes);
}

// One step of outputs first … end, groupStride vectors from one group to the next. Later steps are asked for on the
// way: each is a page or more from the one before, where the processor follows no stream.
template <typename Type>
inline void packColumns(const Products& products, std::int64_t element, std::int64_t firstOutput,
                        std::int64_t endOutput, typename Type::Operand* packed, std::int64_t groupStride) {
  using Stored = typename Type::Stored;
  constexpr std::int64_t stepsAhead = 8, bytes = sizeof(Stored), lanes = Type::lanes;
  constexpr std::int64_t group = Type::columnVectors * lanes;
  const std::int64_t stride = products.weightStride;
  const std::int64_t depth = least(Type::depth, products.inputs - element);
  const auto* row = static_cast<const Stored*>(products.weight) + element * stride + firstOutput;
  const auto ahead = reinterpret_cast<std::uintptr_t>(row) +
                     static_cast<std::uintptr_t>(stepsAhead * Type::depth * stride * bytes);
  const std::int64_t outputs = endOutput - firstOutput;
  for (std::int64_t output = 0; output < ceilDivide(outputs, group) * group; output += lanes) {
    auto* target = packed + output / group * groupStride + output % group / lanes;
    for (std::int64_t i = 0; i < Type::depth; i++)
      __builtin_prefetch(
          reinterpret_cast<const void*>(ahead + static_cast<std::uintptr_t>((i * stride + output) * bytes)), 0, 2);
    if (output + lanes <= outputs && depth == Type::depth)
      Type::keep(target, Type::loadColumns(row + output, stride, Type::depth, lanes));
    else if (output < outputs)
      Type::keep(target, Type::loadColumns(row + output, stride, depth, least(lanes, outputs - output)));
    else
      Type::keep(target, Type::nothing());
  }
}

// Rows first … end times outputs first … end. scratch: the chunk of W [group of outputs][step][vector], then sums
// [rows][outputs rounded up to whole groups].
template <typename Type>
void multiplyColumns(const Products& products, std::int64_t firstPanel, std::int64_t endPanel,
                     std::int64_t firstOutput, std::int64_t endOutput, void* scratch) {
  using Operand = typename Type::Operand;
  constexpr std::int64_t group = Type::columnVectors * Type::lanes;
  const Panels panels(products.rows, Type::columnRowTile);
  const std::int64_t steps = ceilDivide(products.inputs, Type::depth);
  const std::int64_t groups = ceilDivide(endOutput - firstOutput, group), outputs = groups * group;
  const std::int64_t firstRow = panels.first(firstPanel), rows = panels.first(endPanel) - firstRow;
  const auto* x = static_cast<const typename Type::Pair*>(products.packedInput);
  auto* packed = static_cast<Operand*>(scratch);
  auto* sums = reinterpret_cast<typename Type::Sum*>(packed + groups * columnChunkSteps * Type::columnVectors);
  for (std::int64_t i = 0; i < rows * outputs; i++) sums[i] = 0;
  for (std::int64_t start = 0; start < steps; start += columnChunkSteps) {
    const std::int64_t count = least(steps - start, columnChunkSteps);
    for (std::int64_t s = 0; s < count; s++)
      packColumns<Type>(products, (start + s) * Type::depth, firstOutput, endOutput,
                        packed + s * Type::columnVectors, count * Type::columnVectors);
    for (std::int64_t panel = firstPanel; panel < endPanel; panel++) {
      const std::int64_t first = panels.first(panel), size = panels.size(panel);
      const auto* panelX = x + first * steps + start * size;
      for (std::int64_t i = 0; i < groups; i++)
        withRows<Type::columnRowTile>(size, [&](auto constant) {
          multiplyColumnTile<Type, constant.value>(panelX, packed + i * count * Type::columnVectors, count,
                                                   sums + (first - firstRow) * outputs + i * group, outputs);
        });
    }
  }
  writeOutputs<Type>(products, firstRow, rows, firstOutput, endOutput - firstOutput, sums, outputs);
}

template <typename Type>
constexpr ProductKernels kernelsOf() {
  return {
      .rowTile = Type::rowTile,
      .columnRowTile = Type::columnRowTile,
      .columnGroup = Type::columnVectors * Type::lanes,
      .columnGroupBytes = columnChunkSteps * Type::columnVectors * static_cast<std::int64_t>(sizeof(typename Type::Operand)),
      .sumBytes = sizeof(typename Type::Sum),
      .packedInputBytes = packedInputBytes<Type>,
      .packInputs = packInputs<Type>,
      .multiplyStored = multiplyStored<Type>,
      .multiplyPacked = multiplyPacked<Type>,
      .packedPairBytes = packedPairBytes<Type>,
      .packPairs = packPairs<Type>,
      .multiplyColumns = multiplyColumns<Type>,
  };
}

}  // namespace
}  // namespace xinghe
