// Float32 sums in AVX-512, for the files that are compiled for it.
#pragma once

#include <immintrin.h>

#include "cpu/products-blocks.h"
#include "cpu/products-rounding.h"

namespace xinghe {
namespace {

inline __mmask16 firstLanes(std::int64_t count) {
  return count >= 16 ? __mmask16{0xffff} : static_cast<__mmask16>((1u << count) - 1);
}

struct Avx512Sums {
  using Sum = float;
  using Accumulator = __m512;
  static constexpr int rowTile = 6, columnRowTile = 6, columnVectors = 4;
  static constexpr std::int64_t lanes = 16;

  static inline Accumulator zero() { return _mm512_setzero_ps(); }

  static inline void addSums(__m512 a, __m512 b, __m512 c, __m512 d, float* sums) {
    const __m512 ab = _mm512_add_ps(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));  // a b a b in each quarter
    const __m512 cd = _mm512_add_ps(_mm512_unpacklo_ps(c, d), _mm512_unpackhi_ps(c, d));
    const __m512 abcd = _mm512_add_ps(_mm512_shuffle_ps(ab, cd, 0x44), _mm512_shuffle_ps(ab, cd, 0xee));
    const __m256 half = _mm256_add_ps(_mm512_castps512_ps256(abcd), _mm512_extractf32x8_ps(abcd, 1));
    const __m128 quarter = _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
    _mm_storeu_ps(sums, _mm_add_ps(_mm_loadu_ps(sums), quarter));
  }
  static inline void addVector(__m512 a, float* sums) {
    _mm512_storeu_ps(sums, _mm512_add_ps(_mm512_loadu_ps(sums), a));
  }
};

}  // namespace
}  // namespace xinghe
