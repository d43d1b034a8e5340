// Products of integers with integers in the widest vectors that the file is compiled for. A tile of outputs is unpacked so
// that each lane of a vector has four codes of one output; four codes of a row, the same for all lanes, are multiplied
// with them at once. What is added up within a group are integers, exact in any order; over groups each output adds
// (sum - zero * sum of codes) * scale of the input * scale of the weight, one group after the other, each product and
// sum rounded: no product is fused with a sum where that would change it. Files that include this ask for
// -ffp-contract=off.
#pragma once

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include <cmath>
#include <cstring>

#include "cpu/inlining.h"
#include "cpu/rounded-products.h"
#include "cpu/widen-half.h"

namespace xinghe {
namespace {

#if defined(__AVX512F__)
constexpr int tile = 16, mostTileRows = 6;
#elif defined(__AVX2__)
constexpr int tile = 8, mostTileRows = 2;
#else
constexpr int tile = 4, mostTileRows = 2;
#endif
// Two vectors of outputs: each broadcast of codes of a row serves both.
constexpr int pair = 2;

typedef std::int32_t Ints __attribute__((vector_size(tile * 4)));
typedef std::uint32_t Words __attribute__((vector_size(tile * 4)));
typedef float Floats __attribute__((vector_size(tile * 4)));

XINGHE_INLINE Floats everyLane(float value) {
#if defined(__AVX512F__)
  return (Floats)_mm512_set1_ps(value);
#elif defined(__AVX2__)
  return (Floats)_mm256_set1_ps(value);
#else
  return Floats{} + value;
#endif
}

XINGHE_INLINE Floats toFloats(Ints integers) {
#if defined(__AVX512F__)
  return (Floats)_mm512_cvtepi32_ps((__m512i)integers);
#else
  return __builtin_convertvector(integers, Floats);
#endif
}

// a - b * c, where that is exact.
XINGHE_INLINE Floats lessProduct(Floats a, Floats b, Floats c) {
#if defined(__AVX512F__)
  return (Floats)_mm512_fnmadd_ps((__m512)b, (__m512)c, (__m512)a);
#else
  return a - b * c;
#endif
}

// The four codes at x in all lanes.
XINGHE_INLINE Ints fourCodes(const std::int8_t* x) {
  std::int32_t four;
  __builtin_memcpy(&four, x, sizeof four);
#if defined(__AVX512F__)
  return (Ints)_mm512_set1_epi32(four);
#elif defined(__AVX2__)
  return (Ints)_mm256_set1_epi32(four);
#else
  return Ints{} + four;
#endif
}

// sums + the products of four codes 0 … 255 in each lane with four codes -127 … 127. IsNarrow: the former are at most 15.
template <bool IsNarrow>
XINGHE_INLINE Ints dot(Ints sums, Words weights, Ints four) {
#if defined(__AVX512VNNI__)
  return (Ints)_mm512_dpbusd_epi32((__m512i)sums, (__m512i)weights, (__m512i)four);
#elif defined(__AVX512F__)
  const __m512i w = (__m512i)weights, codes = (__m512i)four;
  if constexpr (IsNarrow) {
    // 2 * 15 * 127 fits in 16 bits; 2 * 255 * 127 does not, and would be cut off.
    const __m512i pairs = _mm512_maddubs_epi16(w, codes);
    return sums + (Ints)_mm512_madd_epi16(pairs, _mm512_set1_epi16(1));
  } else {
    const __m512i even = _mm512_and_si512(w, _mm512_set1_epi16(255)), odd = _mm512_srli_epi16(w, 8);
    const __m512i evenCodes = _mm512_srai_epi16(_mm512_slli_epi16(codes, 8), 8), oddCodes = _mm512_srai_epi16(codes, 8);
    return sums + (Ints)_mm512_madd_epi16(even, evenCodes) + (Ints)_mm512_madd_epi16(odd, oddCodes);
  }
#elif defined(__AVX2__)
  const __m256i w = (__m256i)weights, codes = (__m256i)four;
  if constexpr (IsNarrow) {
    const __m256i pairs = _mm256_maddubs_epi16(w, codes);
    return sums + (Ints)_mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
  } else {
    const __m256i even = _mm256_and_si256(w, _mm256_set1_epi16(255)), odd = _mm256_srli_epi16(w, 8);
    const __m256i evenCodes = _mm256_srai_epi16(_mm256_slli_epi16(codes, 8), 8), oddCodes = _mm256_srai_epi16(codes, 8);
    return sums + (Ints)_mm256_madd_epi16(even, evenCodes) + (Ints)_mm256_madd_epi16(odd, oddCodes);
  }
#elif defined(__SSE2__)
  const __m128i w = (__m128i)weights, codes = (__m128i)four;
  const __m128i even = _mm_and_si128(w, _mm_set1_epi16(255)), odd = _mm_srli_epi16(w, 8);
  const __m128i evenCodes = _mm_srai_epi16(_mm_slli_epi16(codes, 8), 8), oddCodes = _mm_srai_epi16(codes, 8);
  return sums + (Ints)_mm_madd_epi16(even, evenCodes) + (Ints)_mm_madd_epi16(odd, oddCodes);
#else
  for (int i = 0; i < 4; i++) sums += (Ints)(weights >> (8 * i) & 255u) * (four << (24 - 8 * i) >> 24);
  return sums;
#endif
}

// Four words of each of `tile` rows -> word j of all rows in words[j].
XINGHE_INLINE void gatherWords(const std::uint8_t* const (&rows)[tile], std::int64_t offset, Words (&words)[4]) {
#if defined(__AVX512F__)
  const auto four = [&](int a) {
    const auto at = [&](int row) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(rows[row] + offset)); };
    __m512i all = _mm512_castsi128_si512(at(a));
    all = _mm512_inserti32x4(all, at(a + 4), 1);
    all = _mm512_inserti32x4(all, at(a + 8), 2);
    return _mm512_inserti32x4(all, at(a + 12), 3);
  };
  const __m512i a = four(0), b = four(1), c = four(2), d = four(3);
  const __m512i ab = _mm512_unpacklo_epi32(a, b), abHigh = _mm512_unpackhi_epi32(a, b);
  const __m512i cd = _mm512_unpacklo_epi32(c, d), cdHigh = _mm512_unpackhi_epi32(c, d);
  words[0] = (Words)_mm512_unpacklo_epi64(ab, cd);
  words[1] = (Words)_mm512_unpackhi_epi64(ab, cd);
  words[2] = (Words)_mm512_unpacklo_epi64(abHigh, cdHigh);
  words[3] = (Words)_mm512_unpackhi_epi64(abHigh, cdHigh);
#elif defined(__AVX2__)
  const auto two = [&](int a) {
    const auto at = [&](int row) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(rows[row] + offset)); };
    return _mm256_inserti128_si256(_mm256_castsi128_si256(at(a)), at(a + 4), 1);
  };
  const __m256i a = two(0), b = two(1), c = two(2), d = two(3);
  const __m256i ab = _mm256_unpacklo_epi32(a, b), abHigh = _mm256_unpackhi_epi32(a, b);
  const __m256i cd = _mm256_unpacklo_epi32(c, d), cdHigh = _mm256_unpackhi_epi32(c, d);
  words[0] = (Words)_mm256_unpacklo_epi64(ab, cd);
  words[1] = (Words)_mm256_unpackhi_epi64(ab, cd);
  words[2] = (Words)_mm256_unpacklo_epi64(abHigh, cdHigh);
  words[3] = (Words)_mm256_unpackhi_epi64(abHigh, cdHigh);
