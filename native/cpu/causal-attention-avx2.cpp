// Causal attention for processors with AVX2, FMA and F16C: only called after the processor was asked.
// compile flags (x64): -O3 -fno-math-errno -fno-trapping-math -ffp-contract=off -mavx2 -mfma -mf16c
#if defined(__x86_64__)
#include "cpu/causal-attention-kernel.h"

namespace xinghe {

CausalAttentionKernel avx2CausalAttention(CausalElement element) { return causalAttentionHere(element); }

}  // namespace xinghe
#endif
