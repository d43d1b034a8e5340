// Sixteen numbers at a time in the widest vectors that the file is compiled for. For files that are compiled for one
// kind of processor by `compile flags`: everything here is local to the file and inlined, so that no code for a newer
// processor can stand in for another file's. Files that include it ask for -ffp-contract=off: which products are fused
// with a sum is said here, not chosen by the compiler, so that a sum comes out the same wherever it is inlined.
#pragma once

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#include <cstdint>

#include "cpu/inlining.h"
#include "cpu/paged-attention.h"

// For what is long, and called from many places with work for a microsecond: inlined everywhere it doubled the time
// that the file takes to compile.
#define XINGHE_APART __attribute__((noinline))

namespace xinghe {
namespace {

#if defined(__AVX512F__)
constexpr int vectorBytes = 64;
#elif defined(__AVX2__)
constexpr int vectorBytes = 32;
#else
constexpr int vectorBytes = 16;
#endif

typedef float FloatVector __attribute__((vector_size(vectorBytes)));
typedef std::uint32_t FloatBits __attribute__((vector_size(vectorBytes)));
typedef double DoubleVector __attribute__((vector_size(vectorBytes)));
typedef std::uint64_t DoubleBits __attribute__((vector_size(vectorBytes)));

template <typename Number>
struct VectorOf;
template <>
struct VectorOf<float> {
  using Type = FloatVector;
  using Bits = FloatBits;
  using Word = std::uint32_t;
};
template <>
struct VectorOf<double> {
  using Type = DoubleVector;
  using Bits = DoubleBits;
  using Word = std::uint64_t;
};

constexpr int lanes = 16;

template <typename Number>
struct Lanes {
  using Vector = typename VectorOf<Number>::Type;
  static constexpr int width = vectorBytes / sizeof(Number);
  static constexpr int parts = lanes / width;
  Vector part[parts];
};

XINGHE_INLINE FloatVector fused(FloatVector a, FloatVector b, FloatVector c) {
#if defined(__AVX512F__)
  return _mm512_fmadd_ps(a, b, c);
#elif defined(__FMA__)
  return _mm256_fmadd_ps(a, b, c);
#elif defined(__aarch64__)
  return vfmaq_f32(c, a, b);
#else
  return a * b + c;
#endif
}

XINGHE_INLINE DoubleVector fused(DoubleVector a, DoubleVector b, DoubleVector c) {
#if defined(__AVX512F__)
  return _mm512_fmadd_pd(a, b, c);
#elif defined(__FMA__)
  return _mm256_fmadd_pd(a, b, c);
#elif defined(__aarch64__)
  return vfmaq_f64(c, a, b);
#else
  return a * b + c;
#endif
}

template <typename Number>
XINGHE_INLINE typename VectorOf<Number>::Type every(Number x) {
  typename VectorOf<Number>::Type result;
#pragma GCC unroll 16
  for (int i = 0; i < Lanes<Number>::width; i++) result[i] = x;
  return result;
}
#if defined(__AVX512F__)
template <>
XINGHE_INLINE FloatVector every<float>(float x) {
  return _mm512_set1_ps(x);
}
template <>
XINGHE_INLINE DoubleVector every<double>(double x) {
  return _mm512_set1_pd(x);
}
#elif defined(__AVX2__)
template <>
XINGHE_INLINE FloatVector every<float>(float x) {
  return _mm256_set1_ps(x);
}
template <>
XINGHE_INLINE DoubleVector every<double>(double x) {
  return _mm256_set1_pd(x);
}
#endif

// Loads of one vector, widened.
XINGHE_INLINE void load(const float* from, FloatVector& to) { __builtin_memcpy(&to, from, sizeof to); }
XINGHE_INLINE void load(const double* from, DoubleVector& to) { __builtin_memcpy(&to, from, sizeof to); }

XINGHE_INLINE FloatBits widenWords(const std::uint16_t* from) {
#if defined(__AVX512F__)
  return (FloatBits)_mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
#elif defined(__AVX2__)
  return (FloatBits)_mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
#else
  FloatBits result;
  for (int i = 0; i < 4; i++) result[i] = from[i];
  return result;
#endif
}

XINGHE_INLINE void load(const Bfloat16Bits* from, FloatVector& to) {
  to = (FloatVector)(widenWords(&from->bits) << 16);
}

XINGHE_INLINE void load(const Float16Bits* from, FloatVector& to) {
#if defined(__AVX512F__)
  to = _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
#elif defined(__F16C__)
  to = _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
#else
  // Exponent and mantissa in the places of a float's, 112 too low; the product is exact, subnormal numbers included.
  const FloatBits bits = widenWords(&from->bits);
  const FloatBits size = (bits & 0x7fffu) << 13;
  const FloatVector scaled = (FloatVector)size * every<float>(0x1p112f);
  const FloatBits special = (FloatBits)(size >= (0x7c00u << 13)) & 0x7f800000u;
  to = (FloatVector)((FloatBits)scaled | special | ((bits & 0x8000u) << 16));
#endif
}

XINGHE_INLINE void load(const std::int8_t* from, FloatVector& to) {
#if defined(__AVX512F__)
  to = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from))));
#elif defined(__AVX2__)
  to = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(from))));
#else
  for (int i = 0; i < 4; i++) to[i] = from[i];
#endif
}

