#include "cpu/parallel.h"

#include <ATen/Parallel.h>
#include <ATen/TensorIterator.h>

#include "functions.h"

namespace xinghe {

void parallelRanges(std::int64_t count, std::int64_t grain,
                    c10::function_ref<void(std::int64_t begin, std::int64_t end)> work) {
  if (count <= 0) return;
  if (count <= grain || at::get_num_threads() == 1 || at::in_parallel_region()) return work(0, count);
  // An iteration over a tensor of one byte for each item, never read: where a range begins in it says
  // which items are meant.
  const at::Tensor places = emptyTensor({count}, at::kByte);
  const auto* first = static_cast<const char*>(places.const_data_ptr());
  auto iterator = at::TensorIteratorConfig().add_const_input(places).build();
  iterator.for_each(
      [&](char** data, const std::int64_t*, std::int64_t size, std::int64_t) {
        const std::int64_t begin = data[0] - first;
        work(begin, begin + size);
      },
      grain);
}

}  // namespace xinghe
