// Causal attention for processors with AVX-512: only called after the processor was asked.
// compile flags (x64): -O3 -fno-math-errno -fno-trapping-math -ffp-contract=off -mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma -mf16c -mprefer-vector-width=512
#if defined(__x86_64__)
#include "cpu/causal-attention-kernel.h"

namespace xinghe {

CausalAttentionKernel avx512CausalAttention(CausalElement element) { return causalAttentionHere(element); }

}  // namespace xinghe
#endif
