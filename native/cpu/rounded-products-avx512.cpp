// Products of integers with integers for processors with AVX-512: only called after the processor was asked.
// compile flags (x64): -O3 -mavx512f -mavx512bw -mavx512dq -mavx512vl -ffp-contract=off -mprefer-vector-width=512
#if defined(__x86_64__)
#include "cpu/rounded-few-rows.h"

namespace xinghe {

RoundedSet avx512Rounded() { return roundedHere(); }

}  // namespace xinghe
#endif
