// What layers exchange that are split over a group of processes, with its gradient.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string_view>

namespace xinghe {

at::Tensor allReduceForward(const at::Tensor& input, std::string_view group);
at::Tensor allReduceForwardWithGraph(const at::Tensor& input, std::string_view group);
at::Tensor allReduceBackward(const at::Tensor& input, std::string_view group);
at::Tensor allReduceBackwardWithGraph(const at::Tensor& input, std::string_view group);
at::Tensor allGather(const at::Tensor& input, std::int64_t size, std::string_view group);
at::Tensor allGatherWithGraph(const at::Tensor& input, std::int64_t size, std::string_view group);
at::Tensor reduceScatter(const at::Tensor& input, std::int64_t size, std::string_view group);
at::Tensor reduceScatterWithGraph(const at::Tensor& input, std::int64_t size, std::string_view group);
at::Tensor allToAll(const at::Tensor& input, std::int64_t size, std::string_view group);
at::Tensor allToAllWithGraph(const at::Tensor& input, std::int64_t size, std::string_view group);

}  // namespace xinghe
