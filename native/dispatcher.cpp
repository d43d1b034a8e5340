// Every operator of libtorch through its boxed dispatcher: JavaScript values become IValues by the operator's own
// schema, so that no operator needs code of its own. Resolved operators live for the whole process and are shared
// by all environments.
#include "napi.h"

#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/grad_mode.h>
#include <ATen/core/stack.h>

#include <atomic>
#include <map>
#include <mutex>

namespace xinghe {

struct CallStack : torch::jit::Stack {};
void FreeCallStack::operator()(CallStack* stack) const { delete stack; }

namespace {

enum class Kind {
  Tensor,
  TensorList,
  OptionalTensorList,
  Scalar,
  Int,
  IntList,
  Float,
  FloatList,
  Bool,
  BoolList,
  String,
  ScalarList,
  Dtype,
  Layout,
  MemoryFormat,
  Device,
  Generator,
  Unsupported,
};

Kind kindOf(const c10::TypePtr& type) {
  using c10::TypeKind;
  switch (type->kind()) {
    case TypeKind::TensorType: return Kind::Tensor;
    case TypeKind::NumberType: return Kind::Scalar;
    case TypeKind::IntType:
    case TypeKind::SymIntType: return Kind::Int;
    case TypeKind::FloatType: return Kind::Float;
    case TypeKind::BoolType: return Kind::Bool;
    // What the schemas leave open is the name of a process group.
    case TypeKind::AnyType:
    case TypeKind::StringType: return Kind::String;
    case TypeKind::DeviceObjType: return Kind::Device;
    case TypeKind::GeneratorType: return Kind::Generator;
    case TypeKind::ScalarTypeType: return Kind::Dtype;
    case TypeKind::LayoutType: return Kind::Layout;
    case TypeKind::MemoryFormatType: return Kind::MemoryFormat;
    case TypeKind::OptionalType: return kindOf(type->expectRef<c10::OptionalType>().getElementType());
    case TypeKind::ListType: {
      const auto& element = type->expectRef<c10::ListType>().getElementType();
      if (element->kind() == TypeKind::OptionalType)
        return kindOf(element) == Kind::Tensor ? Kind::OptionalTensorList
               : kindOf(element) == Kind::Scalar ? Kind::ScalarList
                                                 : Kind::Unsupported;
      switch (kindOf(element)) {
        case Kind::Tensor: return Kind::TensorList;
        case Kind::Int: return Kind::IntList;
        case Kind::Float: return Kind::FloatList;
        case Kind::Bool: return Kind::BoolList;
        case Kind::Scalar: return Kind::ScalarList;
        default: return Kind::Unsupported;
      }
    }
    default: return Kind::Unsupported;
  }
}

struct Parameter {
  Kind kind;
  bool optional;
  // The schema writes Scalar?[] and Scalar[] alike as a list of numbers; the boxed form differs.
  bool optionalElements;
  std::optional<c10::IValue> fallback;
  std::string name;
};

struct Operator {
  c10::OperatorHandle handle;
  std::vector<Parameter> parameters;
  // The parameter that an in-place or out= operator hands back (-1: none): JavaScript keeps its own object then.
  int32_t returnsParameter = -1;
  // One letter for each result: T tensor, L list of tensors, V any other value.
  std::string results;
  std::vector<Kind> resultKinds;
  std::string name;
  // One kernel of libtorch's own that neither writes to its arguments nor gives views of them. Without gradients its
  // autograd layer does nothing but pass on, so that layer can be left out. (An operator composed of others may give
  // a view without saying so, as einsum does, and views must be tracked even then.)
  bool pure = false;
};

// Ids index an array that never moves, so that a call reads it without a lock; the mutex guards additions only.
struct Registry {
  static constexpr size_t kCapacity = 1 << 14;
  std::array<std::atomic<const Operator*>, kCapacity> operators{};
  size_t count = 0;
  std::mutex mutex;
  std::map<std::string, int32_t> ids;
};

// Never destroyed: a worker thread may still be calling when the process ends.
Registry& registry() {
  static Registry& instance = *new Registry;
  return instance;
}

const Operator& operatorAt(int32_t id) {
  static Registry& all = registry();
  const Operator* op = nullptr;
  if (id >= 0 && static_cast<size_t>(id) < Registry::kCapacity) op = all.operators[id].load(std::memory_order_acquire);
  if (op == nullptr) throw std::invalid_argument("no such operator");
  return *op;
}

int32_t resolve(const std::string& name, const std::string& overload) {
  const std::string key = name + (overload.empty() ? "" : "." + overload);
  Registry& all = registry();
  const std::lock_guard lock(all.mutex);
  if (const auto known = all.ids.find(key); known != all.ids.end()) return known->second;
  if (all.count == Registry::kCapacity) throw std::length_error("too many operators");
  const auto handle = c10::Dispatcher::singleton().findSchema({name, overload});
  if (!handle.has_value()) throw std::invalid_argument("this libtorch has no operator " + key);
  const c10::FunctionSchema& schema = handle->schema();
  auto resolved = std::make_unique<Operator>(Operator{.handle = *handle, .name = key});
  Operator& op = *resolved;
  op.pure = name.starts_with("aten::") &&
            !handle->hasKernelForDispatchKey(c10::DispatchKey::CompositeImplicitAutograd);
  for (const c10::Argument& argument : schema.arguments()) {
    op.pure = op.pure && argument.alias_info() == nullptr;
    const auto& type = argument.real_type();
    const bool optional = type->kind() == c10::TypeKind::OptionalType;
    bool optionalElements = false;
    if (type->kind() == c10::TypeKind::ListType)
      optionalElements = type->expectRef<c10::ListType>().getElementType()->kind() == c10::TypeKind::OptionalType;
    op.parameters.push_back({kindOf(type), optional, optionalElements, argument.default_value(), argument.name()});
  }
  if (schema.returns().size() == 1 && schema.returns()[0].alias_info() && schema.returns()[0].alias_info()->isWrite())
    for (size_t i = 0; i < schema.arguments().size(); ++i) {
      const auto* alias = schema.arguments()[i].alias_info();
      if (alias != nullptr && alias->isWrite() && *alias == *schema.returns()[0].alias_info())
        op.returnsParameter = static_cast<int32_t>(i);
    }
  for (const c10::Argument& result : schema.returns()) {
    op.pure = op.pure && result.alias_info() == nullptr;
    const Kind kind = kindOf(result.real_type());
    op.results += kind == Kind::Tensor ? 'T' : kind == Kind::TensorList ? 'L' : 'V';
    op.resultKinds.push_back(kind);
  }
  const auto id = static_cast<int32_t>(all.count++);
  all.ids.emplace(key, id);
  all.operators[id].store(resolved.release(), std::memory_order_release);
  return id;
}

c10::Scalar toScalar(napi_env env, napi_value value) {
  napi_valuetype type = napi_undefined;
  napi_typeof(env, value, &type);
  if (type == napi_boolean) return toBool(env, value);
  if (type == napi_bigint) {
    int64_t number = 0;
    bool lossless = false;
    check(env, napi_get_value_bigint_int64(env, value, &number, &lossless), "a 64-bit integer");
    return number;
  }
  const double number = toDouble(env, value);
  // A whole number is an integer scalar, as in Python: added to an integer tensor it must not change the dtype.
  if (std::abs(number) <= 9007199254740991.0 && number == static_cast<double>(static_cast<int64_t>(number)) &&
      !(number == 0 && std::signbit(number)))
    return static_cast<int64_t>(number);
  return number;
}

at::Layout layoutFromName(const std::string& name) {
  if (name == "strided") return at::kStrided;
  if (name == "sparse") return at::kSparse;
  throw std::invalid_argument("unknown layout \"" + name + "\"; known: strided, sparse");
}

at::MemoryFormat memoryFormatFromName(const std::string& name) {
  if (name == "contiguous") return at::MemoryFormat::Contiguous;
  if (name == "preserve") return at::MemoryFormat::Preserve;
  if (name == "channels_last") return at::MemoryFormat::ChannelsLast;
  throw std::invalid_argument("unknown memory format \"" + name + "\"; known: contiguous, preserve, channels_last");
}

c10::IValue convert(napi_env env, AddonState& addon, const Parameter& parameter, napi_value value) {
  switch (parameter.kind) {
    case Kind::Tensor: throw std::invalid_argument("expected a tensor");
    case Kind::TensorList: return toTensors(env, addon, value);
    case Kind::OptionalTensorList: {
      c10::List<std::optional<at::Tensor>> list;
      for (auto& element : toVector(env, value, [&](napi_value item) -> std::optional<at::Tensor> {
             if (isNullish(env, item)) return std::nullopt;
             return addon.tensors.at(toInt32(env, item));
           }))
        list.push_back(std::move(element));
      return list;
    }
    case Kind::Scalar: return toScalar(env, value);
    case Kind::Int: return toInt64(env, value);
    case Kind::IntList: {
      // A single number stands for a list of one, as in PyTorch.
      napi_valuetype type = napi_undefined;
      napi_typeof(env, value, &type);
      if (type == napi_number) return std::vector<int64_t>{toInt64(env, value)};
      return toInts(env, value);
    }
    case Kind::Float: return toDouble(env, value);
    case Kind::FloatList: return toVector(env, value, [env](napi_value item) { return toDouble(env, item); });
    case Kind::Bool: return toBool(env, value);
    case Kind::BoolList: {
      c10::List<bool> list;
      for (const bool element : toVector(env, value, [env](napi_value item) { return toBool(env, item); }))
        list.push_back(element);
      return list;
    }
    case Kind::ScalarList: {
      if (parameter.optionalElements) {
        c10::List<std::optional<c10::Scalar>> list;
        for (auto& element : toVector(env, value, [env](napi_value item) { return toScalar(env, item); }))
          list.push_back(element);
        return list;
      }
      c10::List<c10::Scalar> list;
      for (auto& element : toVector(env, value, [env](napi_value item) { return toScalar(env, item); }))
        list.push_back(element);
      return list;
    }
    case Kind::String: return toString(env, value);
    case Kind::Dtype: return static_cast<int64_t>(dtypeFromName(toString(env, value)));
    case Kind::Layout: return static_cast<int64_t>(layoutFromName(toString(env, value)));
    case Kind::MemoryFormat: return static_cast<int64_t>(memoryFormatFromName(toString(env, value)));
    case Kind::Device: return c10::Device(toString(env, value));
    case Kind::Generator: return addon.generators.at(toInt32(env, value));
    case Kind::Unsupported: break;
  }
  throw std::invalid_argument("a type that JavaScript cannot give");
}

napi_value fromIValue(napi_env env, AddonState& addon, Kind kind, c10::IValue&& value) {
  const auto number = [env](auto item) { return fromDouble(env, static_cast<double>(item)); };
  if (value.isTensor()) return fromTensor(env, addon, std::move(value).toTensor());
  if (value.isInt() && kind == Kind::Dtype) return fromString(env, dtypeName(static_cast<at::ScalarType>(value.toInt())));
  if (value.isInt()) return number(value.toInt());
  if (value.isDouble()) return number(value.toDouble());
  if (value.isBool()) return fromBool(env, value.toBool());
  if (value.isSymInt()) return number(value.toSymInt().expect_int());
  if (value.isNone()) return null(env);
  if (value.isString()) return fromString(env, value.toStringRef());
  if (value.isDevice()) return fromString(env, value.toDevice().str());
  if (value.isTensorList())
    return fromRange(env, value.toTensorVector(), [&](const at::Tensor& item) { return fromTensor(env, addon, item); });
  if (value.isIntList()) return fromRange(env, value.toIntVector(), number);
  if (value.isDoubleList()) return fromRange(env, value.toDoubleVector(), number);
  if (value.isBoolList())
    return fromRange(env, value.toBoolList().vec(), [env](bool item) { return fromBool(env, item); });
  throw std::invalid_argument("a result of type " + value.tagKind() + " cannot be given to JavaScript");
}

// resolveOperator(name, overload) -> { id, returned: index of the argument handed back or -1, results: its letters }
napi_value resolveOperator(napi_env env, napi_callback_info info) {
  return guarded(env, [&] {
    const Arguments<2> arguments(env, info);
    const int32_t id = resolve(toString(env, arguments[0]), toString(env, arguments[1]));
    const Operator& op = operatorAt(id);
    napi_value result = object(env);
    set(env, result, "id", fromInt32(env, id));
    set(env, result, "returned", fromInt32(env, op.returnsParameter));
    set(env, result, "results", fromString(env, op.results));
    return result;
  });
}

// Pushes every argument of the operator; `position` says which one is at work, for the message of an error.
void pushArguments(napi_env env, AddonState& addon, const Operator& op, const napi_value* values, size_t given,
                   size_t& position) {
  for (position = 0; position < op.parameters.size(); ++position) {
    const Parameter& parameter = op.parameters[position];
    if (position < given) {
      // Tensors first: the type check below costs as much as the conversion.
      int32_t handle = 0;
      if (parameter.kind == Kind::Tensor && napi_get_value_int32(env, values[position], &handle) == napi_ok) {
        addon.stack->emplace_back(addon.tensors.at(handle));
        continue;
      }
      if (!isNullish(env, values[position])) {
        addon.stack->push_back(convert(env, addon, parameter, values[position]));
        continue;
      }
    }
    if (parameter.fallback.has_value())
      addon.stack->push_back(*parameter.fallback);
    else if (parameter.optional)
      addon.stack->emplace_back();
    else
      throw std::invalid_argument("is missing");
  }
}

void invoke(const Operator& op, torch::jit::Stack& stack) {
  try {
    if (op.pure && !at::GradMode::is_enabled()) {
      const at::AutoDispatchBelowADInplaceOrView below;
      op.handle.callBoxed(stack);
    } else {
      op.handle.callBoxed(stack);
    }
  } catch (c10::Error& error) {
    error.add_context("in " + op.name);
    throw;
  } catch (const std::exception& error) {
    throw std::runtime_error(op.name + ": " + error.what());
  }
}

// call(id, ...arguments): tensors and generators as handles, the rest as plain values; a missing, undefined or (for
// an optional parameter) null argument takes the schema's default.
napi_value call(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    std::array<napi_value, 10> few;
    std::vector<napi_value> many;
    napi_value* values = few.data();
    size_t count = few.size();
    void* data = nullptr;
    napi_get_cb_info(env, info, &count, values, nullptr, &data);
    if (count > few.size()) {
      many.resize(count);
      values = many.data();
      napi_get_cb_info(env, info, &count, values, nullptr, &data);
    }
    AddonState& addon = *static_cast<AddonState*>(data);
    const Operator& op = operatorAt(toInt32(env, values[0]));
    const size_t given = count - 1;
    if (given > op.parameters.size())
      throw std::invalid_argument(op.name + " takes " + std::to_string(op.parameters.size()) + " arguments, got " +
                                  std::to_string(given));
    // Whatever happens, nothing stays alive through the stack.
    torch::jit::Stack& stack = *addon.stack;
    struct Clear {
      torch::jit::Stack& stack;
      ~Clear() { stack.clear(); }
    } const clear{stack};
    size_t position = 0;
    try {
      pushArguments(env, addon, op, values + 1, given, position);
    } catch (const std::exception& error) {
      throw std::invalid_argument(op.name + ": argument " + std::to_string(position + 1) + " (" +
                                  op.parameters[position].name + "): " + messageOf(error));
    }
    invoke(op, stack);
    if (op.returnsParameter >= 0 || stack.empty()) return nullptr;
    if (stack.size() == 1) return fromIValue(env, addon, op.resultKinds[0], std::move(stack[0]));
    napi_value result = nullptr;
    check(env, napi_create_array_with_length(env, stack.size(), &result), "room for an array");
    for (size_t i = 0; i < stack.size(); ++i) {
      napi_value element = fromIValue(env, addon, op.resultKinds[i], std::move(stack[i]));
      check(env, napi_set_element(env, result, static_cast<uint32_t>(i), element), "room for an element");
    }
    return result;
  });
}

// listOperators() -> every schema as text, for the generator of the typed declarations
napi_value listOperators(napi_env env, napi_callback_info) {
  return guarded(env, [&] {
    std::vector<std::string> schemas;
    for (const auto& name : c10::Dispatcher::singleton().getAllOpNames()) {
      const auto handle = c10::Dispatcher::singleton().findSchema(name);
      if (handle.has_value()) schemas.push_back(c10::toString(handle->schema()));
    }
    return fromRange(env, schemas, [env](const std::string& schema) { return fromString(env, schema); });
  });
}

// empty() -> undefined: what a native call itself costs, for the benchmark
napi_value empty(napi_env, napi_callback_info) { return nullptr; }

}  // namespace

void registerDispatcher(napi_env env, napi_value exports, AddonState* addon) {
  addon->stack.reset(new CallStack);
  addFunction(env, exports, addon, "resolveOperator", resolveOperator);
  addFunction(env, exports, addon, "call", call);
  addFunction(env, exports, addon, "listOperators", listOperators);
  addFunction(env, exports, addon, "empty", empty);
}

}  // namespace xinghe
