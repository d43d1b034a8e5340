#include "cuda/driver.h"

#include <c10/core/DeviceGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <c10/util/Exception.h>
#include <dlfcn.h>

#include <fstream>
#include <iterator>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

namespace xinghe::cuda {
namespace {

// Of cuda.h, which is not needed for these few: results are 0 for success, handles are pointers.
using Result = int;
using ModuleLoadData = Result (*)(void** module, const void* image);
using ModuleGetFunction = Result (*)(void** function, void* module, const char* name);
using GetErrorString = Result (*)(Result error, const char** text);
using LaunchKernel = Result (*)(void* function, unsigned gridX, unsigned gridY, unsigned gridZ, unsigned blockX,
                                unsigned blockY, unsigned blockZ, unsigned sharedBytes, void* stream, void** arguments,
                                void** extra);

struct Driver {
  ModuleLoadData moduleLoadData = nullptr;
  ModuleGetFunction moduleGetFunction = nullptr;
  GetErrorString getErrorString = nullptr;
  LaunchKernel launchKernel = nullptr;

  Driver() {
    void* library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) return;
    const auto find = [library](auto& function, const char* name) {
      function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(dlsym(library, name));
    };
    find(moduleLoadData, "cuModuleLoadData");
    find(moduleGetFunction, "cuModuleGetFunction");
    find(getErrorString, "cuGetErrorString");
    find(launchKernel, "cuLaunchKernel");
  }

  bool isThere() const {
    return moduleLoadData != nullptr && moduleGetFunction != nullptr && getErrorString != nullptr &&
           launchKernel != nullptr;
  }

  std::string textOf(Result error) const {
    const char* text = nullptr;
    return getErrorString(error, &text) == 0 && text != nullptr ? text : "error " + std::to_string(error);
  }
};

const Driver& driver() {
  static const Driver found;
  return found;
}

// A module belongs to the context of one device.
struct Loaded {
  void* module = nullptr;
  std::map<std::string, void*> functions;
};

std::mutex mutex;
std::vector<char> image;
std::string fault = "no kernels were compiled (the set-up found no nvcc)";
std::map<c10::DeviceIndex, Loaded> devices;

// Under the mutex, with the device current.
Loaded& loadedOn(c10::Device device) {
  Loaded& loaded = devices[device.index()];
  if (loaded.module != nullptr || image.empty()) return loaded;
  if (!driver().isThere()) {
    fault = "libcuda.so.1 was not found";
    image.clear();
    return loaded;
  }
  const Result result = driver().moduleLoadData(&loaded.module, image.data());
  if (result == 0) return loaded;
  loaded.module = nullptr;
  fault = "the driver does not take the kernels: " + driver().textOf(result);
  image.clear();
  return loaded;
}

}  // namespace

void setKernels(std::string path) {
  std::ifstream file(path, std::ios::binary);
  const std::lock_guard lock(mutex);
  if (!file) {
    fault = path + " cannot be read";
    return;
  }
  image.assign(std::istreambuf_iterator<char>(file), {});
}

bool hasKernels(c10::Device device) {
  if (!device.is_cuda()) return false;
  const c10::DeviceGuard guard(device);
  const std::lock_guard lock(mutex);
  return loadedOn(device).module != nullptr;
}

std::string whyNoKernels() {
  const std::lock_guard lock(mutex);
  return fault;
}

void launchArguments(const std::string& kernel, c10::Device device, Grid grid, void** arguments) {
  const c10::DeviceGuard guard(device);
  void* stream = c10::impl::VirtualGuardImpl(device.type()).getStream(device).native_handle();
  const std::lock_guard lock(mutex);
  Loaded& loaded = loadedOn(device);
  TORCH_CHECK(loaded.module != nullptr, "no kernels on ", device, ": ", fault);
  void*& function = loaded.functions[kernel];
  if (function == nullptr) {
    const Result result = driver().moduleGetFunction(&function, loaded.module, kernel.c_str());
    TORCH_CHECK(result == 0, "kernel ", kernel, " on ", device, ": ", driver().textOf(result));
  }
  const Result result = driver().launchKernel(function, grid.x, grid.y, 1, grid.threads, 1, 1, grid.sharedBytes, stream,
                                              arguments, nullptr);
  TORCH_CHECK(result == 0, "kernel ", kernel, " on ", device, ": ", driver().textOf(result));
}

}  // namespace xinghe::cuda
