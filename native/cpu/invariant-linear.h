// Batch-invariant linear layers on the CPU for inference: a row of the result depends on that row of the input alone,
// bit by bit, whatever the number of rows and threads.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <string_view>
#include <vector>

namespace xinghe {

// Holds for this thread, as libtorch's own modes do: each JavaScript environment has one. `instructions`: plain, avx2, avx512 or avx512bf16 limits what the kernels may use to
// that set; empty takes all that the processor has.
void setInvariantLinear(bool on, std::string_view instructions);
bool isInvariantLinear();

// In their order, each with all before it.
enum class Instructions { plain, avx2, avx512, avx512Bf16 };
// What the kernels may use on this thread: what libtorch found, or was told by ATEN_CPU_CAPABILITY, within the limit.
Instructions allowedInstructions();
// Whether setInvariantLinear named these.
bool isLimitedTo(Instructions instructions);

// x [..., K] times the transpose of w [M, K], plus bias [M]; nullopt if there is no kernel for these tensors. No graph
// is recorded.
std::optional<at::Tensor> invariantLinear(const at::Tensor& x, const at::Tensor& w,
                                          const std::optional<at::Tensor>& bias);

// The same for several weights [M, K] and one x, whose products run side by side; nullopt if not all of them can.
// biases: as many as weights.
std::optional<std::vector<at::Tensor>> invariantLinears(const at::Tensor& x, at::TensorList weights,
                                                        const std::vector<std::optional<at::Tensor>>& biases);

}  // namespace xinghe
