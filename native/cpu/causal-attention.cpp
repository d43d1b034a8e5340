// xinghe::causal_attention: softmax(q k^T / sqrt(E)) v over whole rows, forward and backward, where a query sees the keys up
// to its own, of its own document and within a window. Heads of keys and values serve a group of query heads without being
// repeated, and nothing of size T x T is kept. Other dtypes and devices, processors without AVX2, and second derivatives take
// the same formula composed of libtorch's operators.
//
// Shapes: B batch, H heads of queries, K heads of keys and values, T tokens, E head_dim.
#include "cpu/causal-attention.h"

#include <ATen/Parallel.h>
#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/grad_mode.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <optional>
#include <string_view>
#include <vector>

#include "cpu/operators.h"
#include "cpu/parallel.h"
#include "functions.h"
#include "graph.h"

namespace xinghe {
namespace {

constexpr std::int64_t grain = 65536;  // products of queries and keys, times E, for which one more thread pays

std::optional<CausalAttentionKernel> kernelFor(c10::ScalarType type) {
#if defined(__x86_64__)
  if (type == at::kFloat || type == at::kBFloat16) {
    const CausalElement element = type == at::kFloat ? CausalElement::float32 : CausalElement::bfloat16;
    // What libtorch found, or was told by ATEN_CPU_CAPABILITY.
    const std::string_view capability = cpuCapability();
    if (capability == "AVX512") return avx512CausalAttention(element);
    if (capability == "AVX2") return avx2CausalAttention(element);
  }
#endif
  static_cast<void>(type);
  return std::nullopt;
}

void check(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const OptionalTensor& starts, std::int64_t window) {
  TORCH_CHECK_VALUE(q.dim() == 4 && k.dim() == 4 && k.sizes() == v.sizes() && q.size(0) == k.size(0) && q.size(2) == k.size(2) &&
                        q.size(3) == k.size(3) && k.size(1) > 0 && q.size(1) % k.size(1) == 0,
                    "xinghe::causal_attention: q [B, H, T, E] is ", q.sizes(), ", k and v [B, K, T, E] are ", k.sizes(), " and ",
                    v.sizes(), "; H must be a multiple of K");
  TORCH_CHECK_VALUE(window >= 0, "xinghe::causal_attention: a window of ", window, " tokens");
  if (starts.has_value() && starts->defined())
    TORCH_CHECK_VALUE(starts->scalar_type() == at::kLong && starts->dim() == 2 && starts->size(0) == q.size(0) &&
                          starts->size(1) == q.size(2),
                      "xinghe::causal_attention: starts must be int64 [B, T], not ", starts->scalar_type(), " ", starts->sizes());
}

bool fits(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  const auto isPlain = [&](const at::Tensor& x) {
    return x.device().is_cpu() && x.layout() == at::kStrided && x.scalar_type() == q.scalar_type();
  };
  return isPlain(q) && isPlain(k) && isPlain(v) && q.numel() != 0 && kernelFor(q.scalar_type()).has_value();
}

bool isGiven(const OptionalTensor& tensor) { return tensor.has_value() && tensor->defined(); }

// The first key that each query sees: int32 [B, T]. Empty: 0 for all.
std::vector<std::int32_t> firstKeys(const OptionalTensor& given, std::int64_t window, std::int64_t batch, std::int64_t tokens) {
  if (!isGiven(given) && (window == 0 || window >= tokens)) return {};
  const at::Tensor starts = isGiven(given) ? given->contiguous() : at::Tensor();
  const auto* start = starts.defined() ? starts.const_data_ptr<std::int64_t>() : nullptr;
  std::vector<std::int32_t> firsts(static_cast<std::size_t>(batch * tokens));
  for (std::int64_t row = 0; row < batch; row++)
    for (std::int64_t i = 0, before = 0; i < tokens; i++) {
      const std::int64_t document = start == nullptr ? 0 : start[row * tokens + i];
      TORCH_CHECK_VALUE(document >= before && document <= i, "xinghe::causal_attention: the document of token ", i, " of row ", row,
                        " begins at ", document, "; starts must not fall, nor pass their token");
      before = document;
      firsts[static_cast<std::size_t>(row * tokens + i)] =
          static_cast<std::int32_t>(std::max(document, window == 0 ? 0 : i - window + 1));
    }
  return firsts;
}

HeadTokens headTokens(const at::Tensor& x) { return {x.data_ptr(), x.stride(0), x.stride(1), x.stride(2)}; }

at::Tensor adjacent(const at::Tensor& x) { return x.stride(3) == 1 ? x : x.contiguous(); }

// As projections lie in memory: [B, T, heads, E].
at::Tensor emptyHeads(const at::Tensor& x) {
  return emptyTensor({x.size(0), x.size(2), x.size(1), x.size(3)}, x.options()).transpose(1, 2);
}

// Runs the parts on as many threads as pay, each with scratch memory of its own.
void runParts(const CausalAttention& call, const std::vector<CausalAttentionPart>& parts, std::int64_t pairs,
              CausalAttentionStep step, std::int64_t scratch) {
  const auto most = std::min<std::int64_t>(at::get_num_threads(), static_cast<std::int64_t>(parts.size()));
  const std::int64_t threads = std::clamp<std::int64_t>(pairs * call.headDim / grain, 1, std::max<std::int64_t>(1, most));
  std::atomic<std::size_t> next{0};
  parallelRanges(threads, 1, [&](std::int64_t, std::int64_t) {
    const at::Tensor memory = emptyTensor({scratch + 16}, at::TensorOptions(at::kFloat));
    auto* floats = memory.mutable_data_ptr<float>();
    while (reinterpret_cast<std::uintptr_t>(floats) % 64 != 0) floats++;
    for (std::size_t i = next.fetch_add(1); i < parts.size(); i = next.fetch_add(1)) step(call, parts[i], floats);
  });
}

SoftmaxScale* softmaxScales(const at::Tensor& scales) { return static_cast<SoftmaxScale*>(scales.data_ptr()); }

struct Attended {
  at::Tensor out;
  at::Tensor scales;  // [B, H, T, 2]: SoftmaxScale
};

Attended attended(const at::Tensor& qGiven, const at::Tensor& kGiven, const at::Tensor& vGiven, const OptionalTensor& starts,
                  std::int64_t window) {
  const at::Tensor q = adjacent(qGiven), k = adjacent(kGiven), v = adjacent(vGiven);
  const std::int64_t batch = q.size(0), heads = q.size(1), tokens = q.size(2), headDim = q.size(3), kvHeads = k.size(1);
  const Attended result{emptyHeads(q), emptyTensor({batch, heads, tokens, 2}, q.options().dtype(at::kFloat))};
  const std::vector<std::int32_t> firsts = firstKeys(starts, window, batch, tokens);
  CausalAttention call{};
  call = {.heads = heads, .kvHeads = kvHeads, .tokens = tokens, .headDim = headDim, .q = headTokens(q), .k = headTokens(k),
          .v = headTokens(v), .out = headTokens(result.out), .scales = softmaxScales(result.scales),
          .firsts = firsts.empty() ? nullptr : firsts.data(), .gradOut = {}, .dq = {}, .dk = {}, .dv = {}};
  // Few heads: the blocks of queries of one are shared out, at the price of keys and values arranged anew for each share.
  const std::int64_t blocks = heads / kvHeads * (causalRows(tokens) / causalBlock);
  const std::int64_t wanted = (2 * at::get_num_threads() + batch * kvHeads - 1) / (batch * kvHeads);
  const std::int64_t shares = std::clamp<std::int64_t>(wanted, 1, std::max<std::int64_t>(1, blocks / 4));
  std::vector<CausalAttentionPart> parts;
  for (std::int64_t row = 0; row < batch; row++)
    for (std::int64_t kvHead = 0; kvHead < kvHeads; kvHead++)
      for (std::int64_t share = 0; share < shares; share++)
        parts.push_back({row, kvHead, blocks * share / shares, blocks * (share + 1) / shares});
  runParts(call, parts, batch * heads * tokens * tokens / 2, kernelFor(q.scalar_type())->forward, causalForwardScratch(tokens, headDim));
  return result;
}

struct Gradients {
  at::Tensor dq, dk, dv;
};

Gradients derived(const at::Tensor& grad, const at::Tensor& qGiven, const at::Tensor& kGiven, const at::Tensor& vGiven,
                  const at::Tensor& out, const at::Tensor& scales, const OptionalTensor& starts, std::int64_t window) {
  const at::Tensor q = adjacent(qGiven), k = adjacent(kGiven), v = adjacent(vGiven), gradOut = adjacent(grad);
  const std::int64_t batch = q.size(0), heads = q.size(1), tokens = q.size(2), headDim = q.size(3), kvHeads = k.size(1);
  const Gradients result{emptyHeads(q), emptyHeads(k), emptyHeads(v)};
  const std::vector<std::int32_t> firsts = firstKeys(starts, window, batch, tokens);
  CausalAttention call{};
  call = {.heads = heads, .kvHeads = kvHeads, .tokens = tokens, .headDim = headDim, .q = headTokens(q), .k = headTokens(k),
          .v = headTokens(v), .out = headTokens(out), .scales = softmaxScales(scales),
          .firsts = firsts.empty() ? nullptr : firsts.data(), .gradOut = headTokens(gradOut), .dq = headTokens(result.dq),
          .dk = headTokens(result.dk), .dv = headTokens(result.dv)};
  std::vector<CausalAttentionPart> parts;
  for (std::int64_t row = 0; row < batch; row++)
    for (std::int64_t kvHead = 0; kvHead < kvHeads; kvHead++) parts.push_back({row, kvHead, 0, 0});
  runParts(call, parts, batch * heads * tokens * tokens, kernelFor(q.scalar_type())->backward, causalBackwardScratch(tokens, headDim));
  return result;
}

// True where a query sees a key: bool [1 or B, 1, T, T].
at::Tensor visibleKeys(const at::Tensor& q, const OptionalTensor& starts, std::int64_t window) {
  const at::Tensor places = wholeNumbers(0, q.size(2), q.options().dtype(at::kLong));
  const at::Tensor i = places.unsqueeze(1), j = places.unsqueeze(0);
  at::Tensor visible = j.le(i);
  if (window > 0) visible = visible.logical_and(j.gt(i.sub(window)));
  if (isGiven(starts)) return visible.unsqueeze(0).logical_and(j.unsqueeze(0).ge(starts->unsqueeze(2))).unsqueeze(1);
  return visible.unsqueeze(0).unsqueeze(0);
}

}  // namespace

at::Tensor causalAttentionComposed(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const OptionalTensor& starts,
                                   std::int64_t window) {
  check(q, k, v, starts, window);
  const std::int64_t batch = q.size(0), heads = q.size(1), tokens = q.size(2), headDim = q.size(3), kvHeads = k.size(1);
  const at::Tensor grouped = q.reshape({batch, kvHeads, heads / kvHeads, tokens, headDim});
  const at::Tensor scores = grouped.matmul(k.unsqueeze(2).transpose(3, 4)).mul(1 / std::sqrt(static_cast<double>(headDim)));
  const at::Tensor hidden = visibleKeys(q, starts, window).logical_not().unsqueeze(1);
  const at::Tensor weights = scores.masked_fill(hidden, -std::numeric_limits<double>::infinity()).softmax(-1);
  return weights.matmul(v.unsqueeze(2)).reshape(q.sizes());
}

at::Tensor causalAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const OptionalTensor& starts,
                           std::int64_t window) {
  check(q, k, v, starts, window);
  return fits(q, k, v) ? attended(q, k, v, starts, window).out : causalAttentionComposed(q, k, v, starts, window);
}

