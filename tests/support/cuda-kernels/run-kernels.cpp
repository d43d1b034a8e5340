// Runs the kernels of native/cuda/ on the CPU, block by block (native/cuda/emulated.h): arrays come in on stdin, one after the
// other, and go out on stdout. run-kernels KERNEL ELEMENT NUMBER…; the numbers are said at each kernel below.
#define XINGHE_EMULATED
#include "cuda/elementwise-kernel.h"
#include "cuda/integer-kernel.h"
#include "cuda/norm-kernel.h"
#include "cuda/paged-kernel.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>

using namespace xinghe::cuda;

namespace {

std::vector<long> numbers;
std::string kernel, element, other;

template <typename T>
std::vector<T> taken(long count) {
  std::vector<T> values(static_cast<std::size_t>(count));
  if (std::fread(values.data(), sizeof(T), values.size(), stdin) != values.size())
    throw std::runtime_error("stdin ended too early");
  return values;
}

template <typename T>
void give(const std::vector<T>& values) {
  std::fwrite(values.data(), sizeof(T), values.size(), stdout);
}

// rows, features, eps * 1e9, round before weight, parts: x, weight in float32, gradient → y, scales, d x, sums
template <typename E>
void norm() {
  const int rows = numbers[0], features = numbers[1], parts = numbers[4];
  const float eps = static_cast<float>(numbers[2]) * 1e-9f;
  const bool before = numbers[3] != 0;
  const long size = static_cast<long>(rows) * features;
  const auto x = taken<E>(size);
  const auto weight = taken<float>(features);
  const auto grad = taken<E>(size);
  std::vector<E> y(x.size()), dx(x.size());
  std::vector<float> scales(rows), sums(static_cast<std::size_t>(parts) * features), room(features);
  emulated::launch({rows, 1}, 64, [&] { normRow(x.data(), weight.data(), y.data(), scales.data(), features, eps, before); });
  emulated::launch({parts, 1}, 64, [&] {
    normRowsBackward(grad.data(), x.data(), weight.data(), scales.data(), dx.data(), sums.data(), rows, features, room.data());
  });
  give(y), give(scales), give(dx), give(sums);
}

// batch, heads, tokens, half, back: x [B, T, H, E], cos and sin [T, E] → y as x
template <typename E>
void rotary() {
  const int batch = numbers[0], heads = numbers[1], tokens = numbers[2], half = numbers[3];
  const bool back = numbers[4] != 0;
  const auto x = taken<E>(2L * batch * heads * tokens * half), cos = taken<E>(2L * tokens * half), sin = taken<E>(2L * tokens * half);
  std::vector<E> y(x.size());
  const HeadStrides strides{2L * tokens * heads * half, 2L * half, 2L * heads * half};
  emulated::launch({batch * tokens, 1}, 64, [&] {
    rotateToken(x.data(), strides, cos.data(), sin.data(), y.data(), strides, heads, tokens, half, back);
  });
  give(y);
}

// rows, features, SiLU: gate and up as halves of [N, 2 F], gradient → y, d gate, d up
template <typename E>
void gate() {
  const int rows = numbers[0], features = numbers[1];
  const bool silu = numbers[2] != 0;
  const long size = static_cast<long>(rows) * features;
  const auto both = taken<E>(2 * size), grad = taken<E>(size);
  std::vector<E> y(grad.size()), dGate(grad.size()), dUp(grad.size());
  const E* up = both.data() + features;
  emulated::launch({rows, 1}, 64, [&] { gateRow(both.data(), 2 * features, up, 2 * features, y.data(), features, silu); });
  emulated::launch({rows, 1}, 64, [&] {
    gateRowBackward(grad.data(), both.data(), 2 * features, up, 2 * features, dGate.data(), dUp.data(), features, silu);
  });
  give(y), give(dGate), give(dUp);
}

// rows, inputs, outputs, group size, has a bias: x, weight, scales, zeros, bias → y
template <typename E, typename Scale, Integers kind>
void integers() {
  const int rows = numbers[0], inputs = numbers[1], outputs = numbers[2], group = numbers[3];
  const bool hasBias = numbers[4] != 0;
  const int padded = (inputs + 31) / 32 * 32, groups = (inputs + group - 1) / group;
  const auto x = taken<E>(static_cast<long>(rows) * inputs);
  const auto weight = taken<std::uint8_t>(static_cast<long>(outputs) * padded / (kind == Integers::four ? 2 : 1));
  const auto scales = taken<Scale>(static_cast<long>(outputs) * groups);
  const auto zeros = taken<std::uint8_t>(static_cast<long>(outputs) * groups);
  const auto bias = taken<E>(hasBias ? outputs : 0);
  std::vector<E> y(static_cast<std::size_t>(rows) * outputs), room(padded);
  const IntegerShape shape{inputs, padded, outputs, group, groups};
  emulated::launch({(outputs + 1) / 2, rows}, 64, [&] {
    integerProduct<E, Scale, kind>(x.data(), weight.data(), scales.data(), zeros.data(), hasBias ? bias.data() : nullptr,
                                   y.data(), shape, room.data());
  });
  give(y);
}

template <typename E, typename Scale>
void integersOf() {
  if (kernel == "integers-four") integers<E, Scale, Integers::four>();
  else if (kernel == "integers-eight") integers<E, Scale, Integers::eight>();
  else integers<E, Scale, Integers::signedEight>();
}

// sequences, heads, kv heads, head_dim, blocks of a table, window, pages: q, k, v [H or K, N, E], pages, scales, attended, tables, sequences
// → pages, scales, out [N, H, E]
template <typename E, typename Stored>
void paged() {
  const long count = numbers[0], heads = numbers[1], kvHeads = numbers[2], headDim = numbers[3], blocks = numbers[4];
  const long pages = numbers[6], scaled = sizeof(Stored) == 1 ? pages * kvHeads * 16 : 0;
  const auto q = taken<E>(heads * count * headDim), k = taken<E>(kvHeads * count * headDim), v = taken<E>(kvHeads * count * headDim);
  auto keys = taken<Stored>(pages * kvHeads * headDim * 16), values = taken<Stored>(pages * kvHeads * headDim * 16);
  auto keyScales = taken<float>(scaled), valueScales = taken<float>(scaled);
  const auto attended = taken<std::uint8_t>(pages * 16);
  const auto tables = taken<std::int32_t>(count * blocks), sequences = taken<std::int32_t>(count * 4);
  std::vector<E> out(static_cast<std::size_t>(heads * count * headDim));
  const RowStrides rows{count * headDim, headDim};
  const PagedShape shape{static_cast<int>(heads), static_cast<int>(kvHeads), static_cast<int>(headDim), static_cast<int>(blocks),
                         static_cast<int>(numbers[5]), rows, rows, rows, {headDim, heads * headDim}};
  float* keyScale = scaled == 0 ? nullptr : keyScales.data();
  float* valueScale = scaled == 0 ? nullptr : valueScales.data();
  emulated::launch({static_cast<int>(kvHeads), static_cast<int>(count)}, attendThreads, [&] {
    storeNewToken(k.data(), v.data(), keys.data(), values.data(), keyScale, valueScale, tables.data(), sequences.data(), shape);
  });
  emulated::launch({static_cast<int>(heads), static_cast<int>(count)}, attendThreads, [&] {
    attendToPages(q.data(), keys.data(), values.data(), keyScale, valueScale, attended.data(), tables.data(), sequences.data(),
                  out.data(), shape);
  });
  give(keys), give(values), give(keyScales), give(valueScales), give(out);
}

template <typename E>
void run() {
  if (kernel == "norm") norm<E>();
  else if (kernel == "rotary") rotary<E>();
  else if (kernel == "gate") gate<E>();
  else if (kernel == "paged") other == "int8" ? paged<E, std::int8_t>() : paged<E, E>();
  else if (other == "float16") integersOf<E, Float16>();
  else integersOf<E, float>();
}

}  // namespace

int main(int count, char** words) {
  kernel = words[1];
  element = words[2];
  other = words[3];
  for (int i = 4; i < count; i++) numbers.push_back(std::atol(words[i]));
  if (element == "float32") run<float>();
  else if (element == "bfloat16") run<Bfloat16>();
  else run<Float16>();
  return 0;
}
