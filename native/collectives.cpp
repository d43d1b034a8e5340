// compile flags (x64): -DUSE_C10D_GLOO
// compile flags (arm64): -DUSE_C10D_GLOO
// Stores and process groups of libtorch's c10d. Collectives themselves are operators (_c10d_functional::…), which find
// a group by its name; so a group is made, named and forgotten here. What one process sends another goes by the group itself.
#include "collectives.h"

#include <torch/csrc/distributed/c10d/GroupRegistry.hpp>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

namespace xinghe {
namespace {

using StorePointer = c10::intrusive_ptr<c10d::Store>;

std::chrono::milliseconds toMilliseconds(napi_env env, napi_value value) {
  return std::chrono::milliseconds(toInt64(env, value));
}

// A store or group belongs to its JavaScript value and goes with it.
template <typename Pointer>
napi_value fromShared(napi_env env, Pointer shared) {
  auto owned = std::make_unique<Pointer>(std::move(shared));
  napi_value result = nullptr;
  check(env,
        napi_create_external(
            env, owned.get(), [](napi_env, void* data, void*) { delete static_cast<Pointer*>(data); }, nullptr,
            &result),
        "room for a store or a group");
  owned.release();
  return result;
}

StorePointer& toStore(napi_env env, napi_value value) {
  void* data = nullptr;
  check(env, napi_get_value_external(env, value, &data), "a store");
  return *static_cast<StorePointer*>(data);
}

// createStore(host, port, worldSize, isServer, timeout in ms): waits until the server is there
napi_value createStore(napi_env env, napi_callback_info info) {
  return guarded(env, [&] {
    const Arguments<5> arguments(env, info);
    c10d::TCPStoreOptions options;
    options.port = static_cast<uint16_t>(toInt32(env, arguments[1]));
    options.numWorkers = static_cast<size_t>(toInt32(env, arguments[2]));
    options.isServer = toBool(env, arguments[3]);
    options.waitWorkers = false;
    options.timeout = toMilliseconds(env, arguments[4]);
    return fromShared<StorePointer>(env, c10::make_intrusive<c10d::TCPStore>(toString(env, arguments[0]), options));
  });
}

napi_value storeSet(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    const Arguments<3> arguments(env, info);
    const std::string text = toString(env, arguments[2]);
    toStore(env, arguments[0])->set(toString(env, arguments[1]), std::vector<uint8_t>(text.begin(), text.end()));
    return nullptr;
  });
}

// storeGet(store, key, timeout in ms): waits until somebody has set it
napi_value storeGet(napi_env env, napi_callback_info info) {
  return guarded(env, [&] {
    const Arguments<3> arguments(env, info);
    StorePointer& store = toStore(env, arguments[0]);
    const std::string key = toString(env, arguments[1]);
    store->wait({key}, toMilliseconds(env, arguments[2]));
    const std::vector<uint8_t> value = store->get(key);
    return fromString(env, std::string(value.begin(), value.end()));
  });
}

// createGlooGroup(name, store, rank, size, timeout in ms) -> the group; GLOO_SOCKET_IFNAME picks the network.
// c10d's registry of names does not keep a group alive, its JavaScript value does.
napi_value createGlooGroup(napi_env env, napi_callback_info info) {
  return guarded(env, [&] {
    const Arguments<5> arguments(env, info);
    const std::string name = toString(env, arguments[0]);
    const int rank = toInt32(env, arguments[2]);
    const int size = toInt32(env, arguments[3]);
    auto options = c10d::ProcessGroupGloo::Options::create_default(toMilliseconds(env, arguments[4]));
    auto store = c10::make_intrusive<c10d::PrefixStore>(name, toStore(env, arguments[1]));
    auto backend = c10::make_intrusive<c10d::ProcessGroupGloo>(store, rank, size, std::move(options));
    auto group = c10::make_intrusive<c10d::ProcessGroup>(rank, size);
    group->setBackend(at::DeviceType::CPU, c10d::ProcessGroup::BackendType::GLOO, backend);
    group->setDefaultBackend(c10d::ProcessGroup::BackendType::GLOO);
    group->setGroupName(name);
    c10d::register_process_group(name, group);
    return fromShared(env, std::move(group));
  });
}

napi_value removeGroup(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    const Arguments<1> arguments(env, info);
    c10d::unregister_process_group(toString(env, arguments[0]));
    return nullptr;
  });
}

using WorkPointer = c10::intrusive_ptr<c10d::Work>;

// Arguments of both: (name of the group, handle of a contiguous tensor, rank of the other, tag) -> the work, which holds the tensor.
template <typename Start>
napi_value startTransfer(napi_env env, napi_callback_info info, const Start& start) {
  return guarded(env, [&] {
    const Arguments<4> arguments(env, info);
    std::vector<at::Tensor> tensors{arguments.addon->tensors.at(toInt32(env, arguments[1]))};
    const auto group = c10d::resolve_process_group(toString(env, arguments[0]));
    return fromShared<WorkPointer>(env, start(*group, tensors, toInt32(env, arguments[2]), toInt32(env, arguments[3])));
  });
}

napi_value sendTensor(napi_env env, napi_callback_info info) {
  return startTransfer(env, info, [](c10d::ProcessGroup& group, std::vector<at::Tensor>& tensors, int rank, int tag) {
    return group.send(tensors, rank, tag);
  });
}

napi_value receiveTensor(napi_env env, napi_callback_info info) {
  return startTransfer(env, info, [](c10d::ProcessGroup& group, std::vector<at::Tensor>& tensors, int rank, int tag) {
    return group.recv(tensors, rank, tag);
  });
}

// Until a transfer is through. It lets go of the tensor then: the value in JavaScript stays until garbage is collected, and a step has many.
napi_value waitTransfer(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    const Arguments<1> arguments(env, info);
    void* data = nullptr;
    check(env, napi_get_value_external(env, arguments[0], &data), "a transfer");
    if (const WorkPointer work = std::move(*static_cast<WorkPointer*>(data))) work->wait();
    return nullptr;
  });
}

}  // namespace

void registerCollectives(napi_env env, napi_value exports, AddonState* addon) {
  addFunction(env, exports, addon, "createStore", createStore);
  addFunction(env, exports, addon, "storeSet", storeSet);
  addFunction(env, exports, addon, "storeGet", storeGet);
  addFunction(env, exports, addon, "createGlooGroup", createGlooGroup);
  addFunction(env, exports, addon, "removeGroup", removeGroup);
  addFunction(env, exports, addon, "sendTensor", sendTensor);
  addFunction(env, exports, addon, "receiveTensor", receiveTensor);
  addFunction(env, exports, addon, "waitTransfer", waitTransfer);
}

}  // namespace xinghe
