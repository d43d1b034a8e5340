// Products with integer weights in the widest vectors that the file is compiled for. A weight is decoded to the float32
// that it stands for, rounded once, and multiplied as that; the sum of an output runs over 32 lanes, input k in lane
// k % 32, which are added up at the end in one order. So the result of a row is the same beside any others.
#pragma once

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include <cstring>

#include "cpu/inlining.h"
#include "cpu/integer-products.h"
#include "cpu/widen-half.h"

namespace xinghe {
namespace {

typedef float Float16Lanes __attribute__((vector_size(64)));
typedef std::int32_t Int16Lanes __attribute__((vector_size(64)));
typedef std::uint8_t Byte16Lanes __attribute__((vector_size(16)));
typedef std::int8_t SignedByte16Lanes __attribute__((vector_size(16)));

#if defined(__AVX512F__)
constexpr int mostRows = 8;
constexpr int outputsOf(int rows) { return rows == 1 ? 4 : rows <= 4 ? 2 : 1; }
#elif defined(__AVX2__)
constexpr int mostRows = 3;
constexpr int outputsOf(int rows) { return rows == 1 ? 2 : 1; }
#else
constexpr int mostRows = 1;
constexpr int outputsOf(int) { return 1; }
#endif

XINGHE_INLINE Float16Lanes loadFloats(const float* from) {
  Float16Lanes lanes;
  __builtin_memcpy(&lanes, from, sizeof lanes);
  return lanes;
}

XINGHE_INLINE Float16Lanes multiplyAdd(Float16Lanes a, Float16Lanes b, Float16Lanes c) {
#if defined(__AVX512F__)
  return (Float16Lanes)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#else
  return a * b + c;  // fused where the file's flags say so
#endif
}

XINGHE_INLINE Int16Lanes widen(const std::uint8_t* bytes) {
  Byte16Lanes packed;
  __builtin_memcpy(&packed, bytes, sizeof packed);
#if defined(__AVX512F__)
  return (Int16Lanes)_mm512_cvtepu8_epi32((__m128i)packed);
#else
  return __builtin_convertvector(packed, Int16Lanes);
#endif
}

XINGHE_INLINE Int16Lanes widenSigned(const std::uint8_t* bytes) {
  SignedByte16Lanes packed;
  __builtin_memcpy(&packed, bytes, sizeof packed);
#if defined(__AVX512F__)
  return (Int16Lanes)_mm512_cvtepi8_epi32((__m128i)packed);
#else
  return __builtin_convertvector(packed, Int16Lanes);
#endif
}

XINGHE_INLINE float sumOf(Float16Lanes low, Float16Lanes high) {
  float sums[16];
  const Float16Lanes both = low + high;
  __builtin_memcpy(sums, &both, sizeof sums);
#pragma GCC unroll 4
  for (int half = 8; half > 0; half /= 2)
#pragma GCC unroll 8
    for (int lane = 0; lane < half; lane++) sums[lane] += sums[lane + half];
  return sums[0];
}

XINGHE_INLINE float scaleAt(const IntegerProducts& products, std::int64_t index) {
  if (!products.areHalfScales) return static_cast<const float*>(products.scales)[index];
  return widenHalf(static_cast<const std::uint16_t*>(products.scales)[index]);
}

// How the integers of one group of one output become floats.
struct Int4 {
  static constexpr std::int64_t blockBytes = 16;
#if defined(__AVX512F__)
  // All 16 weights that the group can have.
  Float16Lanes table;

  XINGHE_INLINE Int4(float scale, float zero) {
    Float16Lanes steps;
    for (int i = 0; i < 16; i++) steps[i] = static_cast<float>(i);
    table = (steps - zero) * scale;
  }
  XINGHE_INLINE void decode(const std::uint8_t* bytes, Float16Lanes (&out)[2]) const {
    // The permutation reads the four lowest bits of each index.
    const __m512i both = (__m512i)widen(bytes);
    out[0] = (Float16Lanes)_mm512_permutexvar_ps(both, (__m512)table);
    out[1] = (Float16Lanes)_mm512_permutexvar_ps(_mm512_srli_epi32(both, 4), (__m512)table);
  }
#else
  float scale, zero;

  XINGHE_INLINE Int4(float scale, float zero) : scale(scale), zero(zero) {}
  XINGHE_INLINE void decode(const std::uint8_t* bytes, Float16Lanes (&out)[2]) const {
    const Int16Lanes both = widen(bytes);
    out[0] = (__builtin_convertvector(both & 15, Float16Lanes) - zero) * scale;
    out[1] = (__builtin_convertvector(both >> 4, Float16Lanes) - zero) * scale;
  }
#endif
};

template <bool IsSigned>
struct Bytes {
  static constexpr std::int64_t blockBytes = 32;
  float scale, zero;

