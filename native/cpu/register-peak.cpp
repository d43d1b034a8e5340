// Multiply-adds on registers alone, by the widest instructions that the processor has.
// compile flags (x64): -O3
// compile flags (arm64): -O3
#include "cpu/register-peak.h"

#include <algorithm>
#include <chrono>
#include <thread>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace xinghe {
namespace {

// Sums that do not wait for each other: more than the cycles of a multiply-add times the units that make them.
constexpr int chains = 12;
constexpr long steps = 1 << 23;
constexpr int runs = 6;

// Makes `steps` multiply-adds on each of the sums. The result is of no use, but not known to the compiler.
using Kernel = float (*)(float factor, float addend);

// NOLINTBEGIN: the attributes are per function, so that the file runs on processors without these instructions.
#if defined(__x86_64__)

__attribute__((target("avx512f"))) float onAvx512(float factor, float addend) {
  const __m512 x = _mm512_set1_ps(factor), y = _mm512_set1_ps(addend);
  __m512 sums[chains];
  for (int i = 0; i < chains; ++i) sums[i] = _mm512_set1_ps(static_cast<float>(i));
  for (long step = 0; step < steps; ++step) {
#pragma GCC unroll 12
    for (int i = 0; i < chains; ++i) sums[i] = _mm512_fmadd_ps(sums[i], x, y);
  }
  __m512 total = sums[0];
  for (int i = 1; i < chains; ++i) total = _mm512_add_ps(total, sums[i]);
  return _mm512_cvtss_f32(total);
}

__attribute__((target("avx512f,avx512bf16"))) float onAvx512Bf16(float factor, float addend) {
  const __m512bh x = _mm512_cvtne2ps_pbh(_mm512_set1_ps(factor), _mm512_set1_ps(factor));
  const __m512bh y = _mm512_cvtne2ps_pbh(_mm512_set1_ps(addend), _mm512_set1_ps(addend));
  __m512 sums[chains];
  for (int i = 0; i < chains; ++i) sums[i] = _mm512_set1_ps(static_cast<float>(i));
  for (long step = 0; step < steps; ++step) {
#pragma GCC unroll 12
    for (int i = 0; i < chains; ++i) sums[i] = _mm512_dpbf16_ps(sums[i], x, y);
  }
  __m512 total = sums[0];
  for (int i = 1; i < chains; ++i) total = _mm512_add_ps(total, sums[i]);
  return _mm512_cvtss_f32(total);
}

__attribute__((target("avx2,fma"))) float onAvx2(float factor, float addend) {
  const __m256 x = _mm256_set1_ps(factor), y = _mm256_set1_ps(addend);
  __m256 sums[chains];
  for (int i = 0; i < chains; ++i) sums[i] = _mm256_set1_ps(static_cast<float>(i));
  for (long step = 0; step < steps; ++step) {
#pragma GCC unroll 12
    for (int i = 0; i < chains; ++i) sums[i] = _mm256_fmadd_ps(sums[i], x, y);
  }
  __m256 total = sums[0];
  for (int i = 1; i < chains; ++i) total = _mm256_add_ps(total, sums[i]);
  return _mm256_cvtss_f32(total);
}

#endif
// NOLINTEND

using Vector = float __attribute__((vector_size(16)));

float onVectors(float factor, float addend) {
  const Vector x = {factor, factor, factor, factor}, y = {addend, addend, addend, addend};
  Vector sums[chains];
  for (int i = 0; i < chains; ++i) sums[i] = y * static_cast<float>(i);
  for (long step = 0; step < steps; ++step) {
#pragma GCC unroll 12
    for (int i = 0; i < chains; ++i) sums[i] = sums[i] * x + y;
  }
  Vector total = sums[0];
  for (int i = 1; i < chains; ++i) total += sums[i];
  return total[0];
}

// Read at run time, so that no product is known beforehand; the sums stay near one.
volatile float givenFactor = 0.5F, givenAddend = 0.5F;
volatile float sink = 0;

double peakOf(Kernel kernel, double operationsPerStep, int threads) {
  double best = 0;
  for (int run = 0; run < runs; ++run) {
    const auto start = std::chrono::steady_clock::now();
    std::vector<std::thread> others;
    const auto work = [&] { sink = kernel(givenFactor, givenAddend); };
    for (int i = 1; i < threads; ++i) others.emplace_back(work);
    work();
    for (std::thread& other : others) other.join();
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    best = std::max(best, operationsPerStep * chains * static_cast<double>(steps) * threads / seconds / 1e9);
  }
  return best;
}

}  // namespace

double registerPeakFloat32(int threads) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f")) return peakOf(onAvx512, 2 * 16, threads);
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return peakOf(onAvx2, 2 * 8, threads);
#endif
  return peakOf(onVectors, 2 * 4, threads);
}

double registerPeakBfloat16([[maybe_unused]] int threads) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512bf16")) return peakOf(onAvx512Bf16, 2 * 32, threads);
#endif
  return 0;
}

}  // namespace xinghe
