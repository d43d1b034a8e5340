// Products with integer weights for processors with AVX2, FMA and F16C: only called after the processor was asked.
// compile flags (x64): -O3 -mavx2 -mfma -mf16c -ffp-contract=fast -Wno-psabi
#if defined(__x86_64__)
#include "cpu/integer-products-kernel.h"

namespace xinghe {

IntegerSet avx2Integers() { return integersHere(); }

}  // namespace xinghe
#endif
