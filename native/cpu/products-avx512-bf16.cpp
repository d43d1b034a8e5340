// Batch-invariant products of bfloat16 for processors with AVX512_BF16, whose instruction adds the products of two
// adjacent elements to a float32 lane (subnormal operands count as zero).
// compile flags (x64): -O3 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512bf16 -mfma
#include "cpu/products.h"

#if defined(__AVX512BF16__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__)
#include "cpu/products-avx512.h"

namespace xinghe {
namespace {

struct Bfloat16 : Avx512Sums {
  using Stored = std::uint16_t;
  using Operand = __m512i;
  using Pair = std::uint32_t;
  static constexpr int step = 32, parts = 1;
  static constexpr std::int64_t depth = 2;

  static inline Operand nothing() { return _mm512_setzero_si512(); }
  static inline Operand fetch(const Operand* from) { return _mm512_load_si512(from); }
  static inline void keep(Operand* to, Operand value) { _mm512_store_si512(to, value); }
  static inline Accumulator multiplyAdd(Operand x, Operand w, Accumulator sum) {
    return _mm512_dpbf16_ps(sum, (__m512bh)x, (__m512bh)w);
  }
  static inline Operand broadcast(Pair value) { return _mm512_set1_epi32(static_cast<int>(value)); }
  static inline void load(const Stored* from, Operand (&out)[1]) { out[0] = _mm512_loadu_si512(from); }
  static inline void loadPart(const Stored* from, std::int64_t count, Operand (&out)[1]) {
    out[0] = _mm512_maskz_loadu_epi16((__mmask32{1} << count) - 1, from);
  }
  static inline Operand loadColumns(const Stored* from, std::int64_t stride, std::int64_t rows, std::int64_t count) {
    const __mmask16 present = firstLanes(count);
    const __m512i low = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(present, from));
    if (rows < 2) return low;
    const __m512i high = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(present, from + stride));
    return _mm512_or_si512(low, _mm512_slli_epi32(high, 16));
  }
  static inline Pair pair(const Stored* x, std::int64_t count) {
    return x[0] | (count < 2 ? 0u : static_cast<Pair>(x[1]) << 16);
  }
  static inline float widen(Stored value) { return widenBfloat16(value); }
  static inline Stored narrow(float value) { return narrowBfloat16(value); }
};

constexpr ProductKernels bfloat16 = kernelsOf<Bfloat16>();

}  // namespace

ProductSet avx512Bf16Products() { return {nullptr, nullptr, &bfloat16, nullptr}; }

}  // namespace xinghe
#else
namespace xinghe {
ProductSet avx512Bf16Products() { return {}; }
}  // namespace xinghe
#endif
