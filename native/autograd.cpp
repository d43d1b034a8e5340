// Gradients: the switch that records graphs, leaves, and the two ways to run a graph backward.
#include "napi.h"

#include <ATen/core/grad_mode.h>

#include "graph.h"

namespace xinghe {
namespace {

// setGradEnabled(enabled) -> what it was before; holds for this thread
napi_value setGradEnabled(napi_env env, napi_callback_info info) {
  return guarded(env, [&] {
    const Arguments<1> arguments(env, info);
    const bool before = at::GradMode::is_enabled();
    at::GradMode::set_enabled(toBool(env, arguments[0]));
    return fromBool(env, before);
  });
}

napi_value isGradEnabled(napi_env env, napi_callback_info) {
  return guarded(env, [&] { return fromBool(env, at::GradMode::is_enabled()); });
}

napi_value setRequiresGrad(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    const Arguments<2> arguments(env, info);
    arguments.addon->tensors.at(toInt32(env, arguments[0])).requires_grad_(toBool(env, arguments[1]));
    return nullptr;
  });
}

napi_value requiresGrad(napi_env env, napi_callback_info info) {
  return guarded(env, [&] {
    const Arguments<1> arguments(env, info);
    return fromBool(env, arguments.addon->tensors.at(toInt32(env, arguments[0])).requires_grad());
  });
}

napi_value getGrad(napi_env env, napi_callback_info info) {
  return guarded(env, [&] {
    const Arguments<1> arguments(env, info);
    const at::Tensor& tensor = arguments.addon->tensors.at(toInt32(env, arguments[0]));
    return fromTensor(env, *arguments.addon, tensor.grad());
  });
}

// setGrad(handle, handle of the gradient or null)
napi_value setGrad(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    const Arguments<2> arguments(env, info);
    at::Tensor& tensor = arguments.addon->tensors.at(toInt32(env, arguments[0]));
    tensor.mutable_grad() =
        isNullish(env, arguments[1]) ? at::Tensor() : arguments.addon->tensors.at(toInt32(env, arguments[1]));
    return nullptr;
  });
}

// backward(outputs, gradOutputs or null, retainGraph): adds to the .grad of every leaf
napi_value backward(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    const Arguments<3> arguments(env, info);
    AddonState& addon = *arguments.addon;
    const auto outputs = toTensors(env, addon, arguments[0]);
    std::vector<at::Tensor> gradOutputs;
    if (!isNullish(env, arguments[1])) gradOutputs = toTensors(env, addon, arguments[1]);
    backwardAll(outputs, gradOutputs, toBool(env, arguments[2]));
    return nullptr;
  });
}

// grad(outputs, inputs, gradOutputs or null, retainGraph, createGraph) -> handles, null where an input has no part
napi_value grad(napi_env env, napi_callback_info info) {
  return guarded(env, [&] {
    const Arguments<5> arguments(env, info);
    AddonState& addon = *arguments.addon;
    const auto outputs = toTensors(env, addon, arguments[0]);
    const auto inputs = toTensors(env, addon, arguments[1]);
    std::vector<at::Tensor> gradOutputs;
    if (!isNullish(env, arguments[2])) gradOutputs = toTensors(env, addon, arguments[2]);
    const auto gradients = gradientsOf(outputs, inputs, gradOutputs, toBool(env, arguments[3]),
                                       toBool(env, arguments[4]));
    return fromRange(env, gradients, [&](const at::Tensor& gradient) { return fromTensor(env, addon, gradient); });
  });
}

}  // namespace

void registerAutograd(napi_env env, napi_value exports, AddonState* addon) {
  addFunction(env, exports, addon, "setGradEnabled", setGradEnabled);
  addFunction(env, exports, addon, "isGradEnabled", isGradEnabled);
  addFunction(env, exports, addon, "setRequiresGrad", setRequiresGrad);
  addFunction(env, exports, addon, "requiresGrad", requiresGrad);
  addFunction(env, exports, addon, "getGrad", getGrad);
  addFunction(env, exports, addon, "setGrad", setGrad);
  addFunction(env, exports, addon, "backward", backward);
  addFunction(env, exports, addon, "grad", grad);
}

}  // namespace xinghe
