// What layers exchange that are split over a group of processes, with its gradient. all_reduce_forward sums over the group
// and hands the gradient on as it is; all_reduce_backward hands the values on and sums the gradient; all_gather and
// reduce_scatter, over the first dimension, are each other's gradient; all_to_all, whose i-th index of the first dimension goes to
// process i, is its own. c10d's own operators find the group by its name and do
// the work; libtorch's versions with a gradient give tensors that nobody has waited for, and that cannot be waited for where a
// graph is recorded.
#include "collective-functions.h"

#include <ATen/core/dispatch/Dispatcher.h>

#include <string>

#include "graph.h"

namespace xinghe {
namespace {

using Handle = c10::OperatorHandle;

Handle find(const char* name) { return c10::Dispatcher::singleton().findSchemaOrThrow(name, ""); }

// A new tensor, there when this returns.
at::Tensor awaited(const Handle& collective, torch::jit::Stack stack) {
  static const Handle wait = find("_c10d_functional::wait_tensor");
  collective.callBoxed(&stack);
  wait.callBoxed(&stack);
  return stack.back().toTensor();
}

at::Tensor sumOver(const at::Tensor& input, const std::string& group) {
  static const Handle reduce = find("_c10d_functional::all_reduce");
  return awaited(reduce, {input.contiguous(), "sum", group});
}

at::Tensor gathered(const at::Tensor& input, std::int64_t size, const std::string& group) {
  static const Handle gather = find("_c10d_functional::all_gather_into_tensor");
  return awaited(gather, {input.contiguous(), size, group});
}

at::Tensor scattered(const at::Tensor& input, std::int64_t size, const std::string& group) {
  static const Handle scatter = find("_c10d_functional::reduce_scatter_tensor");
  return awaited(scatter, {input.contiguous(), "sum", size, group});
}

at::Tensor exchanged(const at::Tensor& input, std::int64_t size, const std::string& group) {
  static const Handle exchange = find("_c10d_functional::all_to_all_single");
  const std::vector<std::int64_t> parts(static_cast<std::size_t>(size), input.size(0) / size);
  return awaited(exchange, {input.contiguous(), parts, parts, group});
}

// `forward` of the input, and `backward` of the gradient.
template <typename Function, typename Gradient>
at::Tensor withGradient(const at::Tensor& input, const Function& forward, const Gradient& backward) {
  return recorded({input}, [&]() -> Forward { return {forward(input), {}}; },
                  [backward](const at::Tensor& grad, const Tensors&, const std::vector<bool>&) -> Tensors {
                    return {backward(grad)};
                  });
}

at::Tensor same(const at::Tensor& x) { return x.view(x.sizes()); }

}  // namespace

at::Tensor allReduceForward(const at::Tensor& input, std::string_view group) { return sumOver(input, std::string(group)); }

at::Tensor allReduceBackward(const at::Tensor& input, std::string_view) { return same(input); }

at::Tensor allGather(const at::Tensor& input, std::int64_t size, std::string_view group) {
  return gathered(input, size, std::string(group));
}

at::Tensor reduceScatter(const at::Tensor& input, std::int64_t size, std::string_view group) {
  return scattered(input, size, std::string(group));
}

at::Tensor allToAll(const at::Tensor& input, std::int64_t size, std::string_view group) {
  return exchanged(input, size, std::string(group));
}

at::Tensor allToAllWithGraph(const at::Tensor& input, std::int64_t size, std::string_view group) {
  const auto exchange = [size, group = std::string(group)](const at::Tensor& x) { return exchanged(x, size, group); };
  return withGradient(input, exchange, exchange);
}

at::Tensor allReduceForwardWithGraph(const at::Tensor& input, std::string_view group) {
  const auto sum = [group = std::string(group)](const at::Tensor& x) { return sumOver(x, group); };
  return withGradient(input, sum, [](const at::Tensor& x) { return x; });
}

at::Tensor allReduceBackwardWithGraph(const at::Tensor& input, std::string_view group) {
  const auto sum = [group = std::string(group)](const at::Tensor& x) { return sumOver(x, group); };
  return withGradient(input, same, sum);
}

at::Tensor allGatherWithGraph(const at::Tensor& input, std::int64_t size, std::string_view group) {
  const auto gather = [size, group = std::string(group)](const at::Tensor& x) { return gathered(x, size, group); };
  const auto scatter = [size, group = std::string(group)](const at::Tensor& x) { return scattered(x, size, group); };
  return withGradient(input, gather, scatter);
}

at::Tensor reduceScatterWithGraph(const at::Tensor& input, std::int64_t size, std::string_view group) {
  const auto gather = [size, group = std::string(group)](const at::Tensor& x) { return gathered(x, size, group); };
  const auto scatter = [size, group = std::string(group)](const at::Tensor& x) { return scattered(x, size, group); };
  return withGradient(input, scatter, gather);
}

}  // namespace xinghe