#else
  std::uint32_t gathered[4][tile];
  for (int row = 0; row < tile; row++) {
    std::uint32_t four[4];
    __builtin_memcpy(four, rows[row] + offset, sizeof four);
    for (int j = 0; j < 4; j++) gathered[j][row] = four[j];
  }
  __builtin_memcpy(words, gathered, sizeof gathered);
#endif
}

// The low half of each word, a float16.
XINGHE_INLINE Floats widenedHalves(Words words) {
#if defined(__AVX512F__)
  return (Floats)_mm512_cvtph_ps(_mm512_cvtepi32_epi16((__m512i)words));
#elif defined(__AVX2__)
  const __m256i low = _mm256_and_si256((__m256i)words, _mm256_set1_epi32(65535));
  const __m256i packed = _mm256_permute4x64_epi64(_mm256_packus_epi32(low, low), 0x08);
  return (Floats)_mm256_cvtph_ps(_mm256_castsi256_si128(packed));
#else
  Floats floats;
  for (int lane = 0; lane < tile; lane++) floats[lane] = widenHalf(static_cast<std::uint16_t>(words[lane]));
  return floats;
#endif
}

// How a block of codes of a vector of outputs becomes eight vectors of them, each `pair` places behind the one before.
struct Int4Codes {
  static constexpr std::int64_t blockBytes = 16;
  static constexpr bool isNarrow = true;
  static XINGHE_INLINE void unpack(const std::uint8_t* const (&rows)[tile], std::int64_t offset, Words* codes) {
    Words words[4];
    gatherWords(rows, offset, words);
    for (int j = 0; j < 4; j++) {
      codes[2 * j * pair] = words[j] & 0x0f0f0f0fu;
      codes[(2 * j + 1) * pair] = words[j] >> 4 & 0x0f0f0f0fu;
    }
  }
};

