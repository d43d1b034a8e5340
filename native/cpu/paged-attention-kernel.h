// The inner part of xinghe::paged_attention, included by one file for each kind of processor.
//
// For each query by itself, whatever else shares its tile: keys go by in strides of 64 positions counted from 0; the
// products with the 64 keys are summed over e = 0 … E - 1, the largest is taken, and the values of the visible keys
// are added in order of position. Tiles, vectors and threads change which of these sums run side by side, never a sum.
// What a query does not see is never multiplied, not even by zero: it may be anything.
//
// Shapes: Q queries of a tile, E head_dim.
#pragma once

#include "cpu/paged-attention-sums.h"

namespace xinghe {
namespace {

// 64 positions of a sequence as one head of the keys and values has them; of these, what lies in blocks of the positions first … last.
template <typename Stored>
struct Stride {
  std::int64_t base;
  std::int64_t page[stridePages];  // below 0: absent
  const Stored* keys[stridePages];
  const Stored* values[stridePages];
  std::uint64_t present, seen;  // a bit for each position
};

template <typename Stored>
XINGHE_INLINE Stride<Stored> strideAt(const PagedAttention& call, const PagedSequence& sequence, std::int64_t kvHead,
                                      std::int64_t base, std::int64_t first, std::int64_t last) {
  Stride<Stored> stride{base, {-1, -1, -1, -1}, {}, {}, 0, 0};
  for (int i = 0; i < stridePages && base + i * pageTokens <= last; i++) {
    // Blocks before the first position seen may have any number in the table.
    if (base + (i + 1) * pageTokens <= first) continue;
    const std::int64_t page = sequence.pages[base / pageTokens + i];
    if (page < 0) continue;
    stride.page[i] = page;
    const std::int64_t place = (page * call.kvHeads + kvHead) * call.headDim * pageTokens;
    stride.keys[i] = static_cast<const Stored*>(call.keyPages) + place;
    stride.values[i] = static_cast<const Stored*>(call.valuePages) + place;
    std::uint64_t seen = 0;
    for (int slot = 0; slot < pageTokens; slot++)
      seen |= std::uint64_t{call.seen[page * pageTokens + slot] != 0} << slot;
    stride.present |= std::uint64_t{0xffff} << (i * pageTokens);
    stride.seen |= seen << (i * pageTokens);
  }
  return stride;
}

// Bits of the positions from … to, both within, of the stride that begins at `base`.
XINGHE_INLINE std::uint64_t positionBits(std::int64_t base, std::int64_t from, std::int64_t to) {
  from = from < base ? 0 : from - base;
  to -= base;
  if (to < from || from >= strideTokens) return 0;
  const std::uint64_t upTo = to >= strideTokens - 1 ? ~std::uint64_t{0} : (std::uint64_t{2} << to) - 1;
  return upTo & ~((std::uint64_t{1} << from) - 1);
}

template <typename Stored>
XINGHE_INLINE void listValues(const Stride<Stored>& stride, std::uint64_t bits, std::int64_t headDim,
                              Values<Stored>& values) {
  values.count = 0;
  for (; bits != 0; bits &= bits - 1) {
    const int place = __builtin_ctzll(bits);
    values.rows[values.count] = stride.values[place / pageTokens] + (place % pageTokens) * headDim;
    values.places[values.count++] = place;
  }
}

// The softmax of a query as far as it has come.
template <typename Number>
struct Running {
  Number largest;
  Lanes<Number> sum;
};

// Scores of a query to weights; results so far are scaled to the new largest score. scores [64], out [width].
template <typename Number>
XINGHE_APART void weigh(Number* scores, std::uint64_t visible, Number scale, Running<Number>& running, Number* out,
                        std::int64_t width) {
  Lanes<Number> score[stridePages];
  Lanes<Number> most = everyLane<Number>(lowest<Number>);
#pragma GCC unroll 4
  for (int i = 0; i < stridePages; i++) {
    const auto bits = static_cast<unsigned>(visible >> (i * lanes)) & 0xffffu;
    const Lanes<Number> loaded = loadLanes<Number>(static_cast<const Number*>(scores) + i * lanes);
    score[i] = choose(bits, zip(loaded, everyLane<Number>(scale), [](auto a, auto b) { return a * b; }),
                      lowest<Number>);
    most = zip(most, score[i], [](auto a, auto b) { return a > b ? a : b; });
  }
  const Number found = largest(most);
  const Number before = running.largest, now = found > before ? found : before;
  if (now != before) {
    const Number shrink = before == lowest<Number> ? Number(0) : exponentialOf(before - now);
    const Lanes<Number> factor = everyLane<Number>(shrink);
    running.sum = zip(running.sum, factor, [](auto a, auto b) { return a * b; });
    for (std::int64_t e = 0; e < width; e += lanes)
      storeLanes(
          zip(loadLanes<Number>(static_cast<const Number*>(out) + e), factor, [](auto a, auto b) { return a * b; }),
          out + e);
    running.largest = now;
  }
#pragma GCC unroll 4
  for (int i = 0; i < stridePages; i++) {
    const auto bits = static_cast<unsigned>(visible >> (i * lanes)) & 0xffffu;
    const Lanes<Number> weight = choose(
        bits, zip(score[i], everyLane<Number>(now), [](auto a, auto b) { return exponentialOf(a - b); }), Number(0));
    running.sum = zip(running.sum, weight, [](auto a, auto b) { return a + b; });
    storeLanes(weight, scores + i * lanes);
  }
}

// Multiplies the numbers of each token by its scale. numbers [Q, 64], scales [P, K, 16].
template <typename Number, typename Stored>
XINGHE_APART void scaleTokens(const PagedAttention& call, const Stride<Stored>& stride, std::int64_t kvHead,
                              const float* scales, Number* numbers, int queries) {
  for (int i = 0; i < stridePages; i++) {
    if (stride.page[i] < 0) continue;
    const Lanes<Number> scale = loadLanes<Number>(scales + (stride.page[i] * call.kvHeads + kvHead) * lanes);
    for (int query = 0; query < queries; query++) {
      Number* at = numbers + query * strideTokens + i * lanes;
      storeLanes(zip(loadLanes<Number>(static_cast<const Number*>(at)), scale, [](auto a, auto b) { return a * b; }),
                 at);
    }
  }
}

// Scores of the pages of the stride in which a key is visible to one of the queries.
template <typename Number, typename Key, int Q>
XINGHE_INLINE void multiplyStride(const Key* const* keys, std::uint64_t visible, const void* const* ahead,
                                  const Number* q, std::int64_t headDim, Number* scores) {
  constexpr int side = least(static_cast<int>(stridePages), sums / Q);
  const auto isAsked = [&](int page) { return (visible >> (page * lanes) & 0xffff) != 0; };
  for (int page = 0; page < stridePages;) {
    int run = 0;
    while (page + run < stridePages && run < side && isAsked(page + run)) run++;
    if (run == side)
      multiplyPages<Number, Key, Q, side>(q, keys + page, headDim, scores + page * lanes, ahead + page);
    else
      for (int i = 0; i < run; i++)
        multiplyPages<Number, Key, Q, 1>(q, keys + page + i, headDim, scores + (page + i) * lanes, ahead + page + i);
    page += run == 0 ? 1 : run;
  }
}

// Some queries that look at the same head of the keys and values, at the same or neighbouring positions.
template <typename Number>
struct Queries {
  const std::int64_t* positions;  // [Q], none before the one ahead of it
  const Number* q;           // [E, Q]
  Number* results;           // [Q, width], not yet divided by the sums
  Running<Number>* running;  // [Q]
};

// One stride for Q queries; rotated: its keys [E, 16] where they are stored unrotated; next: what is read next, where
// these queries are the first of the tile to come by, else null. scores [Q, 64] is scratch.
template <typename Number, typename Stored, int Q>
XINGHE_APART void attendStride(const PagedAttention& call, std::int64_t kvHead, const Queries<Number>& queries,
                               const Stride<Stored>& stride, const Stride<Stored>* next, const Number* const* rotated,
                               Number* scores) {
  const std::int64_t headDim = call.headDim, width = wholeLanes(headDim);
  const auto firstSeen = [&](int query) {
    const std::int64_t position = queries.positions[query];
    return call.window > 0 && position >= call.window ? position - call.window + 1 : 0;
  };
  std::uint64_t visible[Q], any = 0, all = ~std::uint64_t{0};
  for (int query = 0; query < Q; query++) {
    const std::int64_t i = queries.positions[query];
    const std::uint64_t itself = positionBits(stride.base, i, i);
    visible[query] = ((stride.seen & positionBits(stride.base, firstSeen(query), i)) | itself) & stride.present;
    any |= visible[query];
    all &= visible[query];
  }
  if (any == 0) return;

  const void* ahead[stridePages];
  for (int i = 0; i < stridePages; i++) ahead[i] = next == nullptr ? nullptr : stride.values[i];
  if (rotated == nullptr) {
    multiplyStride<Number, Stored, Q>(stride.keys, any, ahead, queries.q, headDim, scores);
    if constexpr (sizeof(Stored) == 1) scaleTokens(call, stride, kvHead, call.keyScales, scores, Q);
  } else {
    multiplyStride<Number, Number, Q>(rotated, any, ahead, queries.q, headDim, scores);
  }
  const Number scale = Number(1) / static_cast<Number>(__builtin_sqrt(static_cast<double>(headDim)));
  for (int query = 0; query < Q; query++)
    if (visible[query] != 0)
      weigh(scores + query * strideTokens, visible[query], scale, queries.running[query],
            queries.results + query * width, width);
  if constexpr (sizeof(Stored) == 1) scaleTokens(call, stride, kvHead, call.valueScales, scores, Q);

  Values<Stored> values;
  for (int i = 0; i < stridePages; i++) values.ahead[i] = next == nullptr ? nullptr : next->keys[i];
  const auto addEach = [&](std::uint64_t bits) {
    for (int query = 0; query < Q; query++) {
      listValues(stride, visible[query] & bits, headDim, values);
      addValues<Number, Stored, 1>(values, scores + query * strideTokens, queries.results + query * width, headDim);
    }
  };
  if constexpr (Q == 1) {
    addEach(any);
  } else {
    // What lies before and after the positions that all of them see goes query by query.
    const std::uint64_t before = positionBits(stride.base, 0, firstSeen(Q - 1) - 1);
    if ((any & before) != 0) addEach(before);
    listValues(stride, all, headDim, values);
    addValues<Number, Stored, Q>(values, scores, queries.results, headDim);
    if ((any & ~before & ~all) != 0) addEach(~before & ~all);
  }
}

template <typename Number, typename Stored>
XINGHE_INLINE void attendStrideBy(int count, const PagedAttention& call, std::int64_t kvHead,
                                  const Queries<Number>& queries, const Stride<Stored>& stride,
                                  const Stride<Stored>* next, const Number* const* rotated, Number* scores) {
  switch (count) {
    case 1: return attendStride<Number, Stored, 1>(call, kvHead, queries, stride, next, rotated, scores);
    case 2: return attendStride<Number, Stored, 2>(call, kvHead, queries, stride, next, rotated, scores);
    case 4:
      if constexpr (mostQueries >= 4)
        attendStride<Number, Stored, 4>(call, kvHead, queries, stride, next, rotated, scores);
      return;
    default:
      if constexpr (mostQueries >= 8)
        attendStride<Number, Stored, 8>(call, kvHead, queries, stride, next, rotated, scores);
  }
}

// How many of the queries of a tile that are left go together.
XINGHE_INLINE int together(std::int64_t left, std::int64_t ofTile) {
  int count = ofTile <= togetherQueries ? aheadQueries : mostQueries;
  while (count > left) count /= 2;
  return count;
}

template <typename Number>
XINGHE_INLINE void finish(const Queries<Number>& queries, int query, std::int64_t headDim, Number* out) {
  Number parts[lanes];
  storeLanes(queries.running[query].sum, parts);
  Number sum = 0;
  for (int lane = 0; lane < lanes; lane++) sum += parts[lane];
  const Number* results = queries.results + query * wholeLanes(headDim);
  for (std::int64_t e = 0; e < headDim; e++) out[e] = results[e] / sum;
}

template <typename Number, typename Stored>
void attendTile(const PagedAttention& call, const AttentionTile& tile, const void* q, void* out, void* scratch) {
  const PagedSequence& sequence = *tile.sequence;
  const std::int64_t headDim = call.headDim, width = wholeLanes(headDim), size = headDim * lanes;
  const std::int64_t count = tile.rows * tile.heads, kvHead = tile.kvHead;
  auto* scores = static_cast<Number*>(scratch);
  Number* results = scores + mostQueries * strideTokens;
  Number* arranged = results + count * width;
  Number* rotatedKeys = arranged + count * width;
  Running<Number> running[tileQueries];
  std::int64_t positions[tileQueries];
  Queries<Number> groups[tileQueries];
  int counts[tileQueries], groupCount = 0;
  for (std::int64_t i = 0; i < count; i++) positions[i] = sequence.position + tile.row + i / tile.heads;
  for (std::int64_t done = 0; done < count; done += counts[groupCount++]) {
    const int group = counts[groupCount] = together(count - done, count);
    for (std::int64_t e = 0; e < headDim; e++)
      for (int query = 0; query < group; query++)
        arranged[done * width + e * group + query] = static_cast<const Number*>(q)[(done + query) * headDim + e];
    groups[groupCount] = {positions + done, arranged + done * width, results + done * width, running + done};
  }
  for (std::int64_t i = 0; i < count * width; i++) results[i] = 0;
  for (std::int64_t i = 0; i < count; i++) running[i] = {lowest<Number>, everyLane<Number>(0)};

  const std::int64_t position = positions[0], last = positions[count - 1];
  const std::int64_t first = call.window > 0 && position >= call.window ? position - call.window + 1 : 0;
  Stride<Stored> next = strideAt<Stored>(call, sequence, kvHead, first / strideTokens * strideTokens, first, last);
  while (next.base <= last) {
    const Stride<Stored> stride = next;
    next = strideAt<Stored>(call, sequence, kvHead, stride.base + strideTokens, first, last);
    const Number* rotated[stridePages] = {};
    if (call.rotateKeys != nullptr)
      for (int i = 0; i < stridePages; i++) {
        if (stride.page[i] < 0) continue;
        call.rotateKeys(call, sequence, kvHead, stride.base / pageTokens + i, rotatedKeys + i * size);
        rotated[i] = rotatedKeys + i * size;
      }
    for (int group = 0; group < groupCount; group++)
      attendStrideBy<Number, Stored>(counts[group], call, kvHead, groups[group], stride,
                                     group == 0 ? &next : nullptr, call.rotateKeys == nullptr ? nullptr : rotated,
                                     scores);
  }
  auto* to = static_cast<Number*>(out);
  for (int group = 0; group < groupCount; group++)
    for (int query = 0; query < counts[group]; query++, to += headDim) finish(groups[group], query, headDim, to);
}

inline AttendTile attentionHere(AttentionType type, bool int8) {
  if (int8) return type == AttentionType::float64 ? attendTile<double, std::int8_t> : attendTile<float, std::int8_t>;
  switch (type) {
    case AttentionType::float64: return attendTile<double, double>;
    case AttentionType::float32: return attendTile<float, float>;
    case AttentionType::bfloat16: return attendTile<float, Bfloat16Bits>;
    case AttentionType::float16: return attendTile<float, Float16Bits>;
  }
  return nullptr;
}

}  // namespace
}  // namespace xinghe
