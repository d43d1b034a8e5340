// Seeded random number generators with a state that can be saved.
#include "napi.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Context.h>

namespace xinghe {
namespace {

// createGenerator(device, seed) -> handle
napi_value createGenerator(napi_env env, napi_callback_info info) {
  return guarded(env, [&] {
    const Arguments<2> arguments(env, info);
    const c10::Device device(toString(env, arguments[0]));
    at::Generator generator = device.is_cpu()
                                  ? at::make_generator<at::CPUGeneratorImpl>()
                                  : at::globalContext().getAcceleratorHooksInterface(device.type()).getNewGenerator(
                                        device.has_index() ? device.index() : 0);
    generator.set_current_seed(static_cast<uint64_t>(toInt64(env, arguments[1])));
    return fromInt32(env, arguments.addon->generators.add(std::move(generator)));
  });
}

napi_value releaseGenerator(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    const Arguments<1> arguments(env, info);
    arguments.addon->generators.release(toInt32(env, arguments[0]));
    return nullptr;
  });
}

// getGeneratorState(handle) -> handle of a uint8 tensor
napi_value getGeneratorState(napi_env env, napi_callback_info info) {
  return guarded(env, [&] {
    const Arguments<1> arguments(env, info);
    return fromTensor(env, *arguments.addon,
                      arguments.addon->generators.at(toInt32(env, arguments[0])).get_state());
  });
}

// setGeneratorState(handle, handle of a uint8 tensor)
napi_value setGeneratorState(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    const Arguments<2> arguments(env, info);
    arguments.addon->generators.at(toInt32(env, arguments[0]))
        .set_state(arguments.addon->tensors.at(toInt32(env, arguments[1])));
    return nullptr;
  });
}

}  // namespace

void registerGenerators(napi_env env, napi_value exports, AddonState* addon) {
  addFunction(env, exports, addon, "createGenerator", createGenerator);
  addFunction(env, exports, addon, "releaseGenerator", releaseGenerator);
  addFunction(env, exports, addon, "getGeneratorState", getGeneratorState);
  addFunction(env, exports, addon, "setGeneratorState", setGeneratorState);
}

}  // namespace xinghe
