// xinghe::paged_attention composed of libtorch's operators, sequence by sequence: for devices without a kernel of ours,
// and as the formula that the kernel is compared with (xinghe::paged_attention_composed, on any device).
//
// Shapes: T rows, H heads of queries, K heads of keys and values, G = H / K, E head_dim, P pages, N sequences, M blocks,
// n rows of a sequence, S keys of a sequence.
#include <ATen/core/List.h>

#include <cmath>
#include <limits>

#include "cpu/operators.h"
#include "cpu/paged-attention-checks.h"
#include "functions.h"

namespace xinghe {
namespace {

using Indices = c10::List<std::optional<at::Tensor>>;

struct Places {
  at::Tensor pages, slots;  // [n]
};

Places newPlaces(const PagedInputs& in, const PagedSequence& sequence, const at::Tensor& table) {
  const at::Tensor positions = wholeNumbers(sequence.position, sequence.position + sequence.rows, table.options());
  return {table.index_select(0, positions.div(pageTokens, "trunc")), positions.remainder(pageTokens)};
}

struct Quantised {
  at::Tensor levels, scales;  // int8 [n, K, E], float32 [n, K]
};

Quantised quantised(const at::Tensor& rows) {
  const at::Tensor wide = rows.to(at::kFloat);
  const at::Tensor scales = wide.abs().amax(-1).div(127);
  const at::Tensor levels = wide.div(scales.unsqueeze(-1)).round();
  return {levels.masked_fill(levels.abs().le(127).logical_not(), 0).to(at::kChar), scales};
}

void store(const PagedInputs& in, const PagedSequence& sequence, const at::Tensor& table) {
  const Places places = newPlaces(in, sequence, table);
  const auto newRows = [&](const at::Tensor& x) {
    return x.select(0, 0).narrow(1, sequence.firstRow, sequence.rows).transpose(0, 1);  // [n, K, E]
  };
  at::Tensor keys = newRows(in.k), values = newRows(in.v);
  const Indices tokens({places.pages, std::nullopt, places.slots});
  if (given(in.keyScales)) {
    const Quantised key = quantised(keys), value = quantised(values);
    at::Tensor keyScales = *in.keyScales, valueScales = *in.valueScales;
    keyScales.index_put_(tokens, key.scales);
    valueScales.index_put_(tokens, value.scales);
    keys = key.levels;
    values = value.levels;
  }
  at::Tensor keyPages = in.keyPages, valuePages = in.valuePages;
  keyPages.index_put_(Indices({places.pages, std::nullopt, std::nullopt, places.slots}), keys);
  valuePages.index_put_(tokens, values);
}

at::Tensor rotated(const PagedInputs& in, const PagedSequence& sequence, const at::Tensor& keys, std::int64_t first) {
  const auto table = [&](const OptionalTensor& tables) {
    return tables->select(0, sequence.keyTable).narrow(0, first, keys.size(1)).to(keys.scalar_type());
  };
  const auto halves = keys.chunk(2, -1);
  return keys.mul(table(in.keyCos))
      .add(concatenated({halves[1].neg(), halves[0]}, -1).mul(table(in.keySin)))
      .to(in.q.scalar_type())
      .to(keys.scalar_type());
}

at::Tensor attend(const PagedInputs& in, const PagedSequence& sequence, const at::Tensor& table) {
  const auto wide = in.q.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  const std::int64_t kvHeads = in.k.size(1), group = in.q.size(1) / kvHeads;
  const std::int64_t headDim = in.q.size(3), rows = sequence.rows, end = sequence.position + sequence.rows;
  const std::int64_t firstSeen = in.window > 0 ? std::max<std::int64_t>(0, sequence.position - in.window + 1) : 0;
  const std::int64_t firstBlock = firstSeen / pageTokens, first = firstBlock * pageTokens;
  const std::int64_t blocks = (end + pageTokens - 1) / pageTokens - firstBlock, count = end - first;
  const at::Tensor pages = table.narrow(0, firstBlock, blocks);
  const at::Tensor chosen = pages.clamp_min(0);
  const auto scaled = [&](const at::Tensor& levels, const OptionalTensor& scales) {
    const at::Tensor x = levels.to(wide);  // [blocks, K, 16, E]
    return given(scales) ? x.mul(scales->index_select(0, chosen).to(wide).unsqueeze(-1)) : x;
  };
  const auto inOrder = [&](const at::Tensor& x) {
    return x.transpose(0, 1).reshape({kvHeads, blocks * pageTokens, headDim}).narrow(1, 0, count);  // [K, S, E]
  };
  at::Tensor keys = inOrder(scaled(in.keyPages.index_select(0, chosen).transpose(2, 3), in.keyScales));
  const at::Tensor values = inOrder(scaled(in.valuePages.index_select(0, chosen), in.valueScales));
  if (given(in.keyCos)) keys = rotated(in, sequence, keys, first);

  const at::Tensor j = wholeNumbers(first, end, table.options());
  const at::Tensor i = wholeNumbers(sequence.position, end, table.options()).unsqueeze(1);
  const at::Tensor seen = in.seen.index_select(0, chosen).ne(0).logical_and(pages.ge(0).unsqueeze(1)).flatten();
  at::Tensor visible = j.lt(i).logical_and(seen.narrow(0, 0, count));
  if (in.window > 0) visible = visible.logical_and(j.gt(i.sub(in.window)));
  visible = visible.logical_or(j.eq(i));  // [n, S]

  const at::Tensor q = in.q.select(0, 0).narrow(1, sequence.firstRow, rows).to(wide);  // [H, n, E]
  // The rows of all heads that share keys and values, one after the other.
  const at::Tensor grouped = q.reshape({kvHeads, group * rows, headDim});
  const at::Tensor scores = grouped.matmul(keys.transpose(1, 2))
                                .div(std::sqrt(static_cast<double>(headDim)))
                                .reshape({kvHeads, group, rows, count});
  const at::Tensor weights =
      scores.masked_fill(visible.logical_not(), -std::numeric_limits<double>::infinity())
          .softmax(-1)
          .reshape({kvHeads, group * rows, count});
  // Weights of 0 do not hide what is not a number.
  const at::Tensor known = values.masked_fill(visible.any(0).logical_not().unsqueeze(-1), 0);
  return weights.matmul(known).reshape({kvHeads * group, rows, headDim}).to(in.q.scalar_type());
}

}  // namespace

at::Tensor pagedAttentionComposed(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const at::Tensor& keyPages,
                    const at::Tensor& valuePages, const OptionalTensor& keyScales, const OptionalTensor& valueScales,
                    const at::Tensor& seen, const at::Tensor& blockTables, const at::Tensor& sequenceNumbers,
                    std::int64_t window, const OptionalTensor& keyCos, const OptionalTensor& keySin) {
  const PagedInputs in{q, k, v, keyPages, valuePages, keyScales, valueScales, seen, blockTables, sequenceNumbers,
                       window, keyCos, keySin};
  checkPagedAttention(in);
  const at::Tensor numbers = sequenceNumbers.cpu(), tables = blockTables.cpu();
  const std::vector<PagedSequence> sequences = pagedSequences(in, numbers, tables);
  const at::Tensor wideTables = blockTables.to(at::kLong);
  const auto tableOf = [&](const PagedSequence& sequence) {
    return wideTables.select(0, (sequence.pages - tables.const_data_ptr<std::int32_t>()) / tables.size(1));
  };
  const at::Tensor out = zeroTensor({1, q.size(2), q.size(1), q.size(3)}, q.options()).transpose(1, 2);
  for (const PagedSequence& sequence : sequences) store(in, sequence, tableOf(sequence));
  for (const PagedSequence& sequence : sequences)
    out.select(0, 0).narrow(1, sequence.firstRow, sequence.rows).copy_(attend(in, sequence, tableOf(sequence)));
  return out;
}

}  // namespace xinghe