  // Zero points are those of the unsigned.
  XINGHE_INLINE Bytes(float scale, float zero) : scale(scale), zero(IsSigned ? zero - 128 : zero) {}
  XINGHE_INLINE void decode(const std::uint8_t* bytes, Float16Lanes (&out)[2]) const {
    for (int half = 0; half < 2; half++) {
      const Int16Lanes wide = IsSigned ? widenSigned(bytes + half * 16) : widen(bytes + half * 16);
      out[half] = (__builtin_convertvector(wide, Float16Lanes) - zero) * scale;
    }
  }
};

template <typename Weights>
void decodeOutputs(const IntegerProducts& products, std::int64_t output, std::int64_t endOutput, float* weights) {
  for (; output < endOutput; output++) {
    const std::uint8_t* bytes = products.weight + output * products.blocks * Weights::blockBytes;
    for (std::int64_t group = 0; group < products.groups; group++) {
      const std::int64_t place = output * products.groups + group;
      const Weights decoder(scaleAt(products, place), static_cast<float>(products.zeros[place]));
      const std::int64_t first = group * products.blocksPerGroup;
      const std::int64_t last = first + products.blocksPerGroup;
      for (std::int64_t block = first; block < last && block < products.blocks; block++) {
        Float16Lanes w[2];
        decoder.decode(bytes + block * Weights::blockBytes, w);
        __builtin_memcpy(weights, w, sizeof w);
        weights += integerBlock;
      }
    }
  }
}

template <int Rows, int Outputs>
XINGHE_INLINE void store(const IntegerProducts& products, const Float16Lanes (&sums)[Rows][Outputs][2],
                         std::int64_t row, std::int64_t output) {
  for (int r = 0; r < Rows; r++)
    for (int o = 0; o < Outputs; o++) {
      const float bias = products.bias == nullptr ? 0.0f : products.bias[output + o];
      products.output[(row + r) * products.outputs + output + o] = sumOf(sums[r][o][0], sums[r][o][1]) + bias;
    }
}

// Weights decoded as they are read: for few rows.
template <typename Weights, int Rows, int Outputs>
void multiplyFew(const IntegerProducts& products, std::int64_t row, std::int64_t output) {
  const std::int64_t inputs = products.blocks * integerBlock, rowBytes = products.blocks * Weights::blockBytes;
  const float* x = products.input + row * inputs;
  const std::uint8_t* bytes = products.weight + output * rowBytes;
  Float16Lanes sums[Rows][Outputs][2] = {};
  for (std::int64_t group = 0, block = 0; group < products.groups; group++) {
    float scales[Outputs], zeros[Outputs];
    for (int o = 0; o < Outputs; o++) {
      const std::int64_t place = (output + o) * products.groups + group;
      scales[o] = scaleAt(products, place);
      zeros[o] = static_cast<float>(products.zeros[place]);
    }
    const auto run = [&](const auto&... decoders) __attribute__((always_inline)) {
      const Weights decoder[Outputs] = {decoders...};
      const std::int64_t end = block + products.blocksPerGroup;
      for (; block < end && block < products.blocks; block++) {
#pragma GCC unroll 8
        for (int o = 0; o < Outputs; o++) {
          Float16Lanes w[2];
          decoder[o].decode(bytes + o * rowBytes + block * Weights::blockBytes, w);
#pragma GCC unroll 8
          for (int r = 0; r < Rows; r++)
#pragma GCC unroll 2
            for (int half = 0; half < 2; half++)
              sums[r][o][half] =
                  multiplyAdd(w[half], loadFloats(x + r * inputs + block * integerBlock + half * 16), sums[r][o][half]);
        }
      }
    };
    if constexpr (Outputs == 1) run(Weights(scales[0], zeros[0]));
    if constexpr (Outputs == 2) run(Weights(scales[0], zeros[0]), Weights(scales[1], zeros[1]));
    if constexpr (Outputs == 4)
      run(Weights(scales[0], zeros[0]), Weights(scales[1], zeros[1]), Weights(scales[2], zeros[2]),
          Weights(scales[3], zeros[3]));
  }
  store<Rows, Outputs>(products, sums, row, output);
}

template <typename Weights, int Rows>
void multiplyRows(const IntegerProducts& products, std::int64_t row, std::int64_t output, std::int64_t endOutput) {
  constexpr int outputs = outputsOf(Rows);
  for (; output + outputs <= endOutput; output += outputs) multiplyFew<Weights, Rows, outputs>(products, row, output);
  for (; output < endOutput; output++) multiplyFew<Weights, Rows, 1>(products, row, output);
}

// Weights that were decoded before, for many rows: w [Outputs, K].
template <int Rows, int Outputs>
void multiplyMany(const IntegerProducts& products, std::int64_t row, std::int64_t output, const float* w) {
  const std::int64_t inputs = products.blocks * integerBlock;
  const float* x = products.input + row * inputs;
  Float16Lanes sums[Rows][Outputs][2] = {};
  for (std::int64_t input = 0; input < inputs; input += integerBlock)
#pragma GCC unroll 2
    for (int half = 0; half < 2; half++) {
      Float16Lanes weights[Outputs];
#pragma GCC unroll 4
      for (int o = 0; o < Outputs; o++) weights[o] = loadFloats(w + o * inputs + input + half * 16);
#pragma GCC unroll 8
      for (int r = 0; r < Rows; r++) {
        const Float16Lanes value = loadFloats(x + r * inputs + input + half * 16);
#pragma GCC unroll 4
        for (int o = 0; o < Outputs; o++) sums[r][o][half] = multiplyAdd(weights[o], value, sums[r][o][half]);
      }
    }
  store<Rows, Outputs>(products, sums, row, output);
}

#if defined(__AVX512F__)
constexpr int manyRows = 4, manyOutputs = 2;
#else
constexpr int manyRows = 1, manyOutputs = 2;
#endif
// Rows that stay in the second cache while outputs pass by.
constexpr std::int64_t cachedRows = 64;

template <int Outputs>
void multiplyBlock(const IntegerProducts& products, std::int64_t row, std::int64_t endRow, std::int64_t output,
                   const float* w) {
  for (; row + manyRows <= endRow; row += manyRows) multiplyMany<manyRows, Outputs>(products, row, output, w);
  for (; row < endRow; row++) multiplyMany<1, Outputs>(products, row, output, w);
}

template <typename Weights>
void multiplyDecoded(const IntegerProducts& products, std::int64_t firstOutput, std::int64_t endOutput,
                     float* scratch) {
  const std::int64_t inputs = products.blocks * integerBlock;
  for (std::int64_t row = 0; row < products.rows; row += cachedRows) {
    const std::int64_t endRow = row + cachedRows < products.rows ? row + cachedRows : products.rows;
    for (std::int64_t output = firstOutput; output < endOutput;) {
      const std::int64_t count = endOutput - output < decodedOutputs ? endOutput - output : decodedOutputs;
      decodeOutputs<Weights>(products, output, output + count, scratch);
      std::int64_t done = 0;
      for (; done + manyOutputs <= count; done += manyOutputs)
        multiplyBlock<manyOutputs>(products, row, endRow, output + done, scratch + done * inputs);
      for (; done < count; done++) multiplyBlock<1>(products, row, endRow, output + done, scratch + done * inputs);
      output += count;
    }
  }
}

template <typename Weights>
void multiply(const IntegerProducts& products, std::int64_t output, std::int64_t endOutput, float* scratch) {
  // Measured: from here on decoding once for all rows pays.
  if (products.rows > 2 * mostRows) return multiplyDecoded<Weights>(products, output, endOutput, scratch);
  for (std::int64_t row = 0; row < products.rows;) {
    const std::int64_t left = products.rows - row;
    const int count = static_cast<int>(left < mostRows ? left : mostRows);
    switch (count) {
      case 1: multiplyRows<Weights, 1>(products, row, output, endOutput); break;
#if defined(__AVX2__)
      case 2: multiplyRows<Weights, 2>(products, row, output, endOutput); break;
      case 3: multiplyRows<Weights, 3>(products, row, output, endOutput); break;
#endif
#if defined(__AVX512F__)
      case 4: multiplyRows<Weights, 4>(products, row, output, endOutput); break;
      case 5: multiplyRows<Weights, 5>(products, row, output, endOutput); break;
      case 6: multiplyRows<Weights, 6>(products, row, output, endOutput); break;
      case 7: multiplyRows<Weights, 7>(products, row, output, endOutput); break;
      default: multiplyRows<Weights, 8>(products, row, output, endOutput); break;
#endif
    }
    row += count;
  }
}

constexpr IntegerSet integersHere() {
  return {{multiply<Int4>, decodeOutputs<Int4>},
          {multiply<Bytes<false>>, decodeOutputs<Bytes<false>>},
          {multiply<Bytes<true>>, decodeOutputs<Bytes<true>>}};
}

}  // namespace
}  // namespace xinghe
