// The few conversions between JavaScript values and C++ that every file of the bridge shares, and the wrapper that
// turns C++ exceptions into JavaScript errors.
#pragma once

#include "addon-state.h"

#include <c10/util/Exception.h>

#include <array>
#include <stdexcept>

namespace xinghe {

// A JavaScript exception is already pending; unwind to the entry point without adding another.
struct PendingException {};

inline void check(napi_env env, napi_status status, const char* expected) {
  if (status == napi_ok) return;
  bool pending = false;
  napi_is_exception_pending(env, &pending);
  if (pending) throw PendingException{};
  throw std::invalid_argument(std::string("expected ") + expected);
}

// The arguments of one call. Capacity covers every function but `call`, which reads its own.
template <size_t N>
struct Arguments {
  std::array<napi_value, N> values;
  size_t count = N;
  AddonState* addon = nullptr;

  Arguments(napi_env env, napi_callback_info info) {
    void* data = nullptr;
    check(env, napi_get_cb_info(env, info, &count, values.data(), nullptr, &data), "callback information");
    addon = static_cast<AddonState*>(data);
  }
  napi_value operator[](size_t index) const { return values[index]; }
};

inline int32_t toInt32(napi_env env, napi_value value) {
  int32_t result = 0;
  check(env, napi_get_value_int32(env, value, &result), "a 32-bit integer");
  return result;
}

inline int64_t toInt64(napi_env env, napi_value value) {
  double number = 0;
  check(env, napi_get_value_double(env, value, &number), "an integer");
  // Every double in [-2^63, 2^63) has an int64 below it; the cast of any other is undefined.
  const bool fits = number >= -0x1p63 && number < 0x1p63;
  if (!fits || number != static_cast<double>(static_cast<int64_t>(number)))
    throw std::invalid_argument("expected an integer, got " + std::to_string(number));
  return static_cast<int64_t>(number);
}

inline double toDouble(napi_env env, napi_value value) {
  double result = 0;
  check(env, napi_get_value_double(env, value, &result), "a number");
  return result;
}

inline bool toBool(napi_env env, napi_value value) {
  bool result = false;
  check(env, napi_get_value_bool(env, value, &result), "true or false");
  return result;
}

inline std::string toString(napi_env env, napi_value value) {
  size_t length = 0;
  check(env, napi_get_value_string_utf8(env, value, nullptr, 0, &length), "a string");
  std::string result(length, '\0');
  check(env, napi_get_value_string_utf8(env, value, result.data(), length + 1, &length), "a string");
  return result;
}

inline bool isNullish(napi_env env, napi_value value) {
  napi_valuetype type = napi_undefined;
  napi_typeof(env, value, &type);
  return type == napi_undefined || type == napi_null;
}

template <typename Convert>
auto toVector(napi_env env, napi_value value, Convert convert) {
  uint32_t length = 0;
  check(env, napi_get_array_length(env, value, &length), "an array");
  std::vector<decltype(convert(value))> result;
  result.reserve(length);
  for (uint32_t i = 0; i < length; ++i) {
    napi_value element = nullptr;
    check(env, napi_get_element(env, value, i, &element), "an array element");
    result.push_back(convert(element));
  }
  return result;
}

inline std::vector<int64_t> toInts(napi_env env, napi_value value) {
  return toVector(env, value, [env](napi_value element) { return toInt64(env, element); });
}

inline std::vector<at::Tensor> toTensors(napi_env env, AddonState& addon, napi_value value) {
  return toVector(env, value, [&](napi_value element) { return addon.tensors.at(toInt32(env, element)); });
}

inline napi_value fromInt32(napi_env env, int32_t value) {
  napi_value result = nullptr;
  check(env, napi_create_int32(env, value, &result), "room for a number");
  return result;
}

inline napi_value fromDouble(napi_env env, double value) {
  napi_value result = nullptr;
  check(env, napi_create_double(env, value, &result), "room for a number");
  return result;
}

inline napi_value fromBool(napi_env env, bool value) {
  napi_value result = nullptr;
  check(env, napi_get_boolean(env, value, &result), "room for a boolean");
  return result;
}

inline napi_value fromString(napi_env env, const std::string& value) {
  napi_value result = nullptr;
  check(env, napi_create_string_utf8(env, value.data(), value.size(), &result), "room for a string");
  return result;
}

inline napi_value null(napi_env env) {
  napi_value result = nullptr;
  napi_get_null(env, &result);
  return result;
}

// An undefined tensor (a gradient that does not exist) becomes null.
inline napi_value fromTensor(napi_env env, AddonState& addon, at::Tensor tensor) {
  if (!tensor.defined()) return null(env);
  return fromInt32(env, addon.tensors.add(std::move(tensor)));
}

template <typename Range, typename Convert>
napi_value fromRange(napi_env env, const Range& range, Convert convert) {
  napi_value result = nullptr;
  check(env, napi_create_array(env, &result), "room for an array");
  uint32_t index = 0;
  for (const auto& element : range)
    check(env, napi_set_element(env, result, index++, convert(element)), "room for an element");
  return result;
}

inline void set(napi_env env, napi_value object, const char* key, napi_value value) {
  check(env, napi_set_named_property(env, object, key, value), "an object");
}

inline napi_value object(napi_env env) {
  napi_value result = nullptr;
  check(env, napi_create_object(env, &result), "room for an object");
  return result;
}

// The message of any C++ exception; libtorch's own come without the trace of its stack.
inline const char* messageOf(const std::exception& error) {
  const auto* torchError = dynamic_cast<const c10::Error*>(&error);
  return torchError == nullptr ? error.what() : torchError->what_without_backtrace();
}

// Runs the body of an entry point; whatever C++ throws becomes a JavaScript Error.
template <typename Body>
napi_value guarded(napi_env env, Body body) {
  try {
    return body();
  } catch (const PendingException&) {
  } catch (const c10::Error& error) {
    napi_throw_error(env, "XINGHE_OPERATOR", error.what_without_backtrace());
  } catch (const std::exception& error) {
    napi_throw_error(env, "XINGHE_NATIVE", error.what());
  }
  return nullptr;
}

// Each file of the bridge adds its functions to the module object.
void addFunction(napi_env env, napi_value exports, AddonState* addon, const char* name, napi_callback callback);
void registerDispatcher(napi_env env, napi_value exports, AddonState* addon);
void registerTensors(napi_env env, napi_value exports, AddonState* addon);
void registerAutograd(napi_env env, napi_value exports, AddonState* addon);
void registerGenerators(napi_env env, napi_value exports, AddonState* addon);
void registerFiles(napi_env env, napi_value exports, AddonState* addon);
void registerDevices(napi_env env, napi_value exports, AddonState* addon);

at::ScalarType dtypeFromName(const std::string& name);
const char* dtypeName(at::ScalarType dtype);

}  // namespace xinghe
