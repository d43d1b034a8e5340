// Batch-invariant products for processors with AVX-512; bfloat16 and float16 are widened to float32.
// compile flags (x64): -O3 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma -mf16c
#include "cpu/products.h"

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__)
#include "cpu/products-avx512.h"

namespace xinghe {
namespace {

// What float32 sums of float32 operands share, whatever the elements are stored as.
struct Float32Sums : Avx512Sums {
  using Operand = __m512;
  using Pair = float;
  static constexpr std::int64_t depth = 1;

  static inline Operand nothing() { return _mm512_setzero_ps(); }
  static inline Operand fetch(const Operand* from) { return _mm512_load_ps(from); }
  static inline void keep(Operand* to, Operand value) { _mm512_store_ps(to, value); }
  static inline Accumulator multiplyAdd(Operand x, Operand w, Accumulator sum) { return _mm512_fmadd_ps(x, w, sum); }
  static inline Operand broadcast(float value) { return _mm512_set1_ps(value); }
};

struct Float32 : Float32Sums {
  using Stored = float;
  static constexpr int step = 16, parts = 1;

  static inline void load(const float* from, Operand (&out)[1]) { out[0] = _mm512_loadu_ps(from); }
  static inline void loadPart(const float* from, std::int64_t count, Operand (&out)[1]) {
    out[0] = _mm512_maskz_loadu_ps(firstLanes(count), from);
  }
  static inline Operand loadColumns(const float* from, std::int64_t, std::int64_t, std::int64_t count) {
    return _mm512_maskz_loadu_ps(firstLanes(count), from);
  }
  static inline float pair(const float* x, std::int64_t) { return *x; }
  static inline float widen(float value) { return value; }
  static inline float narrow(float value) { return value; }
};

// 32 elements become the 16 at even places and the 16 at odd places.
struct Bfloat16 : Float32Sums {
  using Stored = std::uint16_t;
  static constexpr int step = 32, parts = 2;

  static inline void split(__m512i both, Operand (&out)[2]) {
    out[0] = _mm512_castsi512_ps(_mm512_slli_epi32(both, 16));
    out[1] = _mm512_castsi512_ps(_mm512_and_si512(both, _mm512_set1_epi32(static_cast<int>(0xffff0000u))));
  }
  static inline void load(const Stored* from, Operand (&out)[2]) { split(_mm512_loadu_si512(from), out); }
  static inline void loadPart(const Stored* from, std::int64_t count, Operand (&out)[2]) {
    split(_mm512_maskz_loadu_epi16((__mmask32{1} << count) - 1, from), out);
  }
  static inline Operand loadColumns(const Stored* from, std::int64_t, std::int64_t, std::int64_t count) {
    const __m256i halves = _mm256_maskz_loadu_epi16(firstLanes(count), from);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
  }
  static inline float pair(const Stored* x, std::int64_t) { return widen(*x); }
  static inline float widen(Stored value) { return widenBfloat16(value); }
  static inline Stored narrow(float value) { return narrowBfloat16(value); }
};

struct Float16 : Float32Sums {
  using Stored = std::uint16_t;
  static constexpr int step = 16, parts = 1;

  static inline void load(const Stored* from, Operand (&out)[1]) {
    out[0] = _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
  }
  static inline void loadPart(const Stored* from, std::int64_t count, Operand (&out)[1]) {
    out[0] = loadColumns(from, 0, 1, count);
  }
  static inline Operand loadColumns(const Stored* from, std::int64_t, std::int64_t, std::int64_t count) {
    return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(firstLanes(count), from));
  }
  static inline float pair(const Stored* x, std::int64_t) { return widen(*x); }
  static inline float widen(Stored value) { return _cvtsh_ss(value); }
  static inline Stored narrow(float value) { return _cvtss_sh(value, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
};

struct Float64 {
  using Stored = double;
  using Sum = double;
  using Operand = __m512d;
  using Accumulator = __m512d;
  using Pair = double;
  static constexpr int step = 8, parts = 1, rowTile = 6, columnRowTile = 6, columnVectors = 4;
  static constexpr std::int64_t lanes = 8, depth = 1;

  static inline Operand nothing() { return _mm512_setzero_pd(); }
  static inline Accumulator zero() { return _mm512_setzero_pd(); }
  static inline Operand fetch(const Operand* from) { return _mm512_load_pd(from); }
  static inline void keep(Operand* to, Operand value) { _mm512_store_pd(to, value); }
  static inline Accumulator multiplyAdd(Operand x, Operand w, Accumulator sum) { return _mm512_fmadd_pd(x, w, sum); }
  static inline Operand broadcast(double value) { return _mm512_set1_pd(value); }
  static inline void load(const double* from, Operand (&out)[1]) { out[0] = _mm512_loadu_pd(from); }
  static inline void loadPart(const double* from, std::int64_t count, Operand (&out)[1]) {
    out[0] = loadColumns(from, 0, 1, count);
  }
  static inline Operand loadColumns(const double* from, std::int64_t, std::int64_t, std::int64_t count) {
    return _mm512_maskz_loadu_pd(static_cast<__mmask8>((1u << count) - 1), from);
  }
  static inline double pair(const double* x, std::int64_t) { return *x; }
  static inline double widen(double value) { return value; }
  static inline double narrow(double value) { return value; }

  static inline void addSums(__m512d a, __m512d b, __m512d c, __m512d d, double* sums) {
    const __m512d ab = _mm512_add_pd(_mm512_unpacklo_pd(a, b), _mm512_unpackhi_pd(a, b));
    const __m512d cd = _mm512_add_pd(_mm512_unpacklo_pd(c, d), _mm512_unpackhi_pd(c, d));
    const __m256d ab4 = _mm256_add_pd(_mm512_castpd512_pd256(ab), _mm512_extractf64x4_pd(ab, 1));
    const __m256d cd4 = _mm256_add_pd(_mm512_castpd512_pd256(cd), _mm512_extractf64x4_pd(cd, 1));
    const __m128d ab2 = _mm_add_pd(_mm256_castpd256_pd128(ab4), _mm256_extractf128_pd(ab4, 1));
    const __m128d cd2 = _mm_add_pd(_mm256_castpd256_pd128(cd4), _mm256_extractf128_pd(cd4, 1));
    _mm_storeu_pd(sums, _mm_add_pd(_mm_loadu_pd(sums), ab2));
    _mm_storeu_pd(sums + 2, _mm_add_pd(_mm_loadu_pd(sums + 2), cd2));
  }
  static inline void addVector(__m512d a, double* sums) {
    _mm512_storeu_pd(sums, _mm512_add_pd(_mm512_loadu_pd(sums), a));
  }
};

constexpr ProductKernels float32 = kernelsOf<Float32>(), float64 = kernelsOf<Float64>(),
                         bfloat16 = kernelsOf<Bfloat16>(), float16 = kernelsOf<Float16>();

}  // namespace

ProductSet avx512Products() { return {&float32, &float64, &bfloat16, &float16}; }

}  // namespace xinghe
#else
namespace xinghe {
ProductSet avx512Products() { return {}; }
}  // namespace xinghe
#endif
