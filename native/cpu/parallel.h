// libtorch's threads for the kernels.
#pragma once

#include <c10/util/FunctionRef.h>

#include <cstdint>

namespace xinghe {

// Calls work(begin, end) for ranges that together are 0 … count, on as many threads as libtorch uses; ranges hold
// `grain` items at least, the last one apart. at::parallel_for would do, but it is a template over OpenMP's pragmas:
// compiled without OpenMP it runs on one thread, and with it the addon needs the very runtime that libtorch brings.
void parallelRanges(std::int64_t count, std::int64_t grain,
                    c10::function_ref<void(std::int64_t begin, std::int64_t end)> work);

}  // namespace xinghe
