// xinghe::paged_attention: attention over keys and values that lie in pages of 16 tokens, for the new tokens of several
// sequences at once. Stores the new keys and values, then attends.
//
// The bits of a query's result depend on the query, the keys and values that it sees and their positions, and on
// nothing else: not on what runs beside it, how a prompt is cut, which pages hold it, or the number of threads. So a
// sequence gives the same tokens alone and in a full batch.
//
// Shapes: T rows, H heads, E head_dim, P pages, N sequences, M blocks of a table, C key tables of S positions.
// compile flags (x64): -O3 -fopenmp-simd -fno-math-errno -fno-trapping-math
// compile flags (arm64): -O3 -fopenmp-simd -fno-math-errno -fno-trapping-math
#include "cpu/paged-attention.h"

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/empty.h>
#include <torch/library.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <optional>
#include <vector>

#include "cpu/parallel.h"
#include "cpu/vector-math.h"

namespace xinghe {
namespace {

using OptionalTensor = std::optional<at::Tensor>;

constexpr std::int64_t storeGrain = 16384;  // elements for which a second thread pays

bool given(const OptionalTensor& tensor) { return tensor.has_value() && tensor->defined(); }

AttentionType typeOf(const at::Tensor& q) {
  switch (q.scalar_type()) {
    case at::kDouble: return AttentionType::float64;
    case at::kFloat: return AttentionType::float32;
    case at::kBFloat16: return AttentionType::bfloat16;
    case at::kHalf: return AttentionType::float16;
    default:
      TORCH_CHECK_TYPE(false, "xinghe::paged_attention: q is ", q.scalar_type(),
                       "; it may be float64, float32, bfloat16 or float16");
  }
}

void checkTensor(const char* name, const at::Tensor& tensor, at::ScalarType type, at::IntArrayRef shape,
                 bool contiguous) {
  TORCH_CHECK_TYPE(tensor.scalar_type() == type, "xinghe::paged_attention: ", name, " is ", tensor.scalar_type(),
                   "; expected ", type);
  TORCH_CHECK_VALUE(tensor.sizes() == shape, "xinghe::paged_attention: ", name, " has shape ", tensor.sizes(),
                    "; expected ", shape);
  TORCH_CHECK_VALUE(tensor.device().is_cpu() && tensor.layout() == at::kStrided &&
                        (!contiguous || tensor.is_contiguous()),
                    "xinghe::paged_attention: ", name, " is not a contiguous tensor on the CPU");
}

struct Inputs {
  const at::Tensor &q, &k, &v, &keyPages, &valuePages;
  const OptionalTensor &keyScales, &valueScales;
  const at::Tensor &seen, &blockTables, &sequences;
  std::int64_t window;
  const OptionalTensor &keyCos, &keySin;
};

void checkShapes(const Inputs& in) {
  TORCH_CHECK_VALUE(in.q.dim() == 4 && in.q.size(0) == 1, "xinghe::paged_attention: q has shape ", in.q.sizes(),
                    "; expected [1, heads, rows, head_dim]");
  const auto type = in.q.scalar_type();
  typeOf(in.q);
  const std::int64_t heads = in.q.size(1), headDim = in.q.size(3);
  TORCH_CHECK_VALUE(headDim > 0 && headDim % 2 == 0, "xinghe::paged_attention: head_dim is ", headDim,
                    "; it must be even and above 0");
  checkTensor("q", in.q, type, in.q.sizes(), false);
  checkTensor("k", in.k, type, in.q.sizes(), false);
  checkTensor("v", in.v, type, in.q.sizes(), false);
  TORCH_CHECK_VALUE(in.keyPages.dim() == 4, "xinghe::paged_attention: key_pages has shape ", in.keyPages.sizes(),
                    "; expected [pages, heads, head_dim, 16]");
  const std::int64_t pages = in.keyPages.size(0);
  const bool int8 = in.keyPages.scalar_type() == at::kChar;
  const auto stored = int8 ? at::kChar : type;
  checkTensor("key_pages", in.keyPages, stored, {pages, heads, headDim, pageTokens}, true);
  checkTensor("value_pages", in.valuePages, stored, {pages, heads, pageTokens, headDim}, true);
  TORCH_CHECK_VALUE(given(in.keyScales) == int8 && given(in.valueScales) == int8,
                    "xinghe::paged_attention: pages of ", stored, int8 ? " need" : " take no",
                    " key_scales and value_scales");
  if (int8) {
    checkTensor("key_scales", *in.keyScales, at::kFloat, {pages, heads, pageTokens}, true);
    checkTensor("value_scales", *in.valueScales, at::kFloat, {pages, heads, pageTokens}, true);
  }
  checkTensor("seen", in.seen, at::kByte, {pages, pageTokens}, true);
  TORCH_CHECK_VALUE(in.sequences.dim() == 2 && in.blockTables.dim() == 2,
                    "xinghe::paged_attention: sequences and block_tables have shapes ", in.sequences.sizes(), " and ",
                    in.blockTables.sizes(), "; expected [sequences, 4] and [sequences, blocks]");
  checkTensor("sequences", in.sequences, at::kInt, {in.sequences.size(0), 4}, true);
  checkTensor("block_tables", in.blockTables, at::kInt, {in.sequences.size(0), in.blockTables.size(1)}, true);
  TORCH_CHECK_VALUE(in.window >= 0, "xinghe::paged_attention: window is ", in.window, "; it may be 0 (none) or above");
  TORCH_CHECK_VALUE(given(in.keyCos) == given(in.keySin),
                    "xinghe::paged_attention: key_cos and key_sin are given together or not at all");
  if (given(in.keyCos)) {
    TORCH_CHECK_VALUE(in.keyCos->dim() == 3, "xinghe::paged_attention: key_cos has shape ", in.keyCos->sizes(),
                      "; expected [tables, positions, head_dim]");
    const std::int64_t tables = in.keyCos->size(0), positions = in.keyCos->size(1);
    checkTensor("key_cos", *in.keyCos, type, {tables, positions, headDim}, true);
    checkTensor("key_sin", *in.keySin, type, {tables, positions, headDim}, true);
  }
}

// The sequences, after a check of every number that an address is made of.
std::vector<PagedSequence> checkedSequences(const Inputs& in) {
  const std::int64_t count = in.sequences.size(0), blocks = in.blockTables.size(1), rows = in.q.size(2);
  const std::int64_t pages = in.keyPages.size(0);
  const auto* numbers = in.sequences.const_data_ptr<std::int32_t>();
  const auto* tables = in.blockTables.const_data_ptr<std::int32_t>();
  std::vector<PagedSequence> sequences;
  sequences.reserve(static_cast<std::size_t>(count));
  std::vector<bool> taken(static_cast<std::size_t>(rows));
  for (std::int64_t n = 0; n < count; n++) {
    const PagedSequence s{numbers[4 * n], numbers[4 * n + 1], numbers[4 * n + 2], numbers[4 * n + 3],
                          tables + n * blocks};
    TORCH_CHECK_INDEX(s.firstRow >= 0 && s.rows >= 0 && s.firstRow + s.rows <= rows,
                      "xinghe::paged_attention: sequence ", n, " has rows ", s.firstRow, " to ",
                      s.firstRow + s.rows - 1, "; there are ", rows);
    for (std::int64_t row = s.firstRow; row < s.firstRow + s.rows; row++) {
      TORCH_CHECK_VALUE(!taken[static_cast<std::size_t>(row)], "xinghe::paged_attention: row ", row, " of sequence ",
                        n, " belongs to another one too");
      taken[static_cast<std::size_t>(row)] = true;
    }
    if (s.rows == 0) continue;
    const std::int64_t end = s.position + s.rows;
    TORCH_CHECK_INDEX(s.position >= 0 && end <= blocks * pageTokens, "xinghe::paged_attention: sequence ", n,
                      " has positions ", s.position, " to ", end - 1, "; its table of ", blocks, " blocks has room for ",
                      blocks * pageTokens);
    const std::int64_t firstSeen = in.window > 0 ? std::max<std::int64_t>(0, s.position - in.window + 1) : 0;
    for (std::int64_t block = firstSeen / pageTokens; block * pageTokens < end; block++) {
      const bool written = (block + 1) * pageTokens > s.position;
      TORCH_CHECK_INDEX(s.pages[block] < pages && s.pages[block] >= (written ? 0 : -1),
                        "xinghe::paged_attention: block ", block, " of sequence ", n, " lies in page ",
                        s.pages[block], "; there are ", pages, written ? ", and new tokens need one" : "");
    }
    if (given(in.keyCos)) {
      TORCH_CHECK_INDEX(s.keyTable >= 0 && s.keyTable < in.keyCos->size(0), "xinghe::paged_attention: sequence ", n,
                        " has key table ", s.keyTable, "; there are ", in.keyCos->size(0));
      TORCH_CHECK_INDEX(end <= in.keyCos->size(1), "xinghe::paged_attention: sequence ", n, " has position ", end - 1,
                        "; the key tables have ", in.keyCos->size(1));
    }
    sequences.push_back(s);
  }
  return sequences;
}

// The scale of a token's head, and the whole numbers; a head of zeros has scale 0.
template <typename Element>
XINGHE_VECTORISED float quantise(const Element* x, std::int8_t* out, std::int64_t step, std::int64_t headDim) {
  float largest = 0;
#pragma omp simd reduction(max : largest)
  for (std::int64_t e = 0; e < headDim; e++) {
    const float size = std::fabs(static_cast<float>(widen(x[e])));
    largest = size > largest ? size : largest;
  }
  const float scale = largest / 127.0f;
  for (std::int64_t e = 0; e < headDim; e++) {
    const float level = scale == 0 ? 0.0f : std::nearbyint(static_cast<float>(widen(x[e])) / scale);
    // A value that is not a number has no whole number either.
    out[e * step] = static_cast<std::int8_t>(level >= -127.0f && level <= 127.0f ? level : 0.0f);
  }
  return scale;
}

template <typename Element>
void storeRow(const PagedAttention& call, const PagedSequence& sequence, std::int64_t row) {
  const std::int64_t position = sequence.position + row, headDim = call.headDim;
  const std::int64_t page = sequence.pages[position / pageTokens], slot = position % pageTokens;
  for (std::int64_t head = 0; head < call.heads; head++) {
    const auto* k = static_cast<const Element*>(call.k.data) + head * call.k.headStride +
                    (sequence.firstRow + row) * call.k.rowStride;
    const auto* v = static_cast<const Element*>(call.v.data) + head * call.v.headStride +
                    (sequence.firstRow + row) * call.v.rowStride;
    const std::int64_t token = page * call.heads + head, keys = token * headDim * pageTokens + slot,
                       values = (token * pageTokens + slot) * headDim;
    if (call.keyScales != nullptr) {
      call.keyScales[token * pageTokens + slot] =
          quantise(k, static_cast<std::int8_t*>(call.keyPages) + keys, pageTokens, headDim);
      call.valueScales[token * pageTokens + slot] =
          quantise(v, static_cast<std::int8_t*>(call.valuePages) + values, 1, headDim);
    } else {
      auto* keyPage = static_cast<Element*>(call.keyPages) + keys;
      for (std::int64_t e = 0; e < headDim; e++) keyPage[e * pageTokens] = k[e];
      std::copy_n(v, headDim, static_cast<Element*>(call.valuePages) + values);
    }
  }
}

void storeNew(const PagedAttention& call, const std::vector<PagedSequence>& sequences, at::ScalarType type) {
  std::vector<std::pair<const PagedSequence*, std::int64_t>> rows;
  for (const PagedSequence& sequence : sequences)
    for (std::int64_t row = 0; row < sequence.rows; row++) rows.emplace_back(&sequence, row);
  withElementType(type, [&](auto element) {
    const std::int64_t perRow = 2 * call.heads * call.headDim;
    parallelRanges(static_cast<std::int64_t>(rows.size()), std::max<std::int64_t>(1, storeGrain / perRow),
                   [&](std::int64_t begin, std::int64_t end) {
                     for (std::int64_t i = begin; i < end; i++) {
                       const auto& [sequence, row] = rows[static_cast<std::size_t>(i)];
                       storeRow<decltype(element)>(call, *sequence, row);
                     }
                   });
  });
}

// key_cos or key_sin with 16 positions adjacent, widened once for all heads: [C, blocks, E, 16].
at::Tensor asLanes(const at::Tensor& table, std::int64_t positions) {
  const std::int64_t tables = table.size(0), headDim = table.size(2);
  const std::int64_t blocks = (positions + pageTokens - 1) / pageTokens;
  const auto wide = table.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  const at::Tensor lanes = at::empty({tables, blocks, headDim, pageTokens}, table.options().dtype(wide));
  withElementType(table.scalar_type(), [&](auto element) {
    using Element = decltype(element);
    const auto* from = table.const_data_ptr<Element>();
    auto* to = lanes.mutable_data_ptr<Wide<Element>>();
    parallelRanges(tables * blocks, std::max<std::int64_t>(1, storeGrain / (headDim * pageTokens)),
                   [&](std::int64_t begin, std::int64_t end) {
                     for (std::int64_t i = begin; i < end; i++)
                       for (std::int64_t lane = 0; lane < pageTokens; lane++) {
                         const std::int64_t position = i % blocks * pageTokens + lane;
                         for (std::int64_t e = 0; e < headDim; e++)
                           to[(i * headDim + e) * pageTokens + lane] =
                               position < table.size(1)
                                   ? widen(from[(i / blocks * table.size(1) + position) * headDim + e])
                                   : Wide<Element>(0);
                       }
                   });
  });
  return lanes;
}

// What one thread takes at a time: some neighbouring queries of one head.
struct Tile {
  const PagedSequence* sequence;
  std::int64_t head, row, rows;
};

std::vector<Tile> tilesOf(const PagedAttention& call, const std::vector<PagedSequence>& sequences) {
  std::vector<Tile> tiles;
  for (const PagedSequence& sequence : sequences)
    for (std::int64_t head = 0; head < call.heads; head++)
      for (std::int64_t row = 0; row < sequence.rows; row += tileRows)
        tiles.push_back({&sequence, head, row, std::min(tileRows, sequence.rows - row)});
  return tiles;
}

void attendAll(const PagedAttention& call, const std::vector<PagedSequence>& sequences, AttentionType type) {
  const std::vector<Tile> tiles = tilesOf(call, sequences);
  const AttendRows attend = attendKernel(type, call.keyScales != nullptr);
  const std::int64_t scratchBytes = attentionScratch(call.headDim, type);
  std::atomic<std::size_t> next{0};
  const auto threads = std::min<std::int64_t>(at::get_num_threads(), static_cast<std::int64_t>(tiles.size()));
  parallelRanges(threads, 1, [&](std::int64_t, std::int64_t) {
    const std::unique_ptr<std::byte[]> memory(new std::byte[static_cast<std::size_t>(scratchBytes) + 64]);
    void* scratch = memory.get();
    std::size_t space = static_cast<std::size_t>(scratchBytes) + 64;
    std::align(64, static_cast<std::size_t>(scratchBytes), scratch, space);
    for (std::size_t i = next.fetch_add(1); i < tiles.size(); i = next.fetch_add(1))
      attend(call, *tiles[i].sequence, tiles[i].head, tiles[i].row, tiles[i].rows, scratch);
  });
}

HeadRows rowsOf(const at::Tensor& tensor) { return {tensor.data_ptr(), tensor.stride(1), tensor.stride(2)}; }

at::Tensor adjacent(const at::Tensor& tensor) { return tensor.stride(3) == 1 ? tensor : tensor.contiguous(); }

at::Tensor onCpu(const at::Tensor& qGiven, const at::Tensor& kGiven, const at::Tensor& vGiven,
                 const at::Tensor& keyPages, const at::Tensor& valuePages, const OptionalTensor& keyScales,
                 const OptionalTensor& valueScales, const at::Tensor& seen, const at::Tensor& blockTables,
                 const at::Tensor& sequenceNumbers, std::int64_t window, const OptionalTensor& keyCos,
                 const OptionalTensor& keySin) {
  const Inputs in{qGiven, kGiven, vGiven, keyPages, valuePages, keyScales, valueScales, seen, blockTables,
                  sequenceNumbers, window, keyCos, keySin};
  checkShapes(in);
  const std::vector<PagedSequence> sequences = checkedSequences(in);
  const at::Tensor q = adjacent(qGiven), k = adjacent(kGiven), v = adjacent(vGiven);
  const std::int64_t heads = q.size(1), rows = q.size(2), headDim = q.size(3);
  const at::Tensor out = at::zeros({1, rows, heads, headDim}, q.options()).transpose(1, 2);
  std::int64_t positions = 0;
  for (const PagedSequence& sequence : sequences) positions = std::max(positions, sequence.position + sequence.rows);
  const bool turns = given(keyCos) && !sequences.empty();
  const at::Tensor cos = turns ? asLanes(*keyCos, positions) : at::Tensor();
  const at::Tensor sin = turns ? asLanes(*keySin, positions) : at::Tensor();
  const PagedAttention call{heads,
                            headDim,
                            blockTables.size(1),
                            window,
                            rowsOf(q),
                            rowsOf(k),
                            rowsOf(v),
                            rowsOf(out),
                            keyPages.data_ptr(),
                            valuePages.data_ptr(),
                            given(keyScales) ? keyScales->data_ptr<float>() : nullptr,
                            given(valueScales) ? valueScales->data_ptr<float>() : nullptr,
                            seen.const_data_ptr<std::uint8_t>(),
                            turns ? cos.const_data_ptr() : nullptr,
                            turns ? sin.const_data_ptr() : nullptr,
                            turns ? cos.size(1) : 0};
  storeNew(call, sequences, q.scalar_type());
  attendAll(call, sequences, typeOf(q));
  return out;
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(xinghe, library) {
  library.def(
      "paged_attention(Tensor q, Tensor k, Tensor v, Tensor(a!) key_pages, Tensor(b!) value_pages, "
      "Tensor(c!)? key_scales, Tensor(d!)? value_scales, Tensor seen, Tensor block_tables, Tensor sequences, "
      "int window, Tensor? key_cos, Tensor? key_sin) -> Tensor");
}
TORCH_LIBRARY_IMPL(xinghe, CPU, library) { library.impl("paged_attention", onCpu); }

}  // namespace xinghe
