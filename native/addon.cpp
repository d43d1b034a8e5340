// Module entry: one Engine per environment, freed with it.
#include "napi.h"

namespace xinghe {

void addFunction(napi_env env, napi_value exports, Engine* engine, const char* name, napi_callback callback) {
  napi_value function = nullptr;
  check(env, napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, engine, &function), "room for a function");
  set(env, exports, name, function);
}

}  // namespace xinghe

NAPI_MODULE_INIT() {
  return xinghe::guarded(env, [&] {
    auto engine = std::make_unique<xinghe::Engine>();
    xinghe::Engine* state = engine.get();
    xinghe::check(env,
                  napi_set_instance_data(
                      env, engine.release(),
                      [](napi_env, void* data, void*) { delete static_cast<xinghe::Engine*>(data); }, nullptr),
                  "an environment");
    xinghe::registerDispatcher(env, exports, state);
    xinghe::registerTensors(env, exports, state);
    xinghe::registerAutograd(env, exports, state);
    xinghe::registerGenerators(env, exports, state);
    xinghe::registerFiles(env, exports, state);
    xinghe::registerDevices(env, exports, state);
    return exports;
  });
}
