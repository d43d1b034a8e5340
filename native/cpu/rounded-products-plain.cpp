// Products of integers with integers for any processor.
// compile flags (x64): -O3 -ffp-contract=off -Wno-psabi
// compile flags (arm64): -O3 -ffp-contract=off -Wno-psabi
#include "cpu/rounded-few-rows.h"

namespace xinghe {

RoundedSet plainRounded() { return roundedHere(); }

}  // namespace xinghe