at::Tensor causalAttentionWithGraph(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const OptionalTensor& starts,
                                    std::int64_t window) {
  check(q, k, v, starts, window);
  if (!fits(q, k, v)) return causalAttentionComposed(q, k, v, starts, window);
  const at::Tensor documents = isGiven(starts) ? *starts : at::Tensor();
  const auto forward = [&]() -> Forward {
    const Attended result = attended(q, k, v, documents, window);
    return {result.out, {q, k, v, result.out, result.scales, documents}};
  };
  if (!at::GradMode::is_enabled() || !(q.requires_grad() || k.requires_grad() || v.requires_grad())) {
    const at::AutoDispatchBelowADInplaceOrView below;
    return forward().output;
  }
  return recorded({q, k, v}, forward, [window](const at::Tensor& grad, const Tensors& saved, const std::vector<bool>&) -> Tensors {
    const at::Tensor &q = saved[0], &k = saved[1], &v = saved[2];
    if (at::GradMode::is_enabled())
      return differentiableGradients(causalAttentionComposed(q, k, v, saved[5], window), {q, k, v}, grad);
    const auto [dq, dk, dv] = derived(grad, q, k, v, saved[3], saved[4], saved[5], window);
    return {dq, dk, dv};
  });
}

}  // namespace xinghe
