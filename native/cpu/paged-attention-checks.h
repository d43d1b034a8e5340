// What xinghe::paged_attention is given, and the checks of it that every device shares.
//
// Shapes: T rows, H heads of queries, K heads of keys and values, E head_dim, P pages, N sequences, M blocks of a table,
// C key tables of S positions.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <vector>

#include "cpu/operators.h"
#include "cpu/paged-attention.h"

namespace xinghe {

inline bool given(const OptionalTensor& tensor) { return tensor.has_value() && tensor->defined(); }

struct PagedInputs {
  const at::Tensor &q, &k, &v;                     // [1, H, T, E], k and v [1, K, T, E]
  const at::Tensor &keyPages, &valuePages;         // [P, K, E, 16] and [P, K, 16, E]
  const OptionalTensor &keyScales, &valueScales;   // [P, K, 16] for pages of int8
  const at::Tensor &seen;                          // uint8 [P, 16]
  const at::Tensor &blockTables, &sequences;       // int32 [N, M] and [N, 4]
  std::int64_t window;
  const OptionalTensor &keyCos, &keySin;           // [C, S, E]
};

// Throws what is wrong with dtypes, shapes, strides or devices.
void checkPagedAttention(const PagedInputs& inputs);

// The sequences that have rows, after a check of every number that an address is made of, so that no page outside the
// pool is ever read or written. Takes the two tables as they lie on the CPU; the result points into `blockTables`.
std::vector<PagedSequence> pagedSequences(const PagedInputs& inputs, const at::Tensor& sequences,
                                          const at::Tensor& blockTables);

}  // namespace xinghe
