// Batch-invariant products for processors with AVX2, FMA and F16C; bfloat16 and float16 are widened to float32.
// compile flags (x64): -O3 -mavx2 -mfma -mf16c
#include "cpu/products.h"

#if defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)
#include <immintrin.h>

#include "cpu/products-blocks.h"
#include "cpu/products-rounding.h"

namespace xinghe {
namespace {

// The first `count` <= Count elements, and zeros: AVX2 has no masked load of 16-bit elements.
template <int Count, typename Element>
struct FirstElements {
  alignas(32) Element values[Count] = {};
  FirstElements(const Element* from, std::int64_t count) {
    for (std::int64_t i = 0; i < Count && i < count; i++) values[i] = from[i];
  }
};

// What float32 sums share, whatever the elements are stored as.
struct Float32Sums {
  using Sum = float;
  using Operand = __m256;
  using Accumulator = __m256;
  using Pair = float;
  static constexpr int rowTile = 3, columnRowTile = 6, columnVectors = 2;
  static constexpr std::int64_t lanes = 8, depth = 1;

  static inline Operand nothing() { return _mm256_setzero_ps(); }
  static inline Accumulator zero() { return _mm256_setzero_ps(); }
  static inline Operand fetch(const Operand* from) { return *from; }
  static inline void keep(Operand* to, Operand value) { *to = value; }
  static inline Accumulator multiplyAdd(Operand x, Operand w, Accumulator sum) { return _mm256_fmadd_ps(x, w, sum); }
  static inline Operand broadcast(float value) { return _mm256_set1_ps(value); }

  static inline void addSums(__m256 a, __m256 b, __m256 c, __m256 d, float* sums) {
    const __m256 ab = _mm256_add_ps(_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));  // a b a b in each half
    const __m256 cd = _mm256_add_ps(_mm256_unpacklo_ps(c, d), _mm256_unpackhi_ps(c, d));
    const __m256 abcd = _mm256_add_ps(_mm256_shuffle_ps(ab, cd, 0x44), _mm256_shuffle_ps(ab, cd, 0xee));
    const __m128 half = _mm_add_ps(_mm256_castps256_ps128(abcd), _mm256_extractf128_ps(abcd, 1));
    _mm_storeu_ps(sums, _mm_add_ps(_mm_loadu_ps(sums), half));
  }
  static inline void addVector(__m256 a, float* sums) {
    _mm256_storeu_ps(sums, _mm256_add_ps(_mm256_loadu_ps(sums), a));
  }
};

struct Float32 : Float32Sums {
  using Stored = float;
  static constexpr int step = 8, parts = 1;

  static inline void load(const float* from, Operand (&out)[1]) { out[0] = _mm256_loadu_ps(from); }
  static inline void loadPart(const float* from, std::int64_t count, Operand (&out)[1]) {
    out[0] = loadColumns(from, 0, 1, count);
  }
  static inline Operand loadColumns(const float* from, std::int64_t, std::int64_t, std::int64_t count) {
    if (count >= 8) return _mm256_loadu_ps(from);
    return _mm256_load_ps(FirstElements<8, float>(from, count).values);
  }
  static inline float pair(const float* x, std::int64_t) { return *x; }
  static inline float widen(float value) { return value; }
  static inline float narrow(float value) { return value; }
};

// 16 elements become the 8 at even places and the 8 at odd places.
struct Bfloat16 : Float32Sums {
  using Stored = std::uint16_t;
  static constexpr int step = 16, parts = 2;

  static inline void split(__m256i both, Operand (&out)[2]) {
    out[0] = _mm256_castsi256_ps(_mm256_slli_epi32(both, 16));
    out[1] = _mm256_castsi256_ps(_mm256_and_si256(both, _mm256_set1_epi32(static_cast<int>(0xffff0000u))));
  }
  static inline void load(const Stored* from, Operand (&out)[2]) {
    split(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)), out);
  }
  static inline void loadPart(const Stored* from, std::int64_t count, Operand (&out)[2]) {
    load(FirstElements<16, Stored>(from, count).values, out);
  }
  static inline Operand loadColumns(const Stored* from, std::int64_t, std::int64_t, std::int64_t count) {
    if (count < 8) return loadColumns(FirstElements<8, Stored>(from, count).values, 0, 1, 8);
    const __m128i halves = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(halves), 16));
  }
  static inline float pair(const Stored* x, std::int64_t) { return widen(*x); }
  static inline float widen(Stored value) { return widenBfloat16(value); }
  static inline Stored narrow(float value) { return narrowBfloat16(value); }
};

