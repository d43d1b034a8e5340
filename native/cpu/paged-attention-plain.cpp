// Paged attention for any processor.
// compile flags (x64): -O3 -fno-math-errno -fno-trapping-math -ffp-contract=off
// compile flags (arm64): -O3 -fno-math-errno -fno-trapping-math -ffp-contract=off
#include "cpu/paged-attention-kernel.h"

namespace xinghe {

AttendTile plainAttention(AttentionType type, bool int8) { return attentionHere(type, int8); }

std::int64_t attentionScratch(std::int64_t headDim) {
  return tileRows * strideTokens + 2 * tileRows * wholeLanes(headDim) + stridePages * headDim * lanes;
}

}  // namespace xinghe
