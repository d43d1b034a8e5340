// xinghe::paged_attention: attention over keys and values that lie in pages of 16 tokens, for the new tokens of several
// sequences at once. Stores the new keys and values, then attends.
//
// The bits of a query's result depend on the query, the keys and values that it sees and their positions, and on
// nothing else: not on what runs beside it, how a prompt is cut, which pages hold it, or the number of threads. So a
// sequence gives the same tokens alone and in a full batch.
//
// Shapes: T rows, H heads of queries, K heads of keys and values, G = H / K, E head_dim, P pages, N sequences, M blocks of
// a table, C key tables of S positions.
// compile flags (x64): -O3 -fopenmp-simd -fno-math-errno -fno-trapping-math
// compile flags (arm64): -O3 -fopenmp-simd -fno-math-errno -fno-trapping-math
#include "cpu/paged-attention-checks.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "cpu/operators.h"
#include "cpu/parallel.h"
#include "cpu/vector-math.h"
#include "functions.h"

namespace xinghe {
namespace {

constexpr std::int64_t storeGrain = 16384;   // elements for which a second thread pays
constexpr std::int64_t attendGrain = 65536;  // products of queries and keys for which one more thread pays

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
  for (std::int64_t head = 0; head < call.kvHeads; head++) {
    const auto* k = static_cast<const Element*>(call.k.data) + head * call.k.headStride +
                    (sequence.firstRow + row) * call.k.rowStride;
    const auto* v = static_cast<const Element*>(call.v.data) + head * call.v.headStride +
                    (sequence.firstRow + row) * call.v.rowStride;
    const std::int64_t token = page * call.kvHeads + head, keys = token * headDim * pageTokens + slot,
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
    const std::int64_t perRow = 2 * call.kvHeads * call.headDim;
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
  const at::Tensor lanes = emptyTensor({tables, blocks, headDim, pageTokens}, table.options().dtype(wide));
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

// The keys of a block as their positions rotate them, rounded to the dtype as xinghe::rotary does.
template <typename Element, typename Stored>
XINGHE_VECTORISED void rotateBlock(const Stored* keys, const float* scales, const Wide<Element>* cos,
                                 const Wide<Element>* sin, Wide<Element>* rotated, std::int64_t headDim) {
  using W = Wide<Element>;
  const std::int64_t half = headDim / 2;
  const auto at = [&](std::int64_t place, std::int64_t lane) -> W {
    if constexpr (std::is_same_v<Stored, std::int8_t>) return static_cast<W>(keys[place]) * scales[lane];
    else return widen(keys[place]);
  };
  for (std::int64_t e = 0; e < half; e++) {
#pragma omp simd
    for (std::int64_t lane = 0; lane < pageTokens; lane++) {
      const std::int64_t i = e * pageTokens + lane, j = i + half * pageTokens;
      const W first = at(i, lane), second = at(j, lane);
      rotated[i] = rounded<Element>(first * cos[i] - second * sin[i]);
      rotated[j] = rounded<Element>(second * cos[j] + first * sin[j]);
    }
  }
}

template <typename Element, typename Stored>
void rotateKeys(const PagedAttention& call, const PagedSequence& sequence, std::int64_t kvHead, std::int64_t block,
              void* rotated) {
  using W = Wide<Element>;
  const std::int64_t token = sequence.pages[block] * call.kvHeads + kvHead, size = call.headDim * pageTokens;
  const std::int64_t table = (sequence.keyTable * call.rotatedBlocks + block) * size;
  rotateBlock<Element, Stored>(static_cast<const Stored*>(call.keyPages) + token * size,
                             call.keyScales == nullptr ? nullptr : call.keyScales + token * pageTokens,
                             static_cast<const W*>(call.cosLanes) + table, static_cast<const W*>(call.sinLanes) + table,
                             static_cast<W*>(rotated), call.headDim);
}

AttentionType typeOf(const at::Tensor& q) {
  switch (q.scalar_type()) {
    case at::kDouble: return AttentionType::float64;
    case at::kFloat: return AttentionType::float32;
    case at::kBFloat16: return AttentionType::bfloat16;
    default: return AttentionType::float16;
  }
}

AttendTile attentionKernel(AttentionType type, bool int8) {
#if defined(__x86_64__)
  // What libtorch found, or was told by ATEN_CPU_CAPABILITY.
  const std::string_view capability = cpuCapability();
  if (capability == "AVX512") return avx512Attention(type, int8);
  if (capability == "AVX2") return avx2Attention(type, int8);
#endif
  return plainAttention(type, int8);
}

// How many heads of those that share keys and values go into one tile: all of them, so that what is read of the pages
// serves all, unless threads would be left without work.
std::int64_t headsOfTile(const PagedAttention& call, const std::vector<PagedSequence>& sequences) {
  const std::int64_t group = call.heads / call.kvHeads;
  std::int64_t parts = (group + tileQueries - 1) / tileQueries, rowTiles = 0;
  for (const PagedSequence& sequence : sequences) rowTiles += (sequence.rows * group + tileQueries - 1) / tileQueries;
  while (parts < group && rowTiles * parts * call.kvHeads < at::get_num_threads()) parts = std::min(group, 2 * parts);
  return (group + parts - 1) / parts;
}

// What one thread takes at a time, in the order in which threads take them: heads of keys and values one after the
// other, as a head's pages stay in the cache; of each the last rows, which see the most, first.
std::vector<AttentionTile> tilesOf(const PagedAttention& call, const std::vector<PagedSequence>& sequences) {
  const std::int64_t group = call.heads / call.kvHeads, most = headsOfTile(call, sequences);
  const std::int64_t tileRows = std::max<std::int64_t>(1, tileQueries / most);
  std::vector<AttentionTile> tiles;
  for (const PagedSequence& sequence : sequences)
    for (std::int64_t kvHead = 0; kvHead < call.kvHeads; kvHead++)
      for (std::int64_t end = sequence.rows; end > 0; end -= tileRows) {
        const std::int64_t row = std::max<std::int64_t>(0, end - tileRows);
        for (std::int64_t first = 0; first < group; first += most)
          tiles.push_back(
              {&sequence, kvHead, kvHead * group + first, std::min(most, group - first), row, end - row});
      }
  return tiles;
}

// scratch: q and out [rows, heads, E], and what the kernel asks for.
template <typename Element>
void attendElements(const PagedAttention& call, const AttentionTile& tile, AttendTile attend, Wide<Element>* scratch) {
  using W = Wide<Element>;
  const std::int64_t headDim = call.headDim, row = tile.sequence->firstRow + tile.row;
  const std::int64_t queries = tile.rows * tile.heads;
  W* q = scratch;
  W* out = q + queries * headDim;
  const auto place = [&](const HeadRows& rows, std::int64_t i) {
    return static_cast<Element*>(rows.data) + (tile.head + i % tile.heads) * rows.headStride +
           (row + i / tile.heads) * rows.rowStride;
  };
  for (std::int64_t i = 0; i < queries; i++) {
    const Element* from = place(call.q, i);
    for (std::int64_t e = 0; e < headDim; e++) q[i * headDim + e] = widen(from[e]);
  }
  attend(call, tile, q, out, out + queries * headDim);
  for (std::int64_t i = 0; i < queries; i++) {
    Element* to = place(call.out, i);
    for (std::int64_t e = 0; e < headDim; e++) to[e] = narrow<Element>(out[i * headDim + e]);
  }
}

void attendAll(const PagedAttention& call, const std::vector<PagedSequence>& sequences, at::ScalarType type,
               AttendTile attend) {
  const std::vector<AttentionTile> tiles = tilesOf(call, sequences);
  std::int64_t queries = 0, pairs = 0;
  for (const AttentionTile& tile : tiles) {
    queries = std::max(queries, tile.rows * tile.heads);
    const std::int64_t keys = tile.sequence->position + tile.row + tile.rows;
    pairs += tile.rows * tile.heads * (call.window > 0 ? std::min(keys, call.window) : keys);
  }
  const auto elements = static_cast<std::size_t>(2 * queries * call.headDim +
                                                 attentionScratch(queries, call.headDim, call.rotateKeys != nullptr));
  const auto most = std::min<std::int64_t>(at::get_num_threads(), static_cast<std::int64_t>(tiles.size()));
  const auto threads = std::clamp<std::int64_t>(pairs * call.headDim / attendGrain, 1, std::max<std::int64_t>(1, most));
  std::atomic<std::size_t> next{0};
  withElementType(type, [&](auto element) {
    using Element = decltype(element);
    parallelRanges(threads, 1, [&](std::int64_t, std::int64_t) {
      const std::unique_ptr<Wide<Element>[]> scratch(new Wide<Element>[elements]);
      for (std::size_t i = next.fetch_add(1); i < tiles.size(); i = next.fetch_add(1))
        attendElements<Element>(call, tiles[i], attend, scratch.get());
    });
  });
}

HeadRows rowsOf(const at::Tensor& tensor) { return {tensor.data_ptr(), tensor.stride(1), tensor.stride(2)}; }

at::Tensor adjacent(const at::Tensor& tensor) { return tensor.stride(3) == 1 ? tensor : tensor.contiguous(); }

}  // namespace

at::Tensor pagedAttention(const at::Tensor& qGiven, const at::Tensor& kGiven, const at::Tensor& vGiven,
                 const at::Tensor& keyPages, const at::Tensor& valuePages, const OptionalTensor& keyScales,
                 const OptionalTensor& valueScales, const at::Tensor& attended, const at::Tensor& blockTables,
                 const at::Tensor& sequenceNumbers, std::int64_t window, const OptionalTensor& keyCos,
                 const OptionalTensor& keySin) {
  const PagedInputs in{qGiven, kGiven, vGiven, keyPages, valuePages, keyScales, valueScales, attended, blockTables,
                       sequenceNumbers, window, keyCos, keySin};
  checkPagedAttention(in);
  const std::vector<PagedSequence> sequences = pagedSequences(in, sequenceNumbers, blockTables);
  const at::Tensor q = adjacent(qGiven), k = adjacent(kGiven), v = adjacent(vGiven);
  const std::int64_t heads = q.size(1), rows = q.size(2), headDim = q.size(3);
  const at::Tensor out = zeroTensor({1, rows, heads, headDim}, q.options()).transpose(1, 2);
  std::int64_t positions = 0;
  for (const PagedSequence& sequence : sequences) positions = std::max(positions, sequence.position + sequence.rows);
  const bool rotates = given(keyCos) && !sequences.empty();
  const at::Tensor cos = rotates ? asLanes(*keyCos, positions) : at::Tensor();
  const at::Tensor sin = rotates ? asLanes(*keySin, positions) : at::Tensor();
  PagedAttention call{.heads = heads,
                      .kvHeads = k.size(1),
                      .headDim = headDim,
                      .window = window,
                      .q = rowsOf(q),
                      .k = rowsOf(k),
                      .v = rowsOf(v),
                      .out = rowsOf(out),
                      .keyPages = keyPages.data_ptr(),
                      .valuePages = valuePages.data_ptr(),
                      .keyScales = given(keyScales) ? keyScales->data_ptr<float>() : nullptr,
                      .valueScales = given(valueScales) ? valueScales->data_ptr<float>() : nullptr,
                      .attended = attended.const_data_ptr<std::uint8_t>(),
                      .cosLanes = rotates ? cos.const_data_ptr() : nullptr,
                      .sinLanes = rotates ? sin.const_data_ptr() : nullptr,
                      .rotatedBlocks = rotates ? cos.size(1) : 0,
                      .rotateKeys = nullptr};
  const bool int8 = call.keyScales != nullptr;
  if (rotates)
    withElementType(q.scalar_type(), [&](auto element) {
      using Element = decltype(element);
      call.rotateKeys = int8 ? rotateKeys<Element, std::int8_t> : rotateKeys<Element, Element>;
    });
  storeNew(call, sequences, q.scalar_type());
  attendAll(call, sequences, q.scalar_type(), attentionKernel(typeOf(q), int8));
  return out;
}

}  // namespace xinghe
