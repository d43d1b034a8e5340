// Tensors themselves: creation from bytes, their metadata, copies out, release.
#include "functions.h"
#include "napi.h"

#include <cstring>

namespace xinghe {

namespace {
struct DtypeEntry {
  const char* name;
  at::ScalarType dtype;
};
constexpr std::array kDtypes{
    DtypeEntry{"float32", at::kFloat},      DtypeEntry{"float64", at::kDouble}, DtypeEntry{"float16", at::kHalf},
    DtypeEntry{"bfloat16", at::kBFloat16},  DtypeEntry{"int64", at::kLong},     DtypeEntry{"int32", at::kInt},
    DtypeEntry{"int16", at::kShort},        DtypeEntry{"int8", at::kChar},      DtypeEntry{"uint8", at::kByte},
    DtypeEntry{"bool", at::kBool},
};
}  // namespace

at::ScalarType dtypeFromName(const std::string& name) {
  for (const auto& entry : kDtypes)
    if (name == entry.name) return entry.dtype;
  throw std::invalid_argument("unknown dtype \"" + name + "\"");
}

const char* dtypeName(at::ScalarType dtype) {
  for (const auto& entry : kDtypes)
    if (dtype == entry.dtype) return entry.name;
  throw std::invalid_argument(std::string("dtype ") + c10::toString(dtype) + " has no name here");
}

namespace {

// release(Int32Array of handles)
napi_value release(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    const Arguments<2> arguments(env, info);
    napi_typedarray_type type;
    size_t length = 0;
    void* data = nullptr;
    check(env, napi_get_typedarray_info(env, arguments[0], &type, &length, &data, nullptr, nullptr), "an Int32Array");
    const auto count = static_cast<size_t>(toInt32(env, arguments[1]));
    if (type != napi_int32_array || count > length) throw std::invalid_argument("expected an Int32Array");
    for (size_t i = 0; i < count; ++i) arguments.addon->tensors.release(static_cast<int32_t*>(data)[i]);
    return nullptr;
  });
}

napi_value releaseOne(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    const Arguments<1> arguments(env, info);
    arguments.addon->tensors.release(toInt32(env, arguments[0]));
    return nullptr;
  });
}

napi_value liveCount(napi_env env, napi_callback_info info) {
  return guarded(env, [&] {
    const Arguments<1> arguments(env, info);
    return fromDouble(env, static_cast<double>(arguments.addon->tensors.live()));
  });
}

napi_value shape(napi_env env, napi_callback_info info) {
  return guarded(env, [&] {
    const Arguments<1> arguments(env, info);
    const at::Tensor& tensor = arguments.addon->tensors.at(toInt32(env, arguments[0]));
    return fromRange(env, tensor.sizes(), [env](int64_t size) { return fromDouble(env, static_cast<double>(size)); });
  });
}

napi_value strides(napi_env env, napi_callback_info info) {
  return guarded(env, [&] {
    const Arguments<1> arguments(env, info);
    const at::Tensor& tensor = arguments.addon->tensors.at(toInt32(env, arguments[0]));
    return fromRange(env, tensor.strides(), [env](int64_t step) { return fromDouble(env, static_cast<double>(step)); });
  });
}

napi_value dtype(napi_env env, napi_callback_info info) {
  return guarded(env, [&] {
    const Arguments<1> arguments(env, info);
    return fromString(env, dtypeName(arguments.addon->tensors.at(toInt32(env, arguments[0])).scalar_type()));
  });
}

napi_value device(napi_env env, napi_callback_info info) {
  return guarded(env, [&] {
    const Arguments<1> arguments(env, info);
    return fromString(env, arguments.addon->tensors.at(toInt32(env, arguments[0])).device().str());
  });
}

napi_value storageAddress(napi_env env, napi_callback_info info) {
  return guarded(env, [&] {
    const Arguments<1> arguments(env, info);
    const at::Tensor& tensor = arguments.addon->tensors.at(toInt32(env, arguments[0]));
    return fromDouble(env, static_cast<double>(reinterpret_cast<uintptr_t>(tensor.storage().data())));
  });
}

