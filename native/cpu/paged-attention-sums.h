// The two sums that paged attention spends its time in, for several queries at a time in registers: q k over the head_dim,
// and weights times values over keys. However many queries, pages or columns go together, each result is summed in the
// same order by the same fused operations.
//
// Shapes: Q queries, P pages, E head_dim, C columns of lanes.
#pragma once

#include "cpu/lanes.h"

namespace xinghe {
namespace {

// How many sums over 16 lanes stay in registers, and how many queries share a load.
#if defined(__AVX512F__)
constexpr int sums = 16, mostQueries = 8;
#elif defined(__AVX2__) || defined(__aarch64__)
constexpr int sums = 4, mostQueries = 4;
#else
constexpr int sums = 2, mostQueries = 2;
#endif

static_assert(mostQueries <= togetherQueries);

// So many queries at a time ask ahead for memory. A tile of few goes by no more at once; where many share what is read,
// computing takes longer than reading, and asking would only cost time.
constexpr int aheadQueries = mostQueries > 4 ? mostQueries / 2 : 2;

constexpr std::int64_t wholeLanes(std::int64_t headDim) { return (headDim + lanes - 1) / lanes * lanes; }

constexpr int least(int a, int b) { return a < b ? a : b; }

template <typename Number>
constexpr Number lowest = -__builtin_huge_valf();

// Asks memory for what comes next, a line for each line read, where few queries would wait for every line.
template <int Q>
XINGHE_INLINE void prefetch(const void* ahead, std::int64_t bytes) {
  if constexpr (Q <= aheadQueries) {
    if (ahead != nullptr) __builtin_prefetch(static_cast<const char*>(ahead) + bytes, 0, 2);
  }
}

// Products of Q queries with the keys of P pages. q [E, Q], keys [E, 16], scores [Q, 64].
template <typename Number, typename Key, int Q, int P>
XINGHE_INLINE void multiplyPages(const Number* q, const Key* const* keys, std::int64_t headDim, Number* scores,
                                 const void* const* ahead) {
  Lanes<Number> sum[Q][P];
#pragma GCC unroll 8
  for (int i = 0; i < Q; i++)
#pragma GCC unroll 4
    for (int page = 0; page < P; page++) sum[i][page] = everyLane<Number>(0);
  constexpr std::int64_t rowBytes = lanes * sizeof(Key);
  for (std::int64_t e = 0; e < headDim; e++) {
#pragma GCC unroll 4
    for (int page = 0; page < P; page++) {
      if (e * rowBytes % 64 == 0) prefetch<Q>(ahead[page], e * rowBytes);
      const Lanes<Number> key = loadLanes<Number>(keys[page] + e * lanes);
#pragma GCC unroll 8
      for (int i = 0; i < Q; i++)
#pragma GCC unroll 16
        for (int part = 0; part < Lanes<Number>::parts; part++)
          sum[i][page].part[part] = fused(every<Number>(q[e * Q + i]), key.part[part], sum[i][page].part[part]);
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < Q; i++)
#pragma GCC unroll 4
    for (int page = 0; page < P; page++) storeLanes(sum[i][page], scores + i * strideTokens + page * lanes);
}

// The values of some keys of a stride, in order of position.
template <typename Stored>
struct Values {
  const Stored* rows[strideTokens];
  int places[strideTokens];  // in the stride
  int count;
  const void* ahead[stridePages];  // keys that are read next
};

// Adds p times value to columns of the results, C vectors of lanes. weights [Q, 64], out [Q, width].
template <typename Number, typename Stored, int Q, int C>
XINGHE_INLINE void addColumns(const Values<Stored>& values, const Number* weights, Number* out, std::int64_t width,
                              std::int64_t column, std::int64_t partial) {
  Lanes<Number> sum[Q][C];
#pragma GCC unroll 8
  for (int i = 0; i < Q; i++)
#pragma GCC unroll 8
    for (int c = 0; c < C; c++) sum[i][c] = loadLanes<Number>(out + i * width + column + c * lanes);
  for (int n = 0; n < values.count; n++) {
    const int place = values.places[n];
#pragma GCC unroll 8
    for (int c = 0; c < C; c++) {
      const Stored* from = values.rows[n] + column + c * lanes;
      const Lanes<Number> value = partial == 0 ? loadLanes<Number>(from) : loadFirst<Number>(from, partial);
#pragma GCC unroll 8
      for (int i = 0; i < Q; i++)
#pragma GCC unroll 16
        for (int part = 0; part < Lanes<Number>::parts; part++)
          sum[i][c].part[part] =
              fused(every<Number>(weights[i * strideTokens + place]), value.part[part], sum[i][c].part[part]);
    }
    // A row of values is as long as a sixteenth of a page of keys.
    if (partial == 0)
#pragma GCC unroll 8
      for (std::int64_t byte = 0; byte < C * lanes * static_cast<std::int64_t>(sizeof(Stored)); byte += 64)
        prefetch<Q>(values.ahead[place / pageTokens],
                    ((place % pageTokens) * width + column) * static_cast<std::int64_t>(sizeof(Stored)) + byte);
  }
#pragma GCC unroll 8
  for (int i = 0; i < Q; i++)
#pragma GCC unroll 8
    for (int c = 0; c < C; c++) storeLanes(sum[i][c], out + i * width + column + c * lanes);
}

template <typename Number, typename Stored, int Q, int C>
XINGHE_INLINE std::int64_t addColumnsBy(const Values<Stored>& values, const Number* weights, Number* out,
                                        std::int64_t headDim, std::int64_t column) {
  for (; column + C * lanes <= headDim; column += C * lanes)
    addColumns<Number, Stored, Q, C>(values, weights, out, wholeLanes(headDim), column, 0);
  if constexpr (C > 1)
    return addColumnsBy<Number, Stored, Q, C / 2>(values, weights, out, headDim, column);
  else
    return column;
}

template <typename Number, typename Stored, int Q>
XINGHE_APART void addValues(const Values<Stored>& values, const Number* weights, Number* out, std::int64_t headDim) {
  if (values.count == 0) return;
  const std::int64_t column = addColumnsBy<Number, Stored, Q, least(8, sums / Q)>(values, weights, out, headDim, 0);
  if (column < headDim)
    addColumns<Number, Stored, Q, 1>(values, weights, out, wholeLanes(headDim), column, headDim - column);
}

}  // namespace
}  // namespace xinghe
