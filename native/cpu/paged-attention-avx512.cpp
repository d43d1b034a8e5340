// Paged attention for processors with AVX-512: only called after the processor was asked.
// compile flags (x64): -O3 -fno-math-errno -fno-trapping-math -ffp-contract=off -mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma -mf16c -mprefer-vector-width=512
#if defined(__x86_64__)
#include "cpu/paged-attention-kernel.h"

namespace xinghe {

AttendTile avx512Attention(AttentionType type, bool int8) { return attentionHere(type, int8); }

}  // namespace xinghe
#endif
