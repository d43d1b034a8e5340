// What the processor multiplies and adds at most: the limit above every product of matrices.
#pragma once

namespace xinghe {

// GFLOP/s (a multiply-add is two operations) of so many threads at once that touch nothing but registers, the best of
// several runs; 0 where the processor has no such instruction, or another one that is faster (AMX) and not measured here.
double registerPeakFloat32(int threads);
double registerPeakBfloat16(int threads);

}  // namespace xinghe
