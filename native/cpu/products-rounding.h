// bfloat16 in the files of the products, each of which is compiled for another processor.
#pragma once

#include <bit>
#include <cstdint>

namespace xinghe {
namespace {

inline float widenBfloat16(std::uint16_t value) { return std::bit_cast<float>(std::uint32_t{value} << 16); }

// To nearest, ties to even.
inline std::uint16_t narrowBfloat16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if (value != value) return 0x7fc0;
  return static_cast<std::uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

}  // namespace
}  // namespace xinghe