template <bool IsSigned>
struct Int8Codes {
  static constexpr std::int64_t blockBytes = 32;
  static constexpr bool isNarrow = false;
  static XINGHE_INLINE void unpack(const std::uint8_t* const (&rows)[tile], std::int64_t offset, Words* codes) {
    for (int half = 0; half < 2; half++) {
      Words words[4];
      gatherWords(rows, offset + half * 16, words);
      for (int j = 0; j < 4; j++) codes[(4 * half + j) * pair] = IsSigned ? words[j] ^ 0x80808080u : words[j];
    }
  }
};

// What a thread works with: a pair of vectors of outputs, some blocks of it unpacked.
struct Tile {
  Words* codes;            // [blocks, 8, pair]
  Floats* scales;          // [groups, pair]
  Floats* zeros;           // [groups, pair]
  Floats* sums;            // [rows, pair]
};

// Sixteen bytes of each of the rows of `total` bytes from `offset` on, as words; where the rows end before, zeros.
XINGHE_INLINE void gatherPart(const std::uint8_t* const (&rows)[tile], std::int64_t total, std::int64_t offset,
                              Words (&words)[4]) {
  if (total - offset >= 16) return gatherWords(rows, offset, words);
  std::uint8_t bytes[tile][16] = {};
  const std::uint8_t* padded[tile];
  for (int lane = 0; lane < tile; lane++) {
    std::memcpy(bytes[lane], rows[lane] + offset, static_cast<std::size_t>(total - offset));
    padded[lane] = bytes[lane];
  }
  gatherWords(padded, 0, words);
}

