// Few rows of rounded-products-kernel.h, where unpacking would cost more than multiplying: the codes of sixteen outputs are
// read where they lie, as many bytes of each at once as a vector holds, and never stored unpacked. What is added up
// within a group is exact, and the groups are added in the same order: the bits are those of many rows.
#pragma once

#include "cpu/rounded-products-kernel.h"

namespace xinghe {
namespace {

#if defined(__AVX512F__)
// Rows that are multiplied one after the other; more share codes that are unpacked once. A guess: one row was measured.
constexpr std::int64_t mostFewRows = 2;

XINGHE_INLINE __m512i loadBytes(const void* from, std::int64_t count) {
  if (count >= 64) return _mm512_loadu_si512(from);
  return count <= 0 ? _mm512_setzero_si512() : _mm512_maskz_loadu_epi8((__mmask64{1} << count) - 1, from);
}

// Four blocks of an output times those of a row: what block q adds up to is the sum of the four numbers of quarter q. Of
// blocks from `left` on: zeros.
struct Int4Row {
  using Codes = Int4Codes;
  Ints even, odd;

  explicit XINGHE_INLINE Int4Row(const std::int8_t* x) {
    const __m512i a = _mm512_loadu_si512(x), b = _mm512_loadu_si512(x + 64);
    const __m512i places = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    even = (Ints)_mm512_permutex2var_epi32(a, places, b);
    odd = (Ints)_mm512_permutex2var_epi32(a, _mm512_add_epi32(places, _mm512_set1_epi32(1)), b);
  }
  XINGHE_INLINE Ints multiply(const std::uint8_t* weight, std::int64_t left) const {
    const __m512i both = loadBytes(weight, left * 16), low = _mm512_set1_epi8(15);
    const Words evenCodes = (Words)_mm512_and_si512(both, low);
    const Words oddCodes = (Words)_mm512_and_si512(_mm512_srli_epi16(both, 4), low);
    return dot<true>(dot<true>(Ints{}, evenCodes, even), oddCodes, odd);
  }
};

template <bool IsSigned>
struct Int8Row {
  using Codes = Int8Codes<IsSigned>;
  Ints first, last;

  explicit XINGHE_INLINE Int8Row(const std::int8_t* x)
      : first((Ints)_mm512_loadu_si512(x)), last((Ints)_mm512_loadu_si512(x + 64)) {}

