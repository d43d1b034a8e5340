// The inner part of xinghe::causal_attention, included by one file for each kind of processor.
//
// Flash attention (Dao, arXiv 2307.08691): blocks of 64 queries meet blocks of 64 keys, whose scores never leave the cache;
// blocks that no query sees are left out, and within a block products end where the mask begins. All sums are float32. The
// bits of a result do not depend on the number of threads: a part is computed in one order, and no two parts write the same.
//
// Shapes: T tokens, E head_dim, W = E filled up to 16.
#pragma once

#include "cpu/causal-attention.h"
#include "cpu/lanes.h"
#include "cpu/turn-eight.h"

namespace xinghe {
namespace {

constexpr int width = vectorBytes / 4;
#if defined(__AVX512F__)
constexpr int tileRows = 4, tileVectors = 4;  // 16 sums of 32 registers
#else
constexpr int tileRows = 4, tileVectors = 2;  // 8 of 16
#endif

constexpr float minusInfinity = -__builtin_inff();

XINGHE_INLINE std::int64_t least(std::int64_t a, std::int64_t b) { return a < b ? a : b; }
XINGHE_INLINE std::int64_t most(std::int64_t a, std::int64_t b) { return a > b ? a : b; }

XINGHE_INLINE FloatVector loaded(const float* from) {
  FloatVector result;
  load(from, result);
  return result;
}
XINGHE_INLINE void stored(const FloatVector& x, float* to) { __builtin_memcpy(to, &x, sizeof x); }

XINGHE_INLINE float sumOf(const FloatVector& x) {
#if defined(__AVX512F__)
  return _mm512_reduce_add_ps(x);
#else
  float sum = 0;
  for (int i = 0; i < width; i++) sum += x[i];
  return sum;
#endif
}

XINGHE_INLINE float mostOf(const FloatVector& x) {
#if defined(__AVX512F__)
  return _mm512_reduce_max_ps(x);
#else
  float found = x[0];
  for (int i = 1; i < width; i++) found = x[i] > found ? x[i] : found;
  return found;
#endif
}

// a where from <= lane < end, else b.
XINGHE_INLINE FloatVector within(std::int64_t from, std::int64_t end, const FloatVector& a, float b) {
  typedef std::int32_t Places __attribute__((vector_size(vectorBytes)));
  Places place;
#pragma GCC unroll 16
  for (int i = 0; i < width; i++) place[i] = i;
  const Places first = Places{} + static_cast<std::int32_t>(from), last = Places{} + static_cast<std::int32_t>(end);
  return ((place >= first) & (place < last)) != 0 ? a : every<float>(b);
}

// A factor of a product: element (row, i) stands at data[row * rowStride + i * stepStride].
struct Factor {
  const float* data;
  std::int64_t rowStride, stepStride;
};

// to[row][lane] (+)= sum over i in from … end of a(row, i) * b[i][lane]. Sums begin anew, so that they are short.
template <int R, int N>
XINGHE_INLINE void multiplyTile(Factor a, const float* b, std::int64_t bStride, std::int64_t from, std::int64_t end, bool adds,
                                float* to, std::int64_t toStride) {
  FloatVector sum[R][N];
#pragma GCC unroll 16
  for (int r = 0; r < R; r++)
#pragma GCC unroll 16
    for (int n = 0; n < N; n++) sum[r][n] = FloatVector{};
  const float* left = a.data + from * a.stepStride;
  const float* right = b + from * bStride;
  for (std::int64_t i = from; i < end; i++, left += a.stepStride, right += bStride) {
    FloatVector lane[N];
#pragma GCC unroll 16
    for (int n = 0; n < N; n++) lane[n] = loaded(right + n * width);
#pragma GCC unroll 16
    for (int r = 0; r < R; r++) {
      const FloatVector factor = every<float>(left[r * a.rowStride]);
#pragma GCC unroll 16
      for (int n = 0; n < N; n++) sum[r][n] = fused(factor, lane[n], sum[r][n]);
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < R; r++)
#pragma GCC unroll 16
    for (int n = 0; n < N; n++) {
      float* place = to + r * toStride + n * width;
      stored(adds ? loaded(place) + sum[r][n] : sum[r][n], place);
    }
}

// The same for `vectors` vectors of lanes.
template <int R>
XINGHE_APART void multiplyRows(Factor a, const float* b, std::int64_t bStride, std::int64_t from, std::int64_t end, bool adds,
                               float* to, std::int64_t toStride, std::int64_t vectors) {
  std::int64_t n = 0;
  for (; n + tileVectors <= vectors; n += tileVectors)
    multiplyTile<R, tileVectors>(a, b + n * width, bStride, from, end, adds, to + n * width, toStride);
  for (; n + 2 <= vectors; n += 2) multiplyTile<R, 2>(a, b + n * width, bStride, from, end, adds, to + n * width, toStride);
  for (; n < vectors; n++) multiplyTile<R, 1>(a, b + n * width, bStride, from, end, adds, to + n * width, toStride);
}

XINGHE_INLINE void multiply(std::int64_t rows, Factor a, const float* b, std::int64_t bStride, std::int64_t from,
                            std::int64_t end, bool adds, float* to, std::int64_t toStride, std::int64_t vectors) {
  switch (rows) {
    case 1: return multiplyRows<1>(a, b, bStride, from, end, adds, to, toStride, vectors);
    case 2: return multiplyRows<2>(a, b, bStride, from, end, adds, to, toStride, vectors);
    case 3: return multiplyRows<3>(a, b, bStride, from, end, adds, to, toStride, vectors);
    default: return multiplyRows<4>(a, b, bStride, from, end, adds, to, toStride, vectors);
  }
}
static_assert(tileRows == 4);

// One head of one row of the batch.
template <typename Element>
XINGHE_INLINE Element* headOf(const HeadTokens& x, std::int64_t row, std::int64_t head) {
  return static_cast<Element*>(x.data) + row * x.batchStride + head * x.headStride;
}

template <typename Element>
XINGHE_INLINE FloatVector loadedPart(const Element* from, std::int64_t count) {
  FloatVector result;
  if (count >= width) {
    load(from, result);
    return result;
  }
  Element buffer[width] = {};
  __builtin_memcpy(buffer, from, static_cast<std::size_t>(count) * sizeof(Element));
  load(static_cast<const Element*>(buffer), result);
  return result;
}

// Tokens first … end in float32, times a factor: [end - first, W], zeros behind E.
template <typename Element>
XINGHE_APART void copyTokens(const Element* from, std::int64_t stride, std::int64_t first, std::int64_t end, std::int64_t headDim,
                             float factor, float* to) {
  const std::int64_t wide = causalWidth(headDim);
  for (std::int64_t token = first; token < end; token++, to += wide)
    for (std::int64_t e = 0; e < wide; e += width)
      stored(e < headDim ? loadedPart(from + token * stride + e, headDim - e) * every<float>(factor) : FloatVector{}, to + e);
}

// Tokens [T, W] with positions adjacent, in blocks of 64: [T / 64, W, 64]. Of the last block, what is behind T is not written.
XINGHE_APART void turnTokens(const float* from, std::int64_t tokens, std::int64_t wide, float* to) {
  for (std::int64_t first = 0; first < tokens; first += 8) {
    float* place = to + first / causalBlock * wide * causalBlock + first % causalBlock;
    for (std::int64_t e = 0; e < wide; e += 8) turnEight(from + first * wide + e, wide, place + e * causalBlock, causalBlock);
  }
}

XINGHE_INLINE void storeToken(const float* from, std::int64_t headDim, float factor, float* to) {
  std::int64_t e = 0;
  for (; e + width <= headDim; e += width) stored(loaded(from + e) * every<float>(factor), to + e);
  for (; e < headDim; e++) to[e] = from[e] * factor;
}

// To nearest, ties to even.
XINGHE_INLINE void storeToken(const float* from, std::int64_t headDim, float factor, Bfloat16Bits* to) {
  for (std::int64_t e = 0; e < headDim; e++) {
    const float value = from[e] * factor;
    std::uint32_t bits;
    __builtin_memcpy(&bits, &value, sizeof bits);
    const std::uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
    to[e].bits = static_cast<std::uint16_t>(value != value ? 0x7fc0u : rounded);
  }
}

// Some queries of a row, and the keys that they see.
struct Queries {
  const std::int32_t* firsts;  // of the row; null: 0
  std::int64_t begin, end;

  std::int64_t first(std::int64_t query) const { return firsts == nullptr ? 0 : firsts[query]; }
  std::int64_t count() const { return end - begin; }
};

// Products of the queries of a block and the keys of a block as far as they may be seen: a(row, e) b[e][lane] to [64, 64].
XINGHE_INLINE void multiplySeen(const Queries& queries, std::int64_t key, const float* a, const float* b, std::int64_t wide,
                                std::int64_t headDim, float* to) {
  for (std::int64_t row = 0; row < queries.count(); row += tileRows) {
    const std::int64_t rows = least(tileRows, queries.count() - row), query = queries.begin + row;
    const std::int64_t from = most(0, queries.first(query) - key) / width * width;
    const std::int64_t end = least(causalBlock, query + rows - key);
    if (from >= end) continue;
    multiply(rows, {a + row * wide, wide, 1}, b + from, causalBlock, 0, headDim, false, to + row * causalBlock + from, causalBlock,
             (end - from + width - 1) / width);
  }
}

// to[row] (+)= sum over the keys of a block of weights[row][key] * b[key]. weights: [64, 64], zeros where nothing is seen
XINGHE_INLINE void mixSeen(const Queries& queries, std::int64_t key, const float* weights, const float* b, std::int64_t wide,
                           bool adds, float* to) {
  for (std::int64_t row = 0; row < queries.count(); row += tileRows) {
    const std::int64_t rows = least(tileRows, queries.count() - row), query = queries.begin + row;
    const std::int64_t from = least(causalBlock, most(0, queries.first(query) - key));
    const std::int64_t end = most(from, least(causalBlock, query + rows - key));
    if (from == end && adds) continue;
    multiply(rows, {weights + row * causalBlock, causalBlock, 1}, b, wide, from, end, adds, to + row * wide, wide, wide / width);
  }
}

// to[key] += sum over the queries of a block of weights[row][key] * b[row].
XINGHE_INLINE void gatherSeen(const Queries& queries, std::int64_t key, std::int64_t keys, const float* weights, const float* b,
                              std::int64_t wide, float* to) {
  for (std::int64_t i = 0; i < keys; i += tileRows) {
    const std::int64_t rows = least(tileRows, keys - i), from = most(0, key + i - queries.begin);
    if (from >= queries.count()) break;
    multiply(rows, {weights + i, 1, causalBlock}, b, wide, from, queries.count(), true, to + i * wide, wide, wide / width);
  }
}

// One query's softmax as far as it has come: scores [64] become weights, out [W] is scaled to the new largest score.
XINGHE_INLINE void weigh(float* scores, std::int64_t from, std::int64_t end, bool isFirst, float& largest, float& sum, float* out,
                         std::int64_t wide) {
  constexpr int vectors = causalBlock / width;
  FloatVector score[vectors];
  FloatVector found = every<float>(minusInfinity);
#pragma GCC unroll 8
  for (int i = 0; i < vectors; i++) {
    score[i] = within(from - i * width, end - i * width, loaded(scores + i * width), minusInfinity);
    found = score[i] > found ? score[i] : found;
  }
  const float before = isFirst ? minusInfinity : largest, here = mostOf(found), now = here > before ? here : before;
  if (isFirst) {
    sum = 0;
  } else if (now != before) {
    const float shrink = exponentialOf(before - now);
    sum *= shrink;
    for (std::int64_t e = 0; e < wide; e += width) stored(loaded(out + e) * every<float>(shrink), out + e);
  }
  largest = now;
  FloatVector total{};
#pragma GCC unroll 8
  for (int i = 0; i < vectors; i++) {
    FloatVector weight{};
    if (from < (i + 1) * width && end > i * width)
      weight = within(from - i * width, end - i * width, exponentialOf(score[i] - every<float>(now)), 0.0f);
    total = total + weight;
    stored(weight, scores + i * width);
  }
  sum += sumOf(total);
}

// The first block of keys that one of the queries sees.
XINGHE_INLINE std::int64_t firstBlock(const Queries& queries) {
  return queries.first(queries.begin) / causalBlock * causalBlock;
}

template <typename Element>
void attendPart(const CausalAttention& call, const CausalAttentionPart& part, float* scratch) {
  const std::int64_t tokens = call.tokens, headDim = call.headDim, wide = causalWidth(headDim), all = causalRows(tokens) * wide;
  const std::int64_t group = call.heads / call.kvHeads, blocks = causalRows(tokens) / causalBlock;
  float* turnedKeys = scratch;
  float* values = turnedKeys + all;
  float* q = values + all;
  float* out = q + causalBlock * wide;
  float* scores = out + causalBlock * wide;
  float* largest = scores + causalBlock * causalBlock;
  float* sums = largest + causalBlock;
  // Keys pass through the place of the values.
  copyTokens(headOf<Element>(call.k, part.row, part.kvHead), call.k.tokenStride, 0, tokens, headDim, 1.0f, values);
  turnTokens(values, tokens, wide, turnedKeys);
  copyTokens(headOf<Element>(call.v, part.row, part.kvHead), call.v.tokenStride, 0, tokens, headDim, 1.0f, values);
  const float scale = 1.0f / __builtin_sqrtf(static_cast<float>(headDim));
  for (std::int64_t i = part.first; i < part.end; i++) {
    const std::int64_t head = part.kvHead * group + i / blocks, begin = i % blocks * causalBlock;
    const Queries queries{call.firsts == nullptr ? nullptr : call.firsts + part.row * tokens, begin,
                          least(tokens, begin + causalBlock)};
    copyTokens(headOf<Element>(call.q, part.row, head), call.q.tokenStride, begin, queries.end, headDim, scale, q);
    const std::int64_t start = firstBlock(queries);
    for (std::int64_t key = start; key < queries.end; key += causalBlock) {
      multiplySeen(queries, key, q, turnedKeys + key * wide, wide, headDim, scores);
      for (std::int64_t row = 0; row < queries.count(); row++) {
        const std::int64_t query = begin + row;
        weigh(scores + row * causalBlock, queries.first(query) - key, query + 1 - key, key == start, largest[row], sums[row],
              out + row * wide, wide);
      }
      mixSeen(queries, key, scores, values + key * wide, wide, key != start, out);
    }
    Element* to = headOf<Element>(call.out, part.row, head);
    SoftmaxScale* scales = call.scales + (part.row * call.heads + head) * tokens;
    for (std::int64_t row = 0; row < queries.count(); row++) {
      const float factor = 1.0f / sums[row];
      storeToken(out + row * wide, headDim, factor, to + (begin + row) * call.out.tokenStride);
      scales[begin + row] = {largest[row], factor};
    }
  }
}

// Scores to weights, and the gradients of weights to those of scores. Both [64]; delta: sum of weight times gradient
XINGHE_INLINE void slope(float* scores, float* grads, std::int64_t from, std::int64_t end, SoftmaxScale scale, float delta) {
#pragma GCC unroll 8
  for (std::int64_t i = 0; i < causalBlock; i += width) {
    FloatVector weight{}, grad{};
    if (from < i + width && end > i) {
      weight = within(from - i, end - i, exponentialOf(loaded(scores + i) - every<float>(scale.largest)) * every<float>(scale.factor), 0.0f);
      grad = within(from - i, end - i, weight * (loaded(grads + i) - every<float>(delta)), 0.0f);
    }
    stored(weight, scores + i);
    stored(grad, grads + i);
  }
}

template <typename Element>
XINGHE_INLINE float dotOf(const float* a, const Element* b, std::int64_t headDim) {
  FloatVector sum{};
  for (std::int64_t e = 0; e < headDim; e += width) sum = fused(loaded(a + e), loadedPart(b + e, headDim - e), sum);
  return sumOf(sum);
}

template <typename Element>
void derivePart(const CausalAttention& call, const CausalAttentionPart& part, float* scratch) {
  const std::int64_t tokens = call.tokens, headDim = call.headDim, wide = causalWidth(headDim), all = causalRows(tokens) * wide;
  const std::int64_t group = call.heads / call.kvHeads;
  float* turnedKeys = scratch;
  float* turnedValues = turnedKeys + all;
  float* keys = turnedValues + all;
  float* dk = keys + all;
  float* dv = dk + all;
  float* q = dv + all;
  float* gradOut = q + causalBlock * wide;
  float* dq = gradOut + causalBlock * wide;
  float* weights = dq + causalBlock * wide;
  float* grads = weights + causalBlock * causalBlock;
  float* deltas = grads + causalBlock * causalBlock;
  copyTokens(headOf<Element>(call.v, part.row, part.kvHead), call.v.tokenStride, 0, tokens, headDim, 1.0f, keys);
  turnTokens(keys, tokens, wide, turnedValues);
  copyTokens(headOf<Element>(call.k, part.row, part.kvHead), call.k.tokenStride, 0, tokens, headDim, 1.0f, keys);
  turnTokens(keys, tokens, wide, turnedKeys);
  for (std::int64_t i = 0; i < 2 * all; i += width) stored(FloatVector{}, dk + i);
  const float scale = 1.0f / __builtin_sqrtf(static_cast<float>(headDim));
  for (std::int64_t head = part.kvHead * group; head < (part.kvHead + 1) * group; head++) {
    const Element* out = headOf<Element>(call.out, part.row, head);
    const SoftmaxScale* scales = call.scales + (part.row * call.heads + head) * tokens;
    for (std::int64_t begin = 0; begin < tokens; begin += causalBlock) {
      const Queries queries{call.firsts == nullptr ? nullptr : call.firsts + part.row * tokens, begin,
                            least(tokens, begin + causalBlock)};
      copyTokens(headOf<Element>(call.q, part.row, head), call.q.tokenStride, begin, queries.end, headDim, scale, q);
      copyTokens(headOf<Element>(call.gradOut, part.row, head), call.gradOut.tokenStride, begin, queries.end, headDim, 1.0f, gradOut);
      for (std::int64_t row = 0; row < queries.count(); row++)
        deltas[row] = dotOf(gradOut + row * wide, out + (begin + row) * call.out.tokenStride, headDim);
      const std::int64_t start = firstBlock(queries);
      for (std::int64_t key = start; key < queries.end; key += causalBlock) {
        multiplySeen(queries, key, q, turnedKeys + key * wide, wide, headDim, weights);
        multiplySeen(queries, key, gradOut, turnedValues + key * wide, wide, headDim, grads);
        for (std::int64_t row = 0; row < queries.count(); row++) {
          const std::int64_t query = begin + row;
          slope(weights + row * causalBlock, grads + row * causalBlock, queries.first(query) - key, query + 1 - key,
                scales[query], deltas[row]);
        }
        const std::int64_t count = least(causalBlock, tokens - key);
        gatherSeen(queries, key, count, weights, gradOut, wide, dv + key * wide);
        gatherSeen(queries, key, count, grads, q, wide, dk + key * wide);
        mixSeen(queries, key, grads, keys + key * wide, wide, key != start, dq);
      }
      Element* to = headOf<Element>(call.dq, part.row, head);
      for (std::int64_t row = 0; row < queries.count(); row++)
        storeToken(dq + row * wide, headDim, scale, to + (begin + row) * call.dq.tokenStride);
    }
  }
  Element* toKeys = headOf<Element>(call.dk, part.row, part.kvHead);
  Element* toValues = headOf<Element>(call.dv, part.row, part.kvHead);
  for (std::int64_t token = 0; token < tokens; token++) {
    storeToken(dk + token * wide, headDim, 1.0f, toKeys + token * call.dk.tokenStride);
    storeToken(dv + token * wide, headDim, 1.0f, toValues + token * call.dv.tokenStride);
  }
}

CausalAttentionKernel causalAttentionHere(CausalElement element) {
  return element == CausalElement::float32 ? CausalAttentionKernel{attendPart<float>, derivePart<float>}
                                           : CausalAttentionKernel{attendPart<Bfloat16Bits>, derivePart<Bfloat16Bits>};
}

}  // namespace
}  // namespace xinghe
