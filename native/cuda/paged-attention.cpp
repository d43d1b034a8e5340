// xinghe::paged_attention on a CUDA device: a kernel where each sequence has one new token, as in decoding; else composed.
//
// Shapes: T rows, H heads, K heads of keys and values, E head_dim, N sequences, M blocks.
#include "cuda/driver.h"
#include "cuda/operators.h"
#include "cuda/signatures.h"
#include "functions.h"

#include "cpu/paged-attention-checks.h"

#include <string>

namespace xinghe::cuda {
namespace {

RowStrides stridesOf(const at::Tensor& x) { return {x.stride(1), x.stride(2)}; }

at::Tensor adjacent(const at::Tensor& x) { return x.stride(3) == 1 ? x : x.contiguous(); }

// Sequences have a row each at least, so that as many rows as sequences are one for each.
bool fits(const PagedInputs& in) {
  return isTaken(in.q) && isTaken(in.k) && isTaken(in.v) && !given(in.keyCos) && in.q.size(2) == in.sequences.size(0) &&
         in.q.size(3) <= mostHeadDim && in.sequences.size(0) > 0 && in.sequences.size(0) <= 65535;
}

}  // namespace

at::Tensor pagedAttention(const at::Tensor& qGiven, const at::Tensor& kGiven, const at::Tensor& vGiven,
                          const at::Tensor& keyPages, const at::Tensor& valuePages, const OptionalTensor& keyScales,
                          const OptionalTensor& valueScales, const at::Tensor& attended, const at::Tensor& blockTables,
                          const at::Tensor& sequences, std::int64_t window, const OptionalTensor& keyCos,
                          const OptionalTensor& keySin) {
  const PagedInputs in{qGiven, kGiven, vGiven, keyPages, valuePages, keyScales, valueScales, attended, blockTables,
                       sequences, window, keyCos, keySin};
  checkPagedAttention(in);
  if (!fits(in))
    return pagedAttentionComposed(qGiven, kGiven, vGiven, keyPages, valuePages, keyScales, valueScales, attended,
                                  blockTables, sequences, window, keyCos, keySin);
  const at::Tensor q = adjacent(qGiven), k = adjacent(kGiven), v = adjacent(vGiven);
  const std::int64_t heads = q.size(1), rows = q.size(2), headDim = q.size(3), count = sequences.size(0);
  const at::Tensor out = emptyTensor({1, rows, heads, headDim}, q.options()).transpose(1, 2);
  const PagedShape shape{static_cast<int>(heads),
                         static_cast<int>(k.size(1)),
                         static_cast<int>(headDim),
                         static_cast<int>(blockTables.size(1)),
                         static_cast<int>(window),
                         stridesOf(q),
                         stridesOf(k),
                         stridesOf(v),
                         stridesOf(out)};
  const bool int8 = given(keyScales);
  float* scalesOfKeys = int8 ? keyScales->mutable_data_ptr<float>() : nullptr;
  float* scalesOfValues = int8 ? valueScales->mutable_data_ptr<float>() : nullptr;
  const std::string element = elementName(q.scalar_type());
  const std::string types = element + "_" + (int8 ? "int8" : element);
  const auto sequenceCount = static_cast<unsigned>(count);
  Launch<StoreNewToken>::of("store_new_token_" + types, q.device(),
                            {.x = static_cast<unsigned>(k.size(1)), .y = sequenceCount, .threads = attendThreads},
                            k.const_data_ptr(), v.const_data_ptr(), keyPages.mutable_data_ptr(),
                            valuePages.mutable_data_ptr(), scalesOfKeys, scalesOfValues,
                            blockTables.const_data_ptr<std::int32_t>(), sequences.const_data_ptr<std::int32_t>(), shape);
  Launch<AttendToPages>::of("attend_to_pages_" + types, q.device(),
                            {.x = static_cast<unsigned>(heads), .y = sequenceCount, .threads = attendThreads},
                            q.const_data_ptr(), keyPages.const_data_ptr(), valuePages.const_data_ptr(), scalesOfKeys,
                            scalesOfValues, attended.const_data_ptr<std::uint8_t>(),
                            blockTables.const_data_ptr<std::int32_t>(), sequences.const_data_ptr<std::int32_t>(),
                            out.mutable_data_ptr(), shape);
  return out;
}

}  // namespace xinghe::cuda