XINGHE_INLINE void load(const std::int8_t* from, DoubleVector& to) {
  for (int i = 0; i < Lanes<double>::width; i++) to[i] = from[i];
}
XINGHE_INLINE void load(const float* from, DoubleVector& to) {
  for (int i = 0; i < Lanes<double>::width; i++) to[i] = from[i];
}

template <typename Number, typename Stored>
XINGHE_INLINE Lanes<Number> loadLanes(const Stored* from) {
  Lanes<Number> result;
#pragma GCC unroll 16
  for (int i = 0; i < Lanes<Number>::parts; i++) load(from + i * Lanes<Number>::width, result.part[i]);
  return result;
}

// The first `count` lanes, and zeros.
template <typename Number, typename Stored>
XINGHE_INLINE Lanes<Number> loadFirst(const Stored* from, std::int64_t count) {
  Stored buffer[lanes] = {};
  __builtin_memcpy(buffer, from, static_cast<std::size_t>(count) * sizeof(Stored));
  return loadLanes<Number>(static_cast<const Stored*>(buffer));
}

template <typename Number>
XINGHE_INLINE void storeLanes(const Lanes<Number>& x, Number* to) {
#pragma GCC unroll 16
  for (int i = 0; i < Lanes<Number>::parts; i++)
    __builtin_memcpy(to + i * Lanes<Number>::width, &x.part[i], sizeof x.part[i]);
}

// combine(part of a, part of b) for all parts.
template <typename Number, typename Combine>
XINGHE_INLINE Lanes<Number> zip(const Lanes<Number>& a, const Lanes<Number>& b, Combine combine) {
  Lanes<Number> result;
#pragma GCC unroll 16
  for (int i = 0; i < Lanes<Number>::parts; i++) result.part[i] = combine(a.part[i], b.part[i]);
  return result;
}

template <typename Number>
XINGHE_INLINE Lanes<Number> everyLane(Number x) {
  Lanes<Number> result;
#pragma GCC unroll 16
  for (int i = 0; i < Lanes<Number>::parts; i++) result.part[i] = every<Number>(x);
  return result;
}

// a where the bit of the lane is set, else b.
template <typename Number>
XINGHE_INLINE Lanes<Number> choose(unsigned bits, const Lanes<Number>& a, Number b) {
  using Bits = typename VectorOf<Number>::Bits;
  using Word = typename VectorOf<Number>::Word;
  Lanes<Number> result;
#pragma GCC unroll 16
  for (int i = 0; i < Lanes<Number>::parts; i++) {
    Bits bit;
#pragma GCC unroll 16
    for (int j = 0; j < Lanes<Number>::width; j++) bit[j] = Word{1} << (i * Lanes<Number>::width + j);
    const Bits asked = Bits{} + static_cast<Word>(bits);
    result.part[i] = (asked & bit) != 0 ? a.part[i] : every<Number>(b);
  }
  return result;
}

template <typename Number>
XINGHE_INLINE Number largest(const Lanes<Number>& x) {
#if defined(__AVX512F__)
  if constexpr (sizeof(Number) == 4) return _mm512_reduce_max_ps(x.part[0]);
#endif
  alignas(64) Number values[lanes];
  storeLanes(x, values);
#pragma GCC unroll 4
  for (int half = lanes / 2; half > 0; half /= 2)
    for (int i = 0; i < half; i++) values[i] = values[i] > values[i + half] ? values[i] : values[i + half];
  return values[0];
}

// As exponential() of cpu/vector-math.h: e^x within 1.5 ulp by 2^n e^r; a NaN stays one.
XINGHE_INLINE FloatVector exponentialOf(FloatVector x) {
  const FloatVector shift = every<float>(12582912.0f);  // 1.5 * 2^23
  x = x < -104.0f ? every<float>(-104.0f) : x;
  x = x > 89.0f ? every<float>(89.0f) : x;
  const FloatVector shifted = fused(x, every<float>(1.44269504088896341f), shift);
  const FloatVector n = shifted - shift;
  const FloatVector high = fused(n, every<float>(-0.693145751953125f), x);
  const FloatVector r = fused(n, every<float>(-1.42860682030941723e-6f), high);
  FloatVector p = every<float>(1.0f / 5040);
  p = fused(p, r, every<float>(1.0f / 720));
  p = fused(p, r, every<float>(1.0f / 120));
  p = fused(p, r, every<float>(1.0f / 24));
  p = fused(p, r, every<float>(1.0f / 6));
  p = fused(p, r, every<float>(0.5f));
  p = fused(p, r, every<float>(1.0f));
  p = fused(p, r, every<float>(1.0f));
  typedef std::int32_t Signed __attribute__((vector_size(vectorBytes)));
  const FloatBits exponent = (FloatBits)shifted - (FloatBits)shift;
  const FloatBits half = (FloatBits)((Signed)exponent >> 1);
  return p * (FloatVector)((half + 127u) << 23) * (FloatVector)((exponent - half + 127u) << 23);
}

XINGHE_INLINE DoubleVector exponentialOf(DoubleVector x) {
  for (int i = 0; i < Lanes<double>::width; i++) x[i] = __builtin_exp(x[i]);
  return x;
}

XINGHE_INLINE float exponentialOf(float x) { return exponentialOf(every<float>(x))[0]; }
XINGHE_INLINE double exponentialOf(double x) { return __builtin_exp(x); }

}  // namespace
}  // namespace xinghe
