// What there is to compute on: threads, the CPU's abilities, accelerators, and libraries that bring more of them.
#include "cpu/invariant-linear.h"
#include "cpu/linear.h"
#include "cpu/register-peak.h"
#include "cuda/driver.h"
#include "memory.h"
#include "napi.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <dlfcn.h>
#include <torch/version.h>

namespace xinghe {

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

// registerPeak(bfloat16) -> GFLOP/s of multiply-adds on registers alone, of all threads; 0 where there are none
napi_value registerPeak(napi_env env, napi_callback_info info) {
  return guarded(env, [&] {
    const Arguments<1> arguments(env, info);
    const int threads = at::get_num_threads();
    return fromDouble(env, toBool(env, arguments[0]) ? registerPeakBfloat16(threads) : registerPeakFloat32(threads));
  });
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

// setKernels(path): the compiled kernels for CUDA devices
napi_value setKernels(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    const Arguments<1> arguments(env, info);
    cuda::setKernels(toString(env, arguments[0]));
    return nullptr;
  });
}

// whyNoKernels(device) -> the reason, empty where that device runs them
napi_value whyNoKernels(napi_env env, napi_callback_info info) {
  return guarded(env, [&] {
    const Arguments<1> arguments(env, info);
    const c10::Device device(toString(env, arguments[0]));
    return fromString(env, cuda::hasKernels(device) ? "" : cuda::whyNoKernels());
  });
}

// setLinearRoutes(forward, gradInput, gradWeight): true where oneDNN multiplies the float32 matrices of xinghe::linear
napi_value setLinearRoutesFrom(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    const Arguments<3> arguments(env, info);
    setLinearRoutes({toBool(env, arguments[0]), toBool(env, arguments[1]), toBool(env, arguments[2])});
    return nullptr;
  });
}

// linearRoutes() -> [forward, gradInput, gradWeight]
napi_value linearRoutesTo(napi_env env, napi_callback_info) {
  return guarded(env, [&] {
    const LinearRoutes routes = linearRoutes();
    return fromRange(env, std::array{routes.forward, routes.gradInput, routes.gradWeight},
                     [env](bool onednn) { return fromBool(env, onednn); });
  });
}

// setInvariantLinear(on, instructions): whether xinghe::linear without a graph takes the batch-invariant kernels, and
// which instructions these may use ("" for all that the processor has)
napi_value setInvariantLinearFrom(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    const Arguments<2> arguments(env, info);
    setInvariantLinear(toBool(env, arguments[0]), toString(env, arguments[1]));
    return nullptr;
  });
}

napi_value isInvariantLinearTo(napi_env env, napi_callback_info) {
  return guarded(env, [&] { return fromBool(env, isInvariantLinear()); });
}

// torchVersion() -> "2.13.0"
napi_value torchVersion(napi_env env, napi_callback_info) {
  return guarded(env, [&] { return fromString(env, TORCH_VERSION); });
}

napi_value setDeterministic(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    const Arguments<1> arguments(env, info);
    at::globalContext().setDeterministicAlgorithms(toBool(env, arguments[0]), /*warn_only=*/false);
    return nullptr;
  });
}

napi_value keepFreedMemory(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    Arguments<0>(env, info).addon->freedMemory.keep();
    return nullptr;
  });
}

napi_value returnFreedMemory(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    Arguments<0>(env, info).addon->freedMemory.giveBack();
    return nullptr;
  });
}

}  // namespace

void registerDevices(napi_env env, napi_value exports, AddonState* addon) {
  addFunction(env, exports, addon, "setThreads", setThreads);
  addFunction(env, exports, addon, "getThreads", getThreads);
  addFunction(env, exports, addon, "cpuCapability", cpuCapability);
  addFunction(env, exports, addon, "registerPeak", registerPeak);
  addFunction(env, exports, addon, "describeLibraries", describeLibraries);
  addFunction(env, exports, addon, "loadLibrary", loadLibrary);
  addFunction(env, exports, addon, "cudaDeviceCount", cudaDeviceCount);
  addFunction(env, exports, addon, "setKernels", setKernels);
  addFunction(env, exports, addon, "whyNoKernels", whyNoKernels);
  addFunction(env, exports, addon, "setLinearRoutes", setLinearRoutesFrom);
  addFunction(env, exports, addon, "linearRoutes", linearRoutesTo);
  addFunction(env, exports, addon, "setInvariantLinear", setInvariantLinearFrom);
  addFunction(env, exports, addon, "isInvariantLinear", isInvariantLinearTo);
  addFunction(env, exports, addon, "torchVersion", torchVersion);
  addFunction(env, exports, addon, "setDeterministic", setDeterministic);
  addFunction(env, exports, addon, "keepFreedMemory", keepFreedMemory);
  addFunction(env, exports, addon, "returnFreedMemory", returnFreedMemory);
}

}  // namespace xinghe
