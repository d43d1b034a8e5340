// The kernels of kernels.cu on their way to a device: through the driver's own library, which is found at run time, so
// nothing of CUDA is needed to compile or link this.
#pragma once

#include <c10/core/Device.h>

#include <string>
#include <type_traits>

namespace xinghe::cuda {

// Reads the file that the set-up made of kernels.cu. Without it, and where the driver cannot take it, there are no kernels.
void setKernels(std::string path);

// Whether kernels can be launched on this device; the reason why not goes to whyNoKernels().
bool hasKernels(c10::Device device);
std::string whyNoKernels();

struct Grid {
  unsigned x, y = 1;
  unsigned threads;
  unsigned sharedBytes = 0;
};

// On the device's current stream. Throws where the driver refuses.
void launchArguments(const std::string& kernel, c10::Device device, Grid grid, void** arguments);

template <typename Signature>
struct Launch;

// Launch<Signature>::of(name, device, grid, arguments…): arguments become what the signature says.
template <typename... Parameters>
struct Launch<void(Parameters...)> {
  static void of(const std::string& kernel, c10::Device device, Grid grid, Parameters... arguments) {
    void* addresses[] = {const_cast<void*>(static_cast<const void*>(&arguments))...};
    launchArguments(kernel, device, grid, addresses);
  }
};

}  // namespace xinghe::cuda
