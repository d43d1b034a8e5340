#include "cpu/paged-attention-checks.h"

#include <algorithm>

namespace xinghe {
namespace {

void checkTensor(const char* name, const at::Tensor& tensor, at::ScalarType type, at::IntArrayRef shape,
                 at::Device device, bool contiguous = true) {
  TORCH_CHECK_TYPE(tensor.scalar_type() == type, "xinghe::paged_attention: ", name, " is ", tensor.scalar_type(),
                   "; expected ", type);
  TORCH_CHECK_VALUE(tensor.sizes() == shape, "xinghe::paged_attention: ", name, " has shape ", tensor.sizes(),
                    "; expected ", shape);
  TORCH_CHECK_VALUE(tensor.device() == device, "xinghe::paged_attention: ", name, " lies on ", tensor.device(),
                    "; q on ", device);
  TORCH_CHECK_VALUE(tensor.layout() == at::kStrided && (!contiguous || tensor.is_contiguous()),
                    "xinghe::paged_attention: ", name, " is not contiguous; its strides are ", tensor.strides());
}

}  // namespace

void checkPagedAttention(const PagedInputs& in) {
  TORCH_CHECK_VALUE(in.q.dim() == 4 && in.q.size(0) == 1, "xinghe::paged_attention: q has shape ", in.q.sizes(),
                    "; expected [1, heads, rows, head_dim]");
  const auto type = in.q.scalar_type();
  TORCH_CHECK_TYPE(type == at::kDouble || type == at::kFloat || type == at::kBFloat16 || type == at::kHalf,
                   "xinghe::paged_attention: q is ", type, "; it may be Double, Float, BFloat16 or Half");
  const at::Device device = in.q.device();
  const std::int64_t heads = in.q.size(1), headDim = in.q.size(3);
  TORCH_CHECK_VALUE(headDim > 0 && headDim % 2 == 0, "xinghe::paged_attention: head_dim is ", headDim,
                    "; it must be even and above 0");
  checkTensor("q", in.q, type, in.q.sizes(), device, false);
  TORCH_CHECK_VALUE(in.keyPages.dim() == 4, "xinghe::paged_attention: key_pages has shape ", in.keyPages.sizes(),
                    "; expected [pages, kv_heads, head_dim, 16]");
  const std::int64_t pages = in.keyPages.size(0), kvHeads = in.keyPages.size(1);
  TORCH_CHECK_VALUE(heads > 0 && kvHeads > 0 && heads % kvHeads == 0, "xinghe::paged_attention: q has ", heads,
                    " heads and key_pages have ", kvHeads, "; the heads of q must be a multiple of those of the pages");
  checkTensor("k", in.k, type, {1, kvHeads, in.q.size(2), headDim}, device, false);
  checkTensor("v", in.v, type, {1, kvHeads, in.q.size(2), headDim}, device, false);
  const bool int8 = in.keyPages.scalar_type() == at::kChar;
  const auto stored = int8 ? at::kChar : type;
  checkTensor("key_pages", in.keyPages, stored, {pages, kvHeads, headDim, pageTokens}, device);
  checkTensor("value_pages", in.valuePages, stored, {pages, kvHeads, pageTokens, headDim}, device);
  TORCH_CHECK_VALUE(given(in.keyScales) == int8 && given(in.valueScales) == int8,
                    "xinghe::paged_attention: pages of ", stored, int8 ? " need" : " take no",
                    " key_scales and value_scales");
  if (int8) {
    checkTensor("key_scales", *in.keyScales, at::kFloat, {pages, kvHeads, pageTokens}, device);
    checkTensor("value_scales", *in.valueScales, at::kFloat, {pages, kvHeads, pageTokens}, device);
  }
  checkTensor("seen", in.seen, at::kByte, {pages, pageTokens}, device);
  TORCH_CHECK_VALUE(in.sequences.dim() == 2 && in.blockTables.dim() == 2,
                    "xinghe::paged_attention: sequences and block_tables have shapes ", in.sequences.sizes(), " and ",
                    in.blockTables.sizes(), "; expected [sequences, 4] and [sequences, blocks]");
  checkTensor("sequences", in.sequences, at::kInt, {in.sequences.size(0), 4}, device);
  checkTensor("block_tables", in.blockTables, at::kInt, {in.sequences.size(0), in.blockTables.size(1)}, device);
  TORCH_CHECK_VALUE(in.window >= 0, "xinghe::paged_attention: window is ", in.window, "; it may be 0 (none) or above");
  TORCH_CHECK_VALUE(given(in.keyCos) == given(in.keySin),
                    "xinghe::paged_attention: key_cos and key_sin are given together or not at all");
  if (given(in.keyCos)) {
    TORCH_CHECK_VALUE(in.keyCos->dim() == 3, "xinghe::paged_attention: key_cos has shape ", in.keyCos->sizes(),
                      "; expected [tables, positions, head_dim]");
    const std::int64_t tables = in.keyCos->size(0), positions = in.keyCos->size(1);
    checkTensor("key_cos", *in.keyCos, type, {tables, positions, headDim}, device);
    checkTensor("key_sin", *in.keySin, type, {tables, positions, headDim}, device);
  }
}

std::vector<PagedSequence> pagedSequences(const PagedInputs& in, const at::Tensor& sequenceNumbers,
                                          const at::Tensor& blockTables) {
  const std::int64_t count = sequenceNumbers.size(0), blocks = blockTables.size(1), rows = in.q.size(2);
  const std::int64_t pages = in.keyPages.size(0);
  const auto* numbers = sequenceNumbers.const_data_ptr<std::int32_t>();
  const auto* tables = blockTables.const_data_ptr<std::int32_t>();
  std::vector<PagedSequence> sequences;
  sequences.reserve(static_cast<std::size_t>(count));
  std::vector<bool> taken(static_cast<std::size_t>(rows));
  for (std::int64_t n = 0; n < count; n++) {
    const PagedSequence s{numbers[4 * n], numbers[4 * n + 1], numbers[4 * n + 2], numbers[4 * n + 3],
                          tables + n * blocks};
    TORCH_CHECK_INDEX(s.firstRow >= 0 && s.rows >= 0 && s.firstRow + s.rows <= rows,
                      "xinghe::paged_attention: sequence ", n, " has rows ", s.firstRow, " to ",
                      s.firstRow + s.rows - 1, "; there are ", rows);
    for (std::int64_t row = s.firstRow; row < s.firstRow + s.rows; row++) {
      TORCH_CHECK_VALUE(!taken[static_cast<std::size_t>(row)], "xinghe::paged_attention: row ", row, " of sequence ",
                        n, " belongs to another one too");
      taken[static_cast<std::size_t>(row)] = true;
    }
    if (s.rows == 0) continue;
    const std::int64_t end = s.position + s.rows;
    TORCH_CHECK_INDEX(s.position >= 0 && end <= blocks * pageTokens, "xinghe::paged_attention: sequence ", n,
                      " has positions ", s.position, " to ", end - 1, "; its table of ", blocks,
                      " blocks has room for ", blocks * pageTokens);
    const std::int64_t firstSeen = in.window > 0 ? std::max<std::int64_t>(0, s.position - in.window + 1) : 0;
    for (std::int64_t block = firstSeen / pageTokens; block * pageTokens < end; block++) {
      const bool written = (block + 1) * pageTokens > s.position;
      TORCH_CHECK_INDEX(s.pages[block] < pages && s.pages[block] >= (written ? 0 : -1),
                        "xinghe::paged_attention: block ", block, " of sequence ", n, " lies in page ",
                        s.pages[block], "; there are ", pages, written ? ", and new tokens need one" : "");
    }
    if (given(in.keyCos)) {
      TORCH_CHECK_INDEX(s.keyTable >= 0 && s.keyTable < in.keyCos->size(0), "xinghe::paged_attention: sequence ", n,
                        " has key table ", s.keyTable, "; there are ", in.keyCos->size(0));
      TORCH_CHECK_INDEX(end <= in.keyCos->size(1), "xinghe::paged_attention: sequence ", n, " has position ", end - 1,
                        "; the key tables have ", in.keyCos->size(1));
    }
    sequences.push_back(s);
  }
  return sequences;
}

}  // namespace xinghe
