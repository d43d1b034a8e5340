// Paged attention for any processor.
// compile flags (x64): -O3 -fno-math-errno -fno-trapping-math -ffp-contract=off
// compile flags (arm64): -O3 -fno-math-errno -fno-trapping-math -ffp-contract=off
#include "cpu/paged-attention-kernel.h"

namespace xinghe {

AttendTile plainAttention(AttentionType type, bool int8) { return attentionHere(type, int8); }

}  // namespace xinghe
