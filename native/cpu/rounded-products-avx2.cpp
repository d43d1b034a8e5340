// Products of integers with integers for processors with AVX2 and F16C: only called after the processor was asked.
// compile flags (x64): -O3 -mavx2 -mf16c -ffp-contract=off -Wno-psabi
#if defined(__x86_64__)
#include "cpu/rounded-few-rows.h"

namespace xinghe {

RoundedSet avx2Rounded() { return roundedHere(); }

}  // namespace xinghe
#endif
