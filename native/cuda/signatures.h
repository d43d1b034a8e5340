// The kernels as both sides see them: what kernels.cu defines for devices and what the host hands over by address. Elements
// are void, as there is one kernel for each of their types.
#pragma once

#include "cuda/elementwise-kernel.h"
#include "cuda/integer-kernel.h"
#include "cuda/paged-kernel.h"

namespace xinghe::cuda {

using NormRow = void(const void* x, const float* weight, void* y, float* scales, int features, float eps,
                     bool roundBeforeWeight);
using NormRowsBackward = void(const void* grad, const void* x, const float* weight, const float* scales, void* dx,
                              float* sums, int rows, int features);
using RotateToken = void(const void* x, HeadStrides from, const void* cos, const void* sin, void* y, HeadStrides to,
                         int heads, int tokens, int half, bool back);
using GateRow = void(const void* gate, std::int64_t gateStride, const void* up, std::int64_t upStride, void* y,
                     int features, bool isSilu);
using GateRowBackward = void(const void* grad, const void* gate, std::int64_t gateStride, const void* up,
                             std::int64_t upStride, void* dGate, void* dUp, int features, bool isSilu);
using IntegerProduct = void(const void* x, const std::uint8_t* weight, const void* scales, const std::uint8_t* zeros,
                            const void* bias, void* y, IntegerShape shape);
using StoreNewToken = void(const void* k, const void* v, void* keyPages, void* valuePages, float* keyScales,
                           float* valueScales, const std::int32_t* tables, const std::int32_t* sequences,
                           PagedShape shape);
using AttendToPages = void(const void* q, const void* keyPages, const void* valuePages, const float* keyScales,
                           const float* valueScales, const std::uint8_t* attended, const std::int32_t* tables,
                           const std::int32_t* sequences, void* out, PagedShape shape);

}  // namespace xinghe::cuda
