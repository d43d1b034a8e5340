// The kernels for devices, one for each type of elements: nvcc makes build/kernels.fatbin of them (tools/setup/kernels.mjs),
// and the host finds them by name (driver.cpp).
#include <type_traits>

#include "cuda/norm-kernel.h"
#include "cuda/signatures.h"

using namespace xinghe::cuda;

// Declares a kernel of a signature, so that a definition that departs from it does not compile.
#define XINGHE_KERNEL(name, Signature) \
  static_assert(std::is_same_v<decltype(name), Signature>, #name)

#define XINGHE_FOR_ELEMENT(suffix, Element)                                                                          \
  extern "C" __global__ void norm_row_##suffix(const void* x, const float* weight, void* y, float* scales,           \
                                               int features, float eps, bool roundBeforeWeight) {                    \
    normRow(static_cast<const Element*>(x), weight, static_cast<Element*>(y), scales, features, eps,                 \
            roundBeforeWeight);                                                                                      \
  }                                                                                                                  \
  XINGHE_KERNEL(norm_row_##suffix, NormRow);                                                                         \
  extern "C" __global__ void norm_rows_backward_##suffix(const void* grad, const void* x, const float* weight,       \
                                                         const float* scales, void* dx, float* sums, int rows,       \
                                                         int features) {                                             \
    extern __shared__ float ofWeight[];                                                                              \
    normRowsBackward(static_cast<const Element*>(grad), static_cast<const Element*>(x), weight, scales,              \
                     static_cast<Element*>(dx), sums, rows, features, ofWeight);                                     \
  }                                                                                                                  \
  XINGHE_KERNEL(norm_rows_backward_##suffix, NormRowsBackward);                                                      \
  extern "C" __global__ void rotate_token_##suffix(const void* x, HeadStrides from, const void* cos,                 \
                                                   const void* sin, void* y, HeadStrides to, int heads, int tokens,  \
                                                   int half, bool back) {                                            \
    rotateToken(static_cast<const Element*>(x), from, static_cast<const Element*>(cos),                              \
                static_cast<const Element*>(sin), static_cast<Element*>(y), to, heads, tokens, half, back);          \
  }                                                                                                                  \
  XINGHE_KERNEL(rotate_token_##suffix, RotateToken);                                                                 \
  extern "C" __global__ void gate_row_##suffix(const void* gate, std::int64_t gateStride, const void* up,            \
                                               std::int64_t upStride, void* y, int features, bool isSilu) {          \
    gateRow(static_cast<const Element*>(gate), gateStride, static_cast<const Element*>(up), upStride,                \
            static_cast<Element*>(y), features, isSilu);                                                             \
  }                                                                                                                  \
  XINGHE_KERNEL(gate_row_##suffix, GateRow);                                                                         \
  extern "C" __global__ void gate_row_backward_##suffix(const void* grad, const void* gate, std::int64_t gateStride, \
                                                        const void* up, std::int64_t upStride, void* dGate,          \
                                                        void* dUp, int features, bool isSilu) {                      \
    gateRowBackward(static_cast<const Element*>(grad), static_cast<const Element*>(gate), gateStride,                \
                    static_cast<const Element*>(up), upStride, static_cast<Element*>(dGate),                         \
                    static_cast<Element*>(dUp), features, isSilu);                                                   \
  }                                                                                                                  \
  XINGHE_KERNEL(gate_row_backward_##suffix, GateRowBackward);                                                        \
  XINGHE_FOR_STORED(suffix, suffix, Element, Element)                                                                \
  XINGHE_FOR_STORED(suffix, int8, Element, std::int8_t)                                                              \
  XINGHE_FOR_SCALE(suffix, float32, Element, float)                                                                  \
  XINGHE_FOR_SCALE(suffix, float16, Element, Float16)

#define XINGHE_FOR_STORED(suffix, stored, Element, Stored)                                                           \
  extern "C" __global__ void store_new_token_##suffix##_##stored(                                                    \
      const void* k, const void* v, void* keyPages, void* valuePages, float* keyScales, float* valueScales,          \
      const std::int32_t* tables, const std::int32_t* sequences, PagedShape shape) {                                 \
    storeNewToken(static_cast<const Element*>(k), static_cast<const Element*>(v), static_cast<Stored*>(keyPages),    \
                  static_cast<Stored*>(valuePages), keyScales, valueScales, tables, sequences, shape);               \
  }                                                                                                                  \
  XINGHE_KERNEL(store_new_token_##suffix##_##stored, StoreNewToken);                                                 \
  extern "C" __global__ void attend_to_pages_##suffix##_##stored(                                                    \
      const void* q, const void* keyPages, const void* valuePages, const float* keyScales, const float* valueScales, \
      const std::uint8_t* attended, const std::int32_t* tables, const std::int32_t* sequences, void* out,            \
      PagedShape shape) {                                                                                            \
    attendToPages(static_cast<const Element*>(q), static_cast<const Stored*>(keyPages),                              \
                  static_cast<const Stored*>(valuePages), keyScales, valueScales, attended, tables, sequences,       \
                  static_cast<Element*>(out), shape);                                                                \
  }                                                                                                                  \
  XINGHE_KERNEL(attend_to_pages_##suffix##_##stored, AttendToPages);

#define XINGHE_FOR_SCALE(suffix, scale, Element, Scale)                          \
  XINGHE_FOR_INTEGERS(suffix, scale, four, Element, Scale, Integers::four)       \
  XINGHE_FOR_INTEGERS(suffix, scale, eight, Element, Scale, Integers::eight)     \
  XINGHE_FOR_INTEGERS(suffix, scale, signed_eight, Element, Scale, Integers::signedEight)

#define XINGHE_FOR_INTEGERS(suffix, scale, kind, Element, Scale, value)                                              \
  extern "C" __global__ void integer_product_##suffix##_##scale##_##kind(                                            \
      const void* x, const std::uint8_t* weight, const void* scales, const std::uint8_t* zeros, const void* bias,    \
      void* y, IntegerShape shape) {                                                                                 \
    extern __shared__ float row[];                                                                                   \
    integerProduct<Element, Scale, value>(static_cast<const Element*>(x), weight, static_cast<const Scale*>(scales), \
                                          zeros, static_cast<const Element*>(bias), static_cast<Element*>(y), shape, \
                                          reinterpret_cast<Element*>(row));                                          \
  }                                                                                                                  \
  XINGHE_KERNEL(integer_product_##suffix##_##scale##_##kind, IntegerProduct);

XINGHE_FOR_ELEMENT(float32, float)
XINGHE_FOR_ELEMENT(bfloat16, Bfloat16)
XINGHE_FOR_ELEMENT(float16, Float16)
