// What the loops of the CPU kernels share: element types, an exponential that vectorises, and the mark for functions
// that are compiled once more for newer processors. The loops are plain C++; a file with such loops asks for the
// flags that let the compiler vectorise them:
//
//   compile flags (x64): -O3 -fopenmp-simd -fno-math-errno -fno-trapping-math
#pragma once

#include <c10/core/ScalarType.h>
#include <c10/util/BFloat16.h>
#include <c10/util/Half.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <type_traits>

#include "cpu/inlining.h"

// A function with this mark exists twice: for any x86-64, and for processors with AVX2 and FMA; the loader chooses.
// What it calls must be marked XINGHE_INLINE to be compiled along.
#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 12
#define XINGHE_VECTORISED __attribute__((target_clones("default", "arch=x86-64-v3")))
#else
#define XINGHE_VECTORISED
#endif

namespace xinghe {

// The type that a kernel computes in: double for double, float for all others.
template <typename Element>
using Wide = std::conditional_t<std::is_same_v<Element, double>, double, float>;

XINGHE_INLINE double widen(double value) { return value; }
XINGHE_INLINE float widen(float value) { return value; }
XINGHE_INLINE float widen(c10::Half value) { return value; }
XINGHE_INLINE float widen(c10::BFloat16 value) { return std::bit_cast<float>(std::uint32_t{value.x} << 16); }

// Rounds to nearest, ties to even.
template <typename Element>
XINGHE_INLINE Element narrow(Wide<Element> value) {
  if constexpr (std::is_same_v<Element, c10::BFloat16>) {
    const auto bits = std::bit_cast<std::uint32_t>(value);
    const std::uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
    return c10::BFloat16(static_cast<std::uint16_t>(value != value ? 0x7fc0u : rounded),
                         c10::BFloat16::from_bits());
  } else {
    return static_cast<Element>(value);
  }
}

// The value as it is after being stored as an Element.
template <typename Element>
XINGHE_INLINE Wide<Element> rounded(Wide<Element> value) {
  return widen(narrow<Element>(value));
}

XINGHE_INLINE double exponential(double x) { return std::exp(x); }

// exp(x) within 1.5 ulp, subnormal results included: 2^n e^r with |r| <= ln(2)/2 and e^r by its Taylor polynomial of
// degree 7. n comes out of the low bits of x/ln(2) + 1.5 * 2^23, and 2^n is multiplied in two halves, so that every
// result between the least subnormal and the largest float is reached. A NaN stays one.
XINGHE_INLINE float exponential(float x) {
  constexpr float shift = 12582912.0f;           // 1.5 * 2^23
  constexpr float ln2High = 0.693145751953125f;  // 15 bits, so that n * ln2High is exact
  constexpr float ln2Low = 1.42860682030941723e-6f;
  x = x < -104.0f ? -104.0f : x;
  x = x > 89.0f ? 89.0f : x;
  const float shifted = x * 1.44269504088896341f + shift;
  const float n = shifted - shift;
  const float r = (x - n * ln2High) - n * ln2Low;
  float p = 1.0f / 5040;
  p = p * r + 1.0f / 720;
  p = p * r + 1.0f / 120;
  p = p * r + 1.0f / 24;
  p = p * r + 1.0f / 6;
  p = p * r + 0.5f;
  p = p * r + 1.0f;
  p = p * r + 1.0f;
  const std::uint32_t exponent = std::bit_cast<std::uint32_t>(shifted) - std::bit_cast<std::uint32_t>(shift);
  // Halved towards minus infinity; the shift of a negative number is arithmetic since C++20.
  const auto half = static_cast<std::uint32_t>(static_cast<std::int32_t>(exponent) >> 1);
  const float first = std::bit_cast<float>((half + 127u) << 23);
  const float second = std::bit_cast<float>((exponent - half + 127u) << 23);
  return p * first * second;
}

template <typename Float>
XINGHE_INLINE Float sigmoid(Float x) {
  return Float(1) / (Float(1) + exponential(-x));
}

// Calls `kernel` with a value of the element type that `type` names.
template <typename Kernel>
bool withElementType(c10::ScalarType type, const Kernel& kernel) {
  switch (type) {
    case c10::ScalarType::Double: kernel(double{}); return true;
    case c10::ScalarType::Float: kernel(float{}); return true;
    case c10::ScalarType::BFloat16: kernel(c10::BFloat16{}); return true;
    case c10::ScalarType::Half: kernel(c10::Half{}); return true;
    default: return false;
  }
}

}  // namespace xinghe
