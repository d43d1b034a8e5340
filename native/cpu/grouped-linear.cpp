// xinghe::grouped_linear: rows that lie sorted by expert, each group times the transpose of its own expert's matrix,
// forward and backward. Every product is one of xinghe::linear's, with its routes and, without a graph, its
// batch-invariant kernels; the matrix of an expert without rows is never read.
//
// Shapes: N rows, G experts, K input features, M output features.
#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/grad_mode.h>
#include <c10/util/Exception.h>

#include <vector>

#include "cpu/linear.h"
#include "cpu/operators.h"
#include "functions.h"
#include "graph.h"

namespace xinghe {
namespace {

// The rows of an expert that has any.
struct Group {
  std::int64_t expert, start, count;
};

std::vector<Group> groupsOf(const at::Tensor& x, const at::Tensor& w, const at::Tensor& counts) {
  TORCH_CHECK_VALUE(x.dim() == 2 && w.dim() == 3 && x.size(1) == w.size(2) && x.scalar_type() == w.scalar_type(),
                    "xinghe::grouped_linear: input ", x.sizes(), " ", x.scalar_type(), " and weight ", w.sizes(), " ",
                    w.scalar_type(), "; they are [N, K] and [G, M, K] of one dtype");
  TORCH_CHECK_VALUE(counts.dim() == 1 && counts.size(0) == w.size(0) && counts.scalar_type() == at::kLong,
                    "xinghe::grouped_linear: counts ", counts.sizes(), " ", counts.scalar_type(), "; they are int64 [",
                    w.size(0), "], one for each expert");
  const at::Tensor host = counts.cpu().contiguous();
  const std::int64_t* rows = host.const_data_ptr<std::int64_t>();
  std::vector<Group> groups;
  std::int64_t start = 0;
  for (std::int64_t expert = 0; expert < w.size(0); expert++) {
    TORCH_CHECK_VALUE(rows[expert] >= 0, "xinghe::grouped_linear: expert ", expert, " has ", rows[expert], " rows");
    if (rows[expert] > 0) groups.push_back({expert, start, rows[expert]});
    start += rows[expert];
  }
  TORCH_CHECK_VALUE(start == x.size(0), "xinghe::grouped_linear: counts sum up to ", start, ", the input has ",
                    x.size(0), " rows");
  return groups;
}

template <typename Product>
at::Tensor groupByGroup(const std::vector<Group>& groups, const at::Tensor& x, std::int64_t features,
                        const Product& product) {
  if (groups.empty()) return zeroTensor({x.size(0), features}, x.options());
  Tensors parts;
  for (const Group& group : groups) parts.push_back(product(x.narrow(0, group.start, group.count), group.expert));
  return parts.size() == 1 ? parts.front() : concatenated(parts, 0);
}

}  // namespace

at::Tensor groupedLinear(const at::Tensor& x, const at::Tensor& w, const at::Tensor& counts) {
  return groupByGroup(groupsOf(x, w, counts), x, w.size(1), [&](const at::Tensor& rows, std::int64_t expert) {
    return linear(rows, w.select(0, expert), std::nullopt);
  });
}

at::Tensor groupedLinearWithGraph(const at::Tensor& x, const at::Tensor& w, const at::Tensor& counts) {
  if (!at::GradMode::is_enabled()) {
    const at::AutoDispatchBelowADInplaceOrView below;
    return groupedLinear(x, w, counts);
  }
  const std::vector<Group> groups = groupsOf(x, w, counts);
  const auto run = [&]() -> Forward {
    const auto product = [&](const at::Tensor& rows, std::int64_t expert) {
      return linearProduct(rows, w.select(0, expert), std::nullopt);
    };
    return {groupByGroup(groups, x, w.size(1), product),
            {w.requires_grad() ? x : at::Tensor(), x.requires_grad() ? w : at::Tensor()}};
  };
  const auto backward = [groups, shape = w.sizes().vec()](const at::Tensor& grad, const Tensors& saved,
                                                          const std::vector<bool>& wanted) {
    Tensors gradients(wanted.size());
    if (wanted[0])
      gradients[0] = groupByGroup(groups, grad, shape[2], [&](const at::Tensor& rows, std::int64_t expert) {
        return linearGradInput(rows, saved[1].select(0, expert));
      });
    if (wanted[1]) {
      gradients[1] = zeroTensor(shape, grad.options());
      for (const auto& [expert, start, count] : groups)
        gradients[1].select(0, expert).copy_(
            linearGradWeight(grad.narrow(0, start, count), saved[0].narrow(0, start, count)));
    }
    return gradients;
  };
  return recorded({x, w}, run, backward);
}

}  // namespace xinghe