// Scales and zero points of the groups from `first` to `end` as floats, those of a group side by side.
inline void unpackGroups(const RoundedProducts& products, const std::int64_t* outputs, std::int64_t first,
                         std::int64_t end, Floats* scales, Floats* zeros) {
  const std::int64_t width = products.areHalfScales ? 2 : 4, groups = products.groups;
  const std::uint8_t *ofScales[tile], *ofZeros[tile];
  for (int lane = 0; lane < tile; lane++) {
    ofScales[lane] = static_cast<const std::uint8_t*>(products.scales) + outputs[lane] * groups * width;
    ofZeros[lane] = products.zeros + outputs[lane] * groups;
  }
  for (std::int64_t group = first; group < end; group += 16 / width) {
    Words words[4];
    gatherPart(ofScales, groups * width, group * width, words);
    for (std::int64_t i = 0; i < 16 / width && group + i < end; i++)
      scales[(group + i - first) * pair] = width == 4   ? (Floats)words[i]
                                           : i % 2 == 0 ? widenedHalves(words[i / 2])
                                                        : widenedHalves(words[i / 2] >> 16);
  }
  for (std::int64_t group = first; group < end; group += 16) {
    Words words[4];
    gatherPart(ofZeros, groups, group, words);
    for (std::int64_t i = 0; i < 16 && group + i < end; i++)
      zeros[(group + i - first) * pair] = toFloats((Ints)(words[i / 4] >> static_cast<std::uint32_t>(i % 4 * 8) & 255u));
  }
}

// Which blocks are unpacked, from first to end: whole groups of the input.
struct Chunk {
  std::int64_t first, end;
};

