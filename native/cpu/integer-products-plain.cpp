// Products with integer weights for any processor.
// compile flags (x64): -O3 -Wno-psabi
// compile flags (arm64): -O3 -Wno-psabi
#include "cpu/integer-products-kernel.h"

namespace xinghe {

IntegerSet plainIntegers() { return integersHere(); }

}  // namespace xinghe