  static XINGHE_INLINE Words codes(const std::uint8_t* weight, std::int64_t count) {
    const __m512i stored = loadBytes(weight, count);
    if constexpr (!IsSigned) return (Words)stored;
    // What is not there stays zero.
    const __mmask64 there = count >= 64 ? ~__mmask64{0} : count <= 0 ? 0 : (__mmask64{1} << count) - 1;
    return (Words)_mm512_maskz_mov_epi8(there, _mm512_xor_si512(stored, _mm512_set1_epi8(static_cast<char>(0x80))));
  }
  XINGHE_INLINE Ints multiply(const std::uint8_t* weight, std::int64_t left) const {
    const __m512i a = (__m512i)dot<false>(Ints{}, codes(weight, left * 32), first);
    const __m512i b = (__m512i)dot<false>(Ints{}, codes(weight + 64, left * 32 - 64), last);
    return (Ints)_mm512_add_epi32(_mm512_shuffle_i32x4(a, b, 0x88), _mm512_shuffle_i32x4(a, b, 0xdd));
  }
};

// The sums of four blocks, of sixteen outputs each.
template <typename Row>
XINGHE_INLINE void fourBlocks(const Row& x, const std::uint8_t* const (&rows)[tile], const std::uint8_t* ahead,
                              std::int64_t rowBytes, std::int64_t offset, std::int64_t left, Ints (&ofBlocks)[4]) {
  __m512i quarters[4];  // of four outputs each: in quarter q what block q adds up to
#pragma GCC unroll 4
  for (int four = 0; four < 4; four++) {
    __m512i sums[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
      sums[i] = (__m512i)x.multiply(rows[four * 4 + i] + offset, left);
      // The next sixteen outputs, behind these or in the next piece of work.
      for (std::int64_t line = 0; line < 4 * Row::Codes::blockBytes; line += 64)
        __builtin_prefetch(ahead + (four * 4 + i) * rowBytes + offset + line, 0, 2);
    }
    const __m512i ab = _mm512_add_epi32(_mm512_unpacklo_epi32(sums[0], sums[1]), _mm512_unpackhi_epi32(sums[0], sums[1]));
    const __m512i cd = _mm512_add_epi32(_mm512_unpacklo_epi32(sums[2], sums[3]), _mm512_unpackhi_epi32(sums[2], sums[3]));
    quarters[four] = _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
  }
  const __m512i low = _mm512_shuffle_i32x4(quarters[0], quarters[1], 0x44);
  const __m512i high = _mm512_shuffle_i32x4(quarters[0], quarters[1], 0xee);
  const __m512i low2 = _mm512_shuffle_i32x4(quarters[2], quarters[3], 0x44);
  const __m512i high2 = _mm512_shuffle_i32x4(quarters[2], quarters[3], 0xee);
  ofBlocks[0] = (Ints)_mm512_shuffle_i32x4(low, low2, 0x88);
  ofBlocks[1] = (Ints)_mm512_shuffle_i32x4(low, low2, 0xdd);
  ofBlocks[2] = (Ints)_mm512_shuffle_i32x4(high, high2, 0x88);
  ofBlocks[3] = (Ints)_mm512_shuffle_i32x4(high, high2, 0xdd);
}

// PerGroup: blocks of a group of the input, 1, 2 or 4.
template <typename Row, int PerGroup>
void multiplyFewRows(const RoundedProducts& products, std::int64_t output, std::int64_t endOutput, std::int64_t next,
                     void* scratch) {
  const RoundedRows& input = products.input;
  const std::int64_t rowBytes = input.blocks * Row::Codes::blockBytes;
  auto* scales = static_cast<Floats*>(scratch);
  auto* zeros = scales + unpackedBlocks * pair;
  // As many groups of the weight as there is room for; a multiple of four blocks.
  const std::int64_t size = unpackedBlocks * products.blocksPerGroup;
  for (std::int64_t first = output; first < endOutput; first += tile) {
    const std::int64_t count = endOutput - first < tile ? endOutput - first : tile;
    const std::int64_t after = first + tile < endOutput ? first + tile : next < 0 ? first : next;
    const std::uint8_t* ahead = products.weight + after * rowBytes;
    std::int64_t outputs[tile];
    const std::uint8_t* rows[tile];
    for (int lane = 0; lane < tile; lane++) {
      outputs[lane] = first + (lane < count ? lane : count - 1);
      rows[lane] = products.weight + outputs[lane] * rowBytes;
    }
    Floats sums[mostFewRows] = {};
    for (std::int64_t start = 0; start < input.blocks; start += size) {
      const std::int64_t end = start + size < input.blocks ? start + size : input.blocks;
      const std::int64_t firstGroup = start / products.blocksPerGroup;
      unpackGroups(products, outputs, firstGroup, (end - 1) / products.blocksPerGroup + 1, scales, zeros);
      for (std::int64_t row = 0; row < input.rows; row++) {
        const std::int8_t* codes = input.codes + row * input.stride;
        const float* ofInput = input.scales + row * input.groups;
        const float* codeSums = input.sums + row * input.groups;
        Floats sum = sums[row];
        const auto add = [&](std::int64_t block, std::int64_t left) __attribute__((always_inline)) {
          Ints ofBlocks[4];
          fourBlocks(Row(codes + block * integerBlock), rows, ahead, rowBytes, block * Row::Codes::blockBytes, left, ofBlocks);
#pragma GCC unroll 4
          for (int i = 0; i < 4; i += PerGroup) {
            if (i >= left) break;
            Ints exact = ofBlocks[i];
#pragma GCC unroll 4
            for (int more = 1; more < PerGroup; more++) exact += ofBlocks[i + more];
            const std::int64_t group = (block + i) / PerGroup;
            const std::int64_t ofWeight =
                (products.blocksPerGroup == PerGroup ? group : (block + i) / products.blocksPerGroup) - firstGroup;
            const Floats less = lessProduct(toFloats(exact), zeros[ofWeight * pair], everyLane(codeSums[group]));
            sum += less * everyLane(ofInput[group]) * scales[ofWeight * pair];
          }
        };
        std::int64_t block = start;
        for (; block + 4 <= end; block += 4) add(block, 4);
        if (block < end) add(block, end - block);
        sums[row] = sum;
      }
    }
    Floats bias = {};
    if (products.bias != nullptr)
      for (int lane = 0; lane < tile; lane++) bias[lane] = products.bias[outputs[lane]];
    for (std::int64_t row = 0; row < input.rows; row++) {
      const Floats sum = sums[row] + bias;
      std::memcpy(products.output + row * products.outputs + first, &sum, static_cast<std::size_t>(count) * 4);
    }
  }
}

template <typename Row>
void multiplyAnyRows(const RoundedProducts& products, std::int64_t output, std::int64_t endOutput, std::int64_t next,
                  void* scratch) {
  using Codes = typename Row::Codes;
  const bool areFew = products.input.rows <= mostFewRows;
  switch (areFew ? products.input.blocksPerGroup : 0) {
    case 1: return multiplyFewRows<Row, 1>(products, output, endOutput, next, scratch);
    case 2: return multiplyFewRows<Row, 2>(products, output, endOutput, next, scratch);
    case 4: return multiplyFewRows<Row, 4>(products, output, endOutput, next, scratch);
    default: return multiplyRounded<Codes>(products, output, endOutput, next, scratch);
  }
}

constexpr RoundedSet roundedHere() {
  return {roundRows, multiplyAnyRows<Int4Row>, multiplyAnyRows<Int8Row<false>>, multiplyAnyRows<Int8Row<true>>};
}
#else
constexpr RoundedSet roundedHere() {
  return {roundRows, multiplyRounded<Int4Codes>, multiplyRounded<Int8Codes<false>>, multiplyRounded<Int8Codes<true>>};
}
#endif

}  // namespace
}  // namespace xinghe