struct Float16 : Float32Sums {
  using Stored = std::uint16_t;
  static constexpr int step = 8, parts = 1;

  static inline void load(const Stored* from, Operand (&out)[1]) { out[0] = loadColumns(from, 0, 1, 8); }
  static inline void loadPart(const Stored* from, std::int64_t count, Operand (&out)[1]) {
    out[0] = loadColumns(from, 0, 1, count);
  }
  static inline Operand loadColumns(const Stored* from, std::int64_t, std::int64_t, std::int64_t count) {
    if (count < 8) return loadColumns(FirstElements<8, Stored>(from, count).values, 0, 1, 8);
    return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
  }
  static inline float pair(const Stored* x, std::int64_t) { return widen(*x); }
  static inline float widen(Stored value) { return _cvtsh_ss(value); }
  static inline Stored narrow(float value) { return _cvtss_sh(value, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
};

struct Float64 {
  using Stored = double;
  using Sum = double;
  using Operand = __m256d;
  using Accumulator = __m256d;
  using Pair = double;
  static constexpr int step = 4, parts = 1, rowTile = 3, columnRowTile = 6, columnVectors = 2;
  static constexpr std::int64_t lanes = 4, depth = 1;

  static inline Operand nothing() { return _mm256_setzero_pd(); }
  static inline Accumulator zero() { return _mm256_setzero_pd(); }
  static inline Operand fetch(const Operand* from) { return *from; }
  static inline void keep(Operand* to, Operand value) { *to = value; }
  static inline Accumulator multiplyAdd(Operand x, Operand w, Accumulator sum) { return _mm256_fmadd_pd(x, w, sum); }
  static inline Operand broadcast(double value) { return _mm256_set1_pd(value); }
  static inline void load(const double* from, Operand (&out)[1]) { out[0] = _mm256_loadu_pd(from); }
  static inline void loadPart(const double* from, std::int64_t count, Operand (&out)[1]) {
    out[0] = loadColumns(from, 0, 1, count);
  }
  static inline Operand loadColumns(const double* from, std::int64_t, std::int64_t, std::int64_t count) {
    if (count >= 4) return _mm256_loadu_pd(from);
    return _mm256_load_pd(FirstElements<4, double>(from, count).values);
  }
  static inline double pair(const double* x, std::int64_t) { return *x; }
  static inline double widen(double value) { return value; }
  static inline double narrow(double value) { return value; }

  static inline void addSums(__m256d a, __m256d b, __m256d c, __m256d d, double* sums) {
    const __m256d ab = _mm256_add_pd(_mm256_unpacklo_pd(a, b), _mm256_unpackhi_pd(a, b));
    const __m256d cd = _mm256_add_pd(_mm256_unpacklo_pd(c, d), _mm256_unpackhi_pd(c, d));
    const __m128d ab2 = _mm_add_pd(_mm256_castpd256_pd128(ab), _mm256_extractf128_pd(ab, 1));
    const __m128d cd2 = _mm_add_pd(_mm256_castpd256_pd128(cd), _mm256_extractf128_pd(cd, 1));
    _mm_storeu_pd(sums, _mm_add_pd(_mm_loadu_pd(sums), ab2));
    _mm_storeu_pd(sums + 2, _mm_add_pd(_mm_loadu_pd(sums + 2), cd2));
  }
  static inline void addVector(__m256d a, double* sums) {
    _mm256_storeu_pd(sums, _mm256_add_pd(_mm256_loadu_pd(sums), a));
  }
};

constexpr ProductKernels float32 = kernelsOf<Float32>(), float64 = kernelsOf<Float64>(),
                         bfloat16 = kernelsOf<Bfloat16>(), float16 = kernelsOf<Float16>();

}  // namespace

ProductSet avx2Products() { return {&float32, &float64, &bfloat16, &float16}; }

}  // namespace xinghe
#else
namespace xinghe {
ProductSet avx2Products() { return {}; }
}  // namespace xinghe
#endif
