// Those of libtorch's functions that are no methods of a tensor. Their own headers (ATen/ops/) bring ATen/Context.h,
// two seconds of a compiler; here they are included by functions.cpp alone.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <optional>
#include <string_view>

namespace xinghe {

at::Tensor emptyTensor(at::IntArrayRef shape, const at::TensorOptions& options);
at::Tensor emptyLike(const at::Tensor& x);
at::Tensor zeroTensor(at::IntArrayRef shape, const at::TensorOptions& options);
// A tensor in memory that `owner` keeps alive.
at::Tensor tensorIn(void* data, at::IntArrayRef shape, const at::TensorOptions& options, std::shared_ptr<void> owner);

at::Tensor concatenated(at::TensorList tensors, std::int64_t dim);
// from, from + 1, … to - 1
at::Tensor wholeNumbers(std::int64_t from, std::int64_t to, const at::TensorOptions& options);
at::Tensor silu(const at::Tensor& x);
at::Tensor geluTanh(const at::Tensor& x);
// A loss for each row.
at::Tensor crossEntropies(const at::Tensor& logits, const at::Tensor& targets);
at::Tensor linearOf(const at::Tensor& x, const at::Tensor& w, const std::optional<at::Tensor>& bias);

// x [..., K] times the transpose of w [M, K], plus bias [M], by oneDNN, which reads w with either dimension innermost;
// x is copied by the operator if it is not contiguous.
at::Tensor onednnLinear(const at::Tensor& x, const at::Tensor& w, const std::optional<at::Tensor>& bias);

// What libtorch found the processor to have, or was told by ATEN_CPU_CAPABILITY: DEFAULT, AVX2, AVX512, …
std::string_view cpuCapability();

}  // namespace xinghe
