// Batch-invariant products for any processor, in vectors of 16 bytes, which x86-64 (SSE2) and arm64 (NEON) have.
// compile flags (x64): -O3
// compile flags (arm64): -O3
#include "cpu/products.h"

#include "cpu/products-blocks.h"
#include "cpu/products-rounding.h"

#if defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace xinghe {
namespace {

template <typename Float>
struct Vectors;
template <>
struct Vectors<float> {
  typedef float Type __attribute__((vector_size(16)));
};
template <>
struct Vectors<double> {
  typedef double Type __attribute__((vector_size(16)));
};

// Without a fused instruction the product is rounded before it is added: C++20's own mode never contracts the two.
inline Vectors<float>::Type multiplyAddVectors(Vectors<float>::Type x, Vectors<float>::Type w,
                                               Vectors<float>::Type sum) {
#if defined(__aarch64__)
  return (Vectors<float>::Type)vfmaq_f32((float32x4_t)sum, (float32x4_t)x, (float32x4_t)w);
#else
  return sum + x * w;
#endif
}
inline Vectors<double>::Type multiplyAddVectors(Vectors<double>::Type x, Vectors<double>::Type w,
                                                Vectors<double>::Type sum) {
#if defined(__aarch64__)
  return (Vectors<double>::Type)vfmaq_f64((float64x2_t)sum, (float64x2_t)x, (float64x2_t)w);
#else
  return sum + x * w;
#endif
}

template <typename Float>
struct PlainSums {
  using Sum = Float;
  using Operand = typename Vectors<Float>::Type;
  using Accumulator = Operand;
  using Pair = Float;
  static constexpr int rowTile = 2, columnRowTile = 4, columnVectors = 2;
  static constexpr std::int64_t lanes = 16 / sizeof(Float), depth = 1;

  static inline Operand nothing() { return Operand{}; }
  static inline Accumulator zero() { return Operand{}; }
  static inline Operand fetch(const Operand* from) { return *from; }
  static inline void keep(Operand* to, Operand value) { *to = value; }
  static inline Accumulator multiplyAdd(Operand x, Operand w, Accumulator sum) {
    return multiplyAddVectors(x, w, sum);
  }
  static inline Operand broadcast(Float value) { return Operand{} + value; }

  static inline Float sum(Accumulator a) {
    if constexpr (lanes == 4)
      return (a[0] + a[2]) + (a[1] + a[3]);
    else
      return a[0] + a[1];
  }
  static inline void addSums(Accumulator a, Accumulator b, Accumulator c, Accumulator d, Float* sums) {
    sums[0] += sum(a);
    sums[1] += sum(b);
    sums[2] += sum(c);
    sums[3] += sum(d);
  }
  static inline void addVector(Accumulator a, Float* sums) {
    for (int i = 0; i < lanes; i++) sums[i] += a[i];
  }
};

template <typename Float>
struct Plain : PlainSums<Float> {
  using Stored = Float;
  using Operand = typename PlainSums<Float>::Operand;
  static constexpr int step = PlainSums<Float>::lanes, parts = 1;

  static inline void load(const Float* from, Operand (&out)[1]) { __builtin_memcpy(out, from, sizeof(Operand)); }
  static inline void loadPart(const Float* from, std::int64_t count, Operand (&out)[1]) {
    out[0] = loadColumns(from, 0, 1, count);
  }
  static inline Operand loadColumns(const Float* from, std::int64_t, std::int64_t, std::int64_t count) {
    Operand out{};
    if (count >= step)
      __builtin_memcpy(&out, from, sizeof(Operand));
    else
      for (std::int64_t i = 0; i < count; i++) out[i] = from[i];
    return out;
  }
  static inline Float pair(const Float* x, std::int64_t) { return *x; }
  static inline Float widen(Float value) { return value; }
  static inline Float narrow(Float value) { return value; }
};

// 8 elements become the 4 at even places and the 4 at odd places (on a little-endian machine; the order does not
// matter, as x and W are split alike).
struct Bfloat16 : PlainSums<float> {
  using Stored = std::uint16_t;
  typedef std::uint32_t Bits __attribute__((vector_size(16)));
  static constexpr int step = 8, parts = 2;

  static inline void load(const Stored* from, Operand (&out)[2]) {
    Bits both;
    __builtin_memcpy(&both, from, sizeof(both));
    out[0] = (Operand)(both << 16);
    out[1] = (Operand)(both & 0xffff0000u);
  }
  static inline void loadPart(const Stored* from, std::int64_t count, Operand (&out)[2]) {
    Stored some[8] = {};
    for (std::int64_t i = 0; i < count; i++) some[i] = from[i];
    load(some, out);
  }
  static inline Operand loadColumns(const Stored* from, std::int64_t, std::int64_t, std::int64_t count) {
    Operand out{};
    for (std::int64_t i = 0; i < lanes && i < count; i++) out[i] = widen(from[i]);
    return out;
  }
  static inline float pair(const Stored* x, std::int64_t) { return widen(*x); }
  static inline float widen(Stored value) { return widenBfloat16(value); }
  static inline Stored narrow(float value) { return narrowBfloat16(value); }
};

constexpr ProductKernels float32 = kernelsOf<Plain<float>>(), float64 = kernelsOf<Plain<double>>(),
                         bfloat16 = kernelsOf<Bfloat16>();

}  // namespace

ProductSet plainProducts() { return {&float32, &float64, &bfloat16, nullptr}; }

}  // namespace xinghe
