#include <algorithm>
#include <cmath>
#include <limits>

#include "cpu/paged-attention.h"
#include "cpu/vector-math.h"

namespace xinghe {
namespace {

template <typename Element, typename Stored>
void attendRow(const PagedAttention& call, const PagedSequence& s, std::int64_t head, std::int64_t row, void* scratch) {
  using W = Wide<Element>;
  const std::int64_t E = call.headDim, half = E / 2, i = s.position + row;
  const auto* q = static_cast<const Element*>(call.q.data) + head * call.q.headStride + (s.firstRow + row) * call.q.rowStride;
  auto* out = static_cast<Element*>(call.out.data) + head * call.out.headStride + (s.firstRow + row) * call.out.rowStride;
  W* acc = static_cast<W*>(scratch);
  std::fill_n(acc, E, W(0));
  W m = -std::numeric_limits<W>::infinity(), l = 0;
  const W scale = W(1) / std::sqrt(static_cast<W>(E));
  const std::int64_t lo = call.window > 0 ? std::max<std::int64_t>(0, i - call.window + 1) : 0;
  for (std::int64_t j = lo; j <= i; j++) {
    const std::int64_t page = s.pages[j / 16], slot = j % 16;
    if (page < 0 || (j != i && call.seen[page * 16 + slot] == 0)) continue;
    const std::int64_t token = page * call.heads + head;
    const auto* key = static_cast<const Stored*>(call.keyPages) + token * E * 16 + slot;
    const auto* value = static_cast<const Stored*>(call.valuePages) + (token * 16 + slot) * E;
    W ks = 1, vs = 1;
    if (call.keyScales != nullptr) ks = call.keyScales[token * 16 + slot], vs = call.valueScales[token * 16 + slot];
    const auto at = [&](std::int64_t e) -> W {
      if constexpr (std::is_same_v<Stored, std::int8_t>) return static_cast<W>(key[e * 16]) * ks;
      else return widen(key[e * 16]);
    };
    W sum = 0;
    for (std::int64_t e = 0; e < E; e++) {
      W k = at(e);
      if (call.cosLanes != nullptr) {
        const std::int64_t place = ((s.keyTable * call.turnedBlocks + j / 16) * E + e) * 16 + slot;
        const W c = static_cast<const W*>(call.cosLanes)[place], sn = static_cast<const W*>(call.sinLanes)[place];
        k = rounded<Element>(k * c + (e < half ? -at(e + half) : at(e - half)) * sn);
      }
      sum += widen(q[e]) * k;
    }
    sum *= scale;
    const W next = std::max(m, sum), back = std::exp(m - next), p = std::exp(sum - next);
    for (std::int64_t e = 0; e < E; e++) {
      W v;
      if constexpr (std::is_same_v<Stored, std::int8_t>) v = static_cast<W>(value[e]) * vs;
      else v = widen(value[e]);
      acc[e] = acc[e] * back + p * v;
    }
    l = l * back + p;
    m = next;
  }
  for (std::int64_t e = 0; e < E; e++) out[e] = narrow<Element>(acc[e] / l);
}

template <typename Element, typename Stored>
void attendRows(const PagedAttention& call, const PagedSequence& s, std::int64_t head, std::int64_t row,
                std::int64_t rows, void* scratch) {
  for (std::int64_t r = row; r < row + rows; r++) attendRow<Element, Stored>(call, s, head, r, scratch);
}

template <typename Element>
AttendRows choose(bool int8) {
  return int8 ? attendRows<Element, std::int8_t> : attendRows<Element, Element>;
}

}  // namespace

std::int64_t attentionScratch(std::int64_t headDim, AttentionType) { return headDim * 8; }

AttendRows attendKernel(AttentionType type, bool int8) {
  switch (type) {
    case AttentionType::float64: return choose<double>(int8);
    case AttentionType::float32: return choose<float>(int8);
    case AttentionType::bfloat16: return choose<c10::BFloat16>(int8);
    case AttentionType::float16: return choose<c10::Half>(int8);
  }
  return nullptr;
}

}  // namespace xinghe