template <bool IsNarrow, int Rows>
void multiplyRows(const RoundedProducts& products, const Tile& at, Chunk chunk, std::int64_t row) {
  // Few rows are sums that wait for themselves: several at a time.
  constexpr int chains = Rows == 1 ? 4 : Rows <= 3 ? 2 : 1;
  const RoundedRows& input = products.input;
  const std::int64_t stride = input.stride, groups = input.groups;
  const std::int8_t* x = input.codes + row * stride + chunk.first * integerBlock;
  const float* scales = input.scales + row * groups;
  const float* codeSums = input.sums + row * groups;
  const std::int64_t firstGroup = chunk.first / products.blocksPerGroup;
  Floats sums[Rows][pair];
#pragma GCC unroll 16
  for (int r = 0; r < Rows; r++)
#pragma GCC unroll 2
    for (int p = 0; p < pair; p++) sums[r][p] = at.sums[(row + r) * pair + p];
  const Words* codes = at.codes;
  std::int64_t group = chunk.first / input.blocksPerGroup;
  for (std::int64_t block = chunk.first; block < chunk.end; group++) {
    const std::int64_t ofWeight = block / products.blocksPerGroup - firstGroup;
    const std::int64_t left = chunk.end - block;
    const std::int64_t end = block + (left < input.blocksPerGroup ? left : input.blocksPerGroup);
    Ints exact[Rows][pair][chains] = {};
    for (; block < end; block++, codes += 8 * pair, x += integerBlock) {
#pragma GCC unroll 8
      for (int j = 0; j < 8; j++) {
        const Words weights[pair] = {codes[j * pair], codes[j * pair + 1]};
#pragma GCC unroll 16
        for (int r = 0; r < Rows; r++) {
          const Ints four = fourCodes(x + r * stride + j * 4);
#pragma GCC unroll 2
          for (int p = 0; p < pair; p++)
            exact[r][p][j % chains] = dot<IsNarrow>(exact[r][p][j % chains], weights[p], four);
        }
      }
    }
#pragma GCC unroll 2
    for (int p = 0; p < pair; p++) {
      const Floats weightScales = at.scales[ofWeight * pair + p], zeros = at.zeros[ofWeight * pair + p];
#pragma GCC unroll 16
      for (int r = 0; r < Rows; r++) {
        Ints sum = exact[r][p][0];
#pragma GCC unroll 4
        for (int chain = 1; chain < chains; chain++) sum += exact[r][p][chain];
        const Floats less = lessProduct(toFloats(sum), zeros, everyLane(codeSums[r * groups + group]));
        sums[r][p] += less * everyLane(scales[r * groups + group]) * weightScales;
      }
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < Rows; r++)
#pragma GCC unroll 2
    for (int p = 0; p < pair; p++) at.sums[(row + r) * pair + p] = sums[r][p];
}

template <bool IsNarrow>
void multiplyChunk(const RoundedProducts& products, const Tile& at, Chunk chunk) {
  const std::int64_t rows = products.input.rows;
  for (std::int64_t row = 0; row < rows;) {
    const std::int64_t left = rows - row;
    const int count = static_cast<int>(left < mostTileRows ? left : mostTileRows);
    switch (count) {
      case 1: multiplyRows<IsNarrow, 1>(products, at, chunk, row); break;
      case 2: multiplyRows<IsNarrow, 2>(products, at, chunk, row); break;
#if defined(__AVX512F__)
      case 3: multiplyRows<IsNarrow, 3>(products, at, chunk, row); break;
      case 4: multiplyRows<IsNarrow, 4>(products, at, chunk, row); break;
      case 5: multiplyRows<IsNarrow, 5>(products, at, chunk, row); break;
      default: multiplyRows<IsNarrow, 6>(products, at, chunk, row); break;
#endif
    }
    row += count;
  }
}

// The outputs from `output` on, `count` of them. next: a pair's codes that are read after these, or null.
template <typename Codes>
void multiplyTile(const RoundedProducts& products, std::int64_t output, std::int64_t count, const std::uint8_t* next,
                  const Tile& at) {
  const RoundedRows& input = products.input;
  const std::int64_t rowBytes = input.blocks * Codes::blockBytes;
  // Lanes without an output of their own compute the last one again.
  std::int64_t outputs[pair][tile];
  const std::uint8_t* rows[pair][tile];
  for (int p = 0; p < pair; p++)
    for (int lane = 0; lane < tile; lane++) {
      const std::int64_t place = p * tile + lane;
      outputs[p][lane] = output + (place < count ? place : count - 1);
      rows[p][lane] = products.weight + outputs[p][lane] * rowBytes;
    }
  for (std::int64_t i = 0; i < input.rows * pair; i++) at.sums[i] = Floats{};
  // Whole groups of the weight, or of the input where those are too long.
  const std::int64_t unit = products.blocksPerGroup <= unpackedBlocks ? products.blocksPerGroup : input.blocksPerGroup;
  const std::int64_t size = unpackedBlocks / unit * unit;
  for (std::int64_t first = 0; first < input.blocks; first += size) {
    const Chunk chunk{first, first + size < input.blocks ? first + size : input.blocks};
    const std::int64_t firstGroup = chunk.first / products.blocksPerGroup;
    const std::int64_t endGroup = (chunk.end - 1) / products.blocksPerGroup + 1;
    for (int p = 0; p < pair; p++) {
      for (std::int64_t block = chunk.first; block < chunk.end; block++) {
        Codes::unpack(rows[p], block * Codes::blockBytes, at.codes + (block - chunk.first) * 8 * pair + p);
        // The next pair's bytes lie behind each other: a part of them for each block of this one.
        if (next != nullptr)
          for (std::int64_t line = 0; line < tile * Codes::blockBytes; line += 64)
            __builtin_prefetch(next + (block * pair + p) * tile * Codes::blockBytes + line, 0, 2);
      }
      unpackGroups(products, outputs[p], firstGroup, endGroup, at.scales + p, at.zeros + p);
    }
    multiplyChunk<Codes::isNarrow>(products, at, chunk);
  }
  Floats bias[pair] = {};
  if (products.bias != nullptr)
    for (int p = 0; p < pair; p++)
      for (int lane = 0; lane < tile; lane++) bias[p][lane] = products.bias[outputs[p][lane]];
  for (std::int64_t row = 0; row < input.rows; row++) {
    const Floats sums[pair] = {at.sums[row * pair] + bias[0], at.sums[row * pair + 1] + bias[1]};
    std::memcpy(products.output + row * products.outputs + output, &sums, static_cast<std::size_t>(count) * 4);
  }
}

template <typename Codes>
void multiplyRounded(const RoundedProducts& products, std::int64_t output, std::int64_t endOutput, std::int64_t next,
                     void* scratch) {
  const std::int64_t rowBytes = products.input.blocks * Codes::blockBytes;
  auto* codes = static_cast<Words*>(scratch);
  auto* floats = reinterpret_cast<Floats*>(codes + unpackedBlocks * 8 * pair);
  const Tile at{codes, floats, floats + unpackedBlocks * pair, floats + 2 * unpackedBlocks * pair};
  constexpr std::int64_t step = pair * tile;
  for (std::int64_t row = 0; row < products.input.rows; row += mostRoundedRows) {
    RoundedProducts some = products;
    const std::int64_t left = products.input.rows - row;
    some.input.rows = left < mostRoundedRows ? left : mostRoundedRows;
    some.input.codes += row * products.input.stride;
    some.input.scales += row * products.input.groups;
    some.input.sums += row * products.input.groups;
    some.output += row * products.outputs;
    for (std::int64_t first = output; first < endOutput; first += step) {
      const std::int64_t count = endOutput - first < step ? endOutput - first : step;
      const std::int64_t after = first + step < endOutput ? first + step : next;
      multiplyTile<Codes>(some, first, count, after < 0 ? nullptr : products.weight + after * rowBytes, at);
    }
  }
}

inline std::uint32_t bitsOf(float value) {
  std::uint32_t bits;
  __builtin_memcpy(&bits, &value, sizeof bits);
  return bits;
}

void roundRows(const RoundedRows& rows, const float* x, std::int64_t row, std::int64_t endRow) {
  const std::int64_t inputs = rows.blocks * integerBlock;
  for (; row < endRow; row++) {
    const float* from = x + row * inputs;
    std::int8_t* codes = rows.codes + row * rows.stride;
    for (std::int64_t group = 0; group < rows.groups; group++) {
      const std::int64_t first = group * rows.blocksPerGroup * integerBlock;
      const std::int64_t wanted = first + rows.blocksPerGroup * integerBlock, end = wanted < inputs ? wanted : inputs;
      // Magnitudes are ordered as their bits are, and those of what is not finite are the largest.
      std::uint32_t largest = 0;
      for (std::int64_t i = first; i < end; i++) {
        const std::uint32_t magnitude = bitsOf(from[i]) & 0x7fffffffu;
        largest = magnitude > largest ? magnitude : largest;
      }
      float most;
      __builtin_memcpy(&most, &largest, sizeof most);
      const bool isFinite = largest < 0x7f800000u, isZero = isFinite && most < leastRounded;
      const float factor = isFinite && !isZero ? 127.0f / most : 0.0f;
      std::int32_t sum = 0;
      // To the nearest, ties to even, as the sum with 1.5 * 2^23 is rounded.
      constexpr float magic = 12582912.0f;
      if (!isFinite || isZero) {
        std::memset(codes + first, 0, static_cast<std::size_t>(end - first));
      } else {
        for (std::int64_t i = first; i < end; i++) {
          const auto code = static_cast<std::int32_t>(bitsOf(from[i] * factor + magic) - bitsOf(magic));
          codes[i] = static_cast<std::int8_t>(code);
          sum += code;
        }
      }
      rows.scales[row * rows.groups + group] = isZero ? 0.0f : isFinite ? most / 127.0f : __builtin_nanf("");
      rows.sums[row * rows.groups + group] = static_cast<float>(sum);
    }
    if (!rows.isPaired) continue;
    for (std::int64_t i = 0; i < inputs; i += 16) {
      typedef std::int8_t Bytes __attribute__((vector_size(16)));
      Bytes bytes;
      __builtin_memcpy(&bytes, codes + i, 16);
      bytes = __builtin_shufflevector(bytes, bytes, 0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 12, 14, 9, 11, 13, 15);
      __builtin_memcpy(codes + i, &bytes, 16);
    }
  }
}

}  // namespace
}  // namespace xinghe