// resizeStorage(handle, bytes): new memory of that size behind all tensors that share this storage; what it held is lost.
// With 0 nothing is left, and none of these tensors may be read until it is resized again.
napi_value resizeStorage(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    const Arguments<2> arguments(env, info);
    c10::StorageImpl* storage = arguments.addon->tensors.at(toInt32(env, arguments[0])).storage().unsafeGetStorageImpl();
    const auto bytes = static_cast<size_t>(toInt64(env, arguments[1]));
    c10::Allocator* allocator = storage->allocator();
    if (allocator == nullptr) allocator = c10::GetAllocator(storage->device_type());
    storage->set_data_ptr_noswap(allocator->allocate(0));
    storage->set_data_ptr_noswap(allocator->allocate(bytes));
    storage->set_nbytes(bytes);
    return nullptr;
  });
}

// fromBytes(typed array or buffer, shape, dtype) -> handle of a new CPU tensor that owns a copy
napi_value fromBytes(napi_env env, napi_callback_info info) {
  return guarded(env, [&] {
    const Arguments<3> arguments(env, info);
    napi_typedarray_type type;
    size_t length = 0;
    void* data = nullptr;
    check(env, napi_get_typedarray_info(env, arguments[0], &type, &length, &data, nullptr, nullptr), "a typed array");
    size_t width = 1;
    switch (type) {
      case napi_int8_array:
      case napi_uint8_array:
      case napi_uint8_clamped_array: width = 1; break;
      case napi_int16_array:
      case napi_uint16_array: width = 2; break;
      case napi_int32_array:
      case napi_uint32_array:
      case napi_float32_array: width = 4; break;
      default: width = 8; break;
    }
    const auto sizes = toInts(env, arguments[1]);
    at::Tensor tensor = emptyTensor(sizes, at::TensorOptions().dtype(dtypeFromName(toString(env, arguments[2]))));
    if (tensor.nbytes() != length * width)
      throw std::invalid_argument("a tensor of " + std::to_string(tensor.numel()) + " elements needs " +
                                  std::to_string(tensor.nbytes()) + " bytes, got " + std::to_string(length * width));
    if (length != 0) std::memcpy(tensor.mutable_data_ptr(), data, tensor.nbytes());
    return fromTensor(env, *arguments.addon, std::move(tensor));
  });
}

// toBytes(handle) -> ArrayBuffer with a copy of the elements, row by row
napi_value toBytes(napi_env env, napi_callback_info info) {
  return guarded(env, [&] {
    const Arguments<1> arguments(env, info);
    const at::Tensor tensor =
        arguments.addon->tensors.at(toInt32(env, arguments[0])).detach().to(at::kCPU).contiguous();
    void* data = nullptr;
    napi_value result = nullptr;
    check(env, napi_create_arraybuffer(env, tensor.nbytes(), &data, &result), "room for an ArrayBuffer");
    if (tensor.nbytes() != 0) std::memcpy(data, tensor.const_data_ptr(), tensor.nbytes());
    return result;
  });
}

}  // namespace

void registerTensors(napi_env env, napi_value exports, AddonState* addon) {
  addFunction(env, exports, addon, "release", release);
  addFunction(env, exports, addon, "releaseOne", releaseOne);
  addFunction(env, exports, addon, "liveCount", liveCount);
  addFunction(env, exports, addon, "shape", shape);
  addFunction(env, exports, addon, "strides", strides);
  addFunction(env, exports, addon, "dtype", dtype);
  addFunction(env, exports, addon, "device", device);
  addFunction(env, exports, addon, "storageAddress", storageAddress);
  addFunction(env, exports, addon, "resizeStorage", resizeStorage);
  addFunction(env, exports, addon, "fromBytes", fromBytes);
  addFunction(env, exports, addon, "toBytes", toBytes);
}

}  // namespace xinghe
