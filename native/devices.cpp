// What there is to compute on: threads, the CPU's abilities, accelerators, and libraries that bring more of them.
#include "napi.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <dlfcn.h>

namespace xinghe {

void setLinearRoute(bool onednn);

namespace {

napi_value setThreads(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    const Arguments<1> arguments(env, info);
    at::set_num_threads(toInt32(env, arguments[0]));
    return nullptr;
  });
}

napi_value getThreads(napi_env env, napi_callback_info) {
  return guarded(env, [&] { return fromInt32(env, at::get_num_threads()); });
}

napi_value cpuCapability(napi_env env, napi_callback_info) {
  return guarded(env, [&] { return fromString(env, at::get_cpu_capability()); });
}

// describeLibraries() -> libtorch's own text on how it was built
napi_value describeLibraries(napi_env env, napi_callback_info) {
  return guarded(env, [&] { return fromString(env, at::show_config()); });
}

// loadLibrary(path): brings further operators and devices (libtorch_cuda, libtorch_npu)
napi_value loadLibrary(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    const Arguments<1> arguments(env, info);
    const std::string path = toString(env, arguments[0]);
    if (dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL) == nullptr) {
      const char* reason = dlerror();
      throw std::runtime_error(path + ": cannot be loaded (" + (reason == nullptr ? "no reason given" : reason) + ")");
    }
    return nullptr;
  });
}

napi_value cudaDeviceCount(napi_env env, napi_callback_info) {
  return guarded(env, [&] {
    return fromInt32(env, at::globalContext().hasCUDA() ? at::detail::getCUDAHooks().deviceCount() : 0);
  });
}

// setLinearRoute(onednn): which library multiplies float32 matrices on the CPU in xinghe::linear
napi_value setLinearRouteFrom(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    const Arguments<1> arguments(env, info);
    setLinearRoute(toBool(env, arguments[0]));
    return nullptr;
  });
}

napi_value setDeterministic(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    const Arguments<1> arguments(env, info);
    at::globalContext().setDeterministicAlgorithms(toBool(env, arguments[0]), /*warn_only=*/false);
    return nullptr;
  });
}

}  // namespace

void registerDevices(napi_env env, napi_value exports, Engine* engine) {
  addFunction(env, exports, engine, "setThreads", setThreads);
  addFunction(env, exports, engine, "getThreads", getThreads);
  addFunction(env, exports, engine, "cpuCapability", cpuCapability);
  addFunction(env, exports, engine, "describeLibraries", describeLibraries);
  addFunction(env, exports, engine, "loadLibrary", loadLibrary);
  addFunction(env, exports, engine, "cudaDeviceCount", cudaDeviceCount);
  addFunction(env, exports, engine, "setLinearRoute", setLinearRouteFrom);
  addFunction(env, exports, engine, "setDeterministic", setDeterministic);
}

}  // namespace xinghe
