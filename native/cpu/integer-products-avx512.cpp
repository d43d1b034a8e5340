// Products with integer weights for processors with AVX-512: only called after the processor was asked.
// compile flags (x64): -O3 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma -mf16c -mprefer-vector-width=512
#if defined(__x86_64__)
#include "cpu/integer-products-kernel.h"

namespace xinghe {

IntegerSet avx512Integers() { return integersHere(); }

}  // namespace xinghe
#endif
