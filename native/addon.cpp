// Module entry: one AddonState per environment, freed with it.
#include "collectives.h"
#include "napi.h"

namespace xinghe {

void addFunction(napi_env env, napi_value exports, AddonState* addon, const char* name, napi_callback callback) {
  napi_value function = nullptr;
  check(env, napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, addon, &function), "room for a function");
  set(env, exports, name, function);
}

}  // namespace xinghe

NAPI_MODULE_INIT() {
  return xinghe::guarded(env, [&] {
    auto addon = std::make_unique<xinghe::AddonState>();
    xinghe::AddonState* state = addon.get();
    xinghe::check(env,
                  napi_set_instance_data(
                      env, addon.release(),
                      [](napi_env, void* data, void*) { delete static_cast<xinghe::AddonState*>(data); }, nullptr),
                  "an environment");
    xinghe::registerDispatcher(env, exports, state);
    xinghe::registerTensors(env, exports, state);
    xinghe::registerAutograd(env, exports, state);
    xinghe::registerGenerators(env, exports, state);
    xinghe::registerFiles(env, exports, state);
    xinghe::registerDevices(env, exports, state);
    xinghe::registerCollectives(env, exports, state);
    return exports;
  });
}
