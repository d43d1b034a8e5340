// Paged attention for decoding: each sequence has one new token. First it is stored in its page, then all that it may see
// is attended to, 128 tokens at a time, by an online softmax in float32.
//
// Shapes: N sequences, H heads, K heads of keys and values, E head_dim, P pages, M blocks of a table.
#pragma once

#include "cuda/block.h"

namespace xinghe::cuda {

constexpr int pageSlots = 16;
constexpr int attendThreads = 128;
constexpr int mostHeadDim = 2 * attendThreads;

// Strides in elements: between heads and between rows; those of a head are adjacent.
struct RowStrides {
  std::int64_t head, row;
};

struct PagedShape {
  int heads, kvHeads, headDim, blocks, window;
  RowStrides q, k, v, out;
};

#ifdef XINGHE_DEVICE
template <typename Stored>
XINGHE_DEVICE float loaded(Stored x) { return widen(x); }
template <>
XINGHE_DEVICE float loaded<std::int8_t>(std::int8_t x) { return static_cast<float>(x); }

// Stores one head's row at `to`, elements `step` apart; int8: as levels of a scale, which goes to `scaleTo`.
template <typename Element, typename Stored>
XINGHE_DEVICE void storeRow(const Element* from, Stored* to, int step, float* scaleTo, int headDim, float* room) {
  if constexpr (sizeof(Stored) == 1) {
    float largest = 0;
    bool isNumber = true;
    for (int e = threadIdx.x; e < headDim; e += blockDim.x) {
      const float x = fabsf(widen(from[e]));
      isNumber = isNumber && x == x;
      largest = largest < x ? x : largest;
    }
    // What is not a number makes the scale so, and all levels 0.
    const float found = overBlock<Larger>(isNumber ? largest : INFINITY, room);
    const float all = overBlock<Larger>(isNumber ? 0.0f : 1.0f, room) > 0 ? NAN : found;
    const float scale = all / 127.0f;
    for (int e = threadIdx.x; e < headDim; e += blockDim.x) {
      const float level = rintf(widen(from[e]) / scale);
      to[e * step] = fabsf(level) <= 127.0f ? static_cast<std::int8_t>(level) : std::int8_t{0};
    }
    if (threadIdx.x == 0) *scaleTo = scale;
  } else {
    for (int e = threadIdx.x; e < headDim; e += blockDim.x) to[e * step] = from[e];
  }
}

// Grid [K, N]. sequences [N, 4]: first row, rows, position, key table.
template <typename Element, typename Stored>
XINGHE_DEVICE void storeNewToken(const Element* k, const Element* v, Stored* keyPages, Stored* valuePages,
                                 float* keyScales, float* valueScales, const std::int32_t* tables,
                                 const std::int32_t* sequences, PagedShape shape) {
  __shared__ float room[warpThreads];
  const int head = blockIdx.x, n = blockIdx.y;
  const std::int64_t row = sequences[4 * n];
  const int position = sequences[4 * n + 2], slot = position % pageSlots;
  const std::int64_t page = tables[static_cast<std::int64_t>(n) * shape.blocks + position / pageSlots];
  const std::int64_t place = page * shape.kvHeads + head;
  storeRow(k + head * shape.k.head + row * shape.k.row, keyPages + place * shape.headDim * pageSlots + slot, pageSlots,
           keyScales == nullptr ? nullptr : keyScales + place * pageSlots + slot, shape.headDim, room);
  storeRow(v + head * shape.v.head + row * shape.v.row, valuePages + (place * pageSlots + slot) * shape.headDim, 1,
           valueScales == nullptr ? nullptr : valueScales + place * pageSlots + slot, shape.headDim, room);
}

// Grid [H, N], attendThreads threads. keyPages [P, K, E, 16], valuePages [P, K, 16, E], scales [P, K, 16], attended [P, 16].
template <typename Element, typename Stored>
XINGHE_DEVICE void attendToPages(const Element* q, const Stored* keyPages, const Stored* valuePages,
                                 const float* keyScales, const float* valueScales, const std::uint8_t* attended,
                                 const std::int32_t* tables, const std::int32_t* sequences, Element* out,
                                 PagedShape shape) {
  __shared__ float room[warpThreads];
  __shared__ float query[mostHeadDim];
  __shared__ float weights[attendThreads];
  __shared__ std::int32_t pages[attendThreads / pageSlots];
  const int head = blockIdx.x, n = blockIdx.y, thread = threadIdx.x, headDim = shape.headDim;
  const int kvHead = head / (shape.heads / shape.kvHeads);
  const std::int64_t row = sequences[4 * n];
  const int position = sequences[4 * n + 2];
  const std::int32_t* table = tables + static_cast<std::int64_t>(n) * shape.blocks;
  const float factor = 1.0f / sqrtf(static_cast<float>(headDim));
  for (int e = thread; e < headDim; e += attendThreads)
    query[e] = widen(q[head * shape.q.head + row * shape.q.row + e]) * factor;
  const int firstVisible = shape.window > 0 && position - shape.window + 1 > 0 ? position - shape.window + 1 : 0;
  float largest = -INFINITY, total = 0, sums[2] = {0, 0};
  for (int start = firstVisible / pageSlots * pageSlots; start <= position; start += attendThreads) {
    const int token = start + thread, slot = token % pageSlots;
    if (slot == 0) pages[thread / pageSlots] = token <= position ? table[token / pageSlots] : -1;
    __syncthreads();
    const std::int64_t page = pages[thread / pageSlots];
    const bool isVisible = page >= 0 && token >= firstVisible &&
                           (token == position || (token < position && attended[page * pageSlots + slot] != 0));
    float score = -INFINITY;
    if (isVisible) {
      const std::int64_t place = page * shape.kvHeads + kvHead;
      const Stored* key = keyPages + place * headDim * pageSlots + slot;
      score = 0;
      for (int e = 0; e < headDim; e++) score += query[e] * loaded(key[e * pageSlots]);
      if (keyScales != nullptr) score *= keyScales[place * pageSlots + slot];
    }
    const float most = Larger::of(largest, overBlock<Larger>(score, room));
    // Nothing is visible yet where the largest is -inf.
    const float weight = isVisible ? expf(score - most) : 0.0f;
    const float kept = largest == -INFINITY ? 0.0f : expf(largest - most);
    weights[thread] = weight;
    total = total * kept + overBlock<Add>(weight, room);  // its barriers show the weights to all
    largest = most;
    for (int part = 0; part < 2; part++) {
      const int e = thread + part * attendThreads;
      if (e >= headDim) continue;
      float sum = sums[part] * kept;
      for (int other = 0; other < attendThreads && start + other <= position; other++) {
        const std::int64_t where = pages[other / pageSlots];
        // Weights of 0 do not hide what is not a number.
        if (weights[other] == 0.0f || where < 0) continue;
        const std::int64_t place = (where * shape.kvHeads + kvHead) * pageSlots + other % pageSlots;
        const float scale = valueScales == nullptr ? 1.0f : valueScales[place];
        sum += weights[other] * (scale * loaded(valuePages[place * headDim + e]));
      }
      sums[part] = sum;
    }
    __syncthreads();  // before the next pages and weights
  }
  for (int part = 0; part < 2; part++) {
    const int e = thread + part * attendThreads;
    if (e < headDim) out[head * shape.out.head + row * shape.out.row + e] = narrow<Element>(sums[part] / total);
  }
}
#endif

}  // namespace xinghe::cuda
