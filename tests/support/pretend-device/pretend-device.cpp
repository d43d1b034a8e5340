// A device that is not there, for tests: "pretend:0". Its memory may be read by nobody but the copies to and from it, and
// each operator runs on copies in the CPU's memory, after it was made sure that a CUDA device could run it: operands all
// lie on the device (but numbers without dimensions, and indices), generators too, and operators of ours are not among
// those that only the CPU has. What runs here needs no more of a device than CUDA gives.
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/EmptyTensor.h>
#include <ATen/detail/PrivateUse1HooksInterface.h>
#include <ATen/native/CPUFallback.h>
#include <ATen/ops/as_strided_native.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/set_native.h>
#include <ATen/ops/unfold_native.h>
#include <ATen/ops/view_native.h>
#include <ATen/ops/_reshape_alias_native.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <sys/mman.h>
#include <torch/library.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <set>
#include <string>

namespace {

constexpr auto kPretend = c10::DeviceType::PrivateUse1;

// Closed but while a Reading of it lives.
class Memory {
 public:
  void* allocate(std::size_t bytes) {
    const std::size_t length = (bytes + 4095) / 4096 * 4096;
    void* start = mmap(nullptr, length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    TORCH_CHECK(start != MAP_FAILED, "no memory for the pretended device");
    const std::lock_guard lock(mutex_);
    pieces_[start] = {length, 0};
    return start;
  }

  void release(void* start) {
    const std::lock_guard lock(mutex_);
    munmap(start, pieces_.at(start).length);
    pieces_.erase(start);
  }

  void open(void* start) { count(start, 1); }
  void close(void* start) { count(start, -1); }

 private:
  struct Piece {
    std::size_t length;
    int readers;
  };

  void count(void* start, int change) {
    if (start == nullptr) return;
    const std::lock_guard lock(mutex_);
    Piece& piece = pieces_.at(start);
    const bool wasOpen = piece.readers > 0;
    piece.readers += change;
    if (wasOpen != (piece.readers > 0))
      mprotect(start, piece.length, piece.readers > 0 ? PROT_READ | PROT_WRITE : PROT_NONE);
  }

  std::mutex mutex_;
  std::map<void*, Piece> pieces_;
};

Memory& memory() {
  static Memory& all = *new Memory;  // outlives every tensor
  return all;
}

struct Allocator final : c10::Allocator {
  c10::DataPtr allocate(std::size_t bytes) override {
    void* start = bytes == 0 ? nullptr : memory().allocate(bytes);
    return {start, start, release, c10::Device(kPretend, 0)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return release; }
  void copy_data(void*, const void*, std::size_t) const override { TORCH_CHECK(false, "not copied like this"); }
  static void release(void* start) {
    if (start != nullptr) memory().release(start);
  }
};

Allocator allocator;

// The same elements as a tensor of the CPU, as long as this lives.
class Reading {
 public:
  explicit Reading(const at::Tensor& tensor) : start_(nullptr), seen_(tensor) {
    if (tensor.device().type() != kPretend) return;
    start_ = tensor.storage().data_ptr().get();
    memory().open(start_);
    seen_ = at::from_blob(tensor.unsafeGetTensorImpl()->mutable_data(), tensor.sizes(), tensor.strides(),
                          tensor.options().device(at::kCPU));
  }
  ~Reading() { memory().close(start_); }
  Reading(const Reading&) = delete;
  const at::Tensor& tensor() const { return seen_; }

 private:
  void* start_;
  at::Tensor seen_;
};

struct Generator final : at::CPUGeneratorImpl {
  explicit Generator(std::uint64_t seed) : at::CPUGeneratorImpl(seed) { pretend(true); }
  void pretend(bool is) { device_ = is ? c10::Device(kPretend, 0) : c10::Device(at::kCPU); }
};

struct Hooks final : at::PrivateUse1HooksInterface {
  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return true; }
  bool hasPrimaryContext(c10::DeviceIndex) const override { return true; }
  c10::DeviceIndex deviceCount() const override { return 1; }
  void setCurrentDevice(c10::DeviceIndex) const override {}
  c10::DeviceIndex getCurrentDevice() const override { return 0; }
  c10::DeviceIndex exchangeDevice(c10::DeviceIndex) const override { return 0; }
  c10::DeviceIndex maybeExchangeDevice(c10::DeviceIndex) const override { return 0; }
  at::Generator getNewGenerator(c10::DeviceIndex) const override { return at::make_generator<Generator>(0); }
  const at::Generator& getDefaultGenerator(c10::DeviceIndex) const override {
    TORCH_CHECK(false, "draws from the default generator are not seeded");
  }
};

struct Guard final : c10::impl::DeviceGuardImplInterface {
  c10::DeviceType type() const override { return kPretend; }
  c10::Device exchangeDevice(c10::Device) const override { return {kPretend, 0}; }
  c10::Device getDevice() const override { return {kPretend, 0}; }
  void setDevice(c10::Device) const override {}
  void uncheckedSetDevice(c10::Device) const noexcept override {}
  c10::Stream getStream(c10::Device) const noexcept override { return c10::Stream(c10::Stream::DEFAULT, {kPretend, 0}); }
  c10::Stream exchangeStream(c10::Stream) const noexcept override { return getStream({kPretend, 0}); }
  c10::DeviceIndex deviceCount() const noexcept override { return 1; }
  void record(void**, const c10::Stream&, c10::DeviceIndex, c10::EventFlag) const override {}
  void block(void*, const c10::Stream&) const override {}
  bool queryEvent(void*) const override { return true; }
  void destroyEvent(void*, c10::DeviceIndex) const noexcept override {}
  void recordDataPtrOnStream(const c10::DataPtr&, const c10::Stream&) const override {}
};

bool mayMix(const std::string& name) {
  // CUDA takes indices from either side.
  static const std::set<std::string> names{"aten::index.Tensor", "aten::index_put_", "aten::_index_put_impl_"};
  return names.contains(name);
}

// XINGHE_PRETEND_OPERATORS: a file to which each operator that runs is added once.
void note(const std::string& name) {
  static const char* path = std::getenv("XINGHE_PRETEND_OPERATORS");
  if (path == nullptr) return;
  static std::set<std::string> seen;
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  if (!seen.insert(name).second) return;
  if (std::FILE* file = std::fopen(path, "a")) {
    std::fprintf(file, "%s\n", name.c_str());
    std::fclose(file);
  }
}

void onCpu(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  const auto& schema = op.schema();
  const std::string name = schema.name() + (schema.overload_name().empty() ? "" : "." + schema.overload_name());
  note(name);
  TORCH_CHECK(schema.name().rfind("xinghe::", 0) != 0, name, " has a kernel for the CPU alone");
  const std::size_t count = schema.arguments().size(), first = stack->size() - count;
  std::vector<Generator*> generators;
  const auto check = [&](const at::Tensor& tensor, std::size_t index) {
    if (!tensor.defined() || tensor.device().type() == kPretend || mayMix(name)) return;
    TORCH_CHECK(tensor.dim() == 0 && tensor.device().is_cpu(), "Expected all tensors to be on the same device: ",
                schema.arguments()[index].name(), " of ", name, " lies on ", tensor.device());
  };
  for (std::size_t i = 0; i < count; i++) {
    const c10::IValue& value = (*stack)[first + i];
    if (value.isTensor()) check(value.toTensor(), i);
    else if (value.isTensorList())
      for (const at::Tensor& tensor : value.toTensorVector()) check(tensor, i);
    else if (value.isGenerator()) {
      auto* generator = dynamic_cast<Generator*>(value.toGenerator().unsafeGetGeneratorImpl());
      TORCH_CHECK(generator != nullptr, "Expected a generator of the pretended device for ", name);
      generators.push_back(generator);
    }
  }
  for (Generator* generator : generators) generator->pretend(false);
  try {
    at::native::cpu_fallback(op, stack);
  } catch (...) {
    for (Generator* generator : generators) generator->pretend(true);
    throw;
  }
  for (Generator* generator : generators) generator->pretend(true);
}

constexpr c10::DispatchKeySet keys(c10::DispatchKey::PrivateUse1);

at::Tensor empty(at::IntArrayRef size, std::optional<at::ScalarType> dtype, std::optional<at::Layout>,
                 std::optional<at::Device>, std::optional<bool>, std::optional<at::MemoryFormat> format) {
  return at::detail::empty_generic(size, &allocator, keys, c10::dtype_or_default(dtype), format);
}

at::Tensor emptyStrided(at::IntArrayRef size, at::IntArrayRef stride, std::optional<at::ScalarType> dtype,
                        std::optional<at::Layout>, std::optional<at::Device>, std::optional<bool>) {
  return at::detail::empty_strided_generic(size, stride, &allocator, keys, c10::dtype_or_default(dtype));
}

at::Tensor copyFrom(const at::Tensor& from, const at::Tensor& to, bool) {
  const Reading source(from), target(to);
  target.tensor().copy_(source.tensor());
  return to;
}

const at::Tensor& resize(const at::Tensor& self, at::IntArrayRef size, std::optional<at::MemoryFormat>) {
  at::TensorImpl* impl = self.unsafeGetTensorImpl();
  impl->set_sizes_contiguous(size);
  const std::size_t bytes = impl->numel() * impl->itemsize();
  c10::StorageImpl* storage = self.storage().unsafeGetStorageImpl();
  if (storage->nbytes() < bytes) {
    storage->set_data_ptr_noswap(allocator.allocate(bytes));
    storage->set_nbytes(bytes);
  }
  return self;
}

at::Tensor copyFromAndResize(const at::Tensor& from, const at::Tensor& to) {
  if (from.sizes() != to.sizes()) resize(to, from.sizes(), std::nullopt);
  return copyFrom(from, to, false);
}

at::Tensor asStrided(const at::Tensor& self, at::IntArrayRef size, at::IntArrayRef stride,
                     std::optional<std::int64_t> offset) {
  return at::native::as_strided_tensorimpl(self, size, stride, offset);
}

TORCH_LIBRARY_IMPL(_, PrivateUse1, library) {
  library.fallback(torch::CppFunction::makeFromBoxedFunction<&onCpu>());
}

TORCH_LIBRARY_IMPL(aten, PrivateUse1, library) {
  library.impl("empty.memory_format", empty);
  library.impl("empty_strided", emptyStrided);
  library.impl("_copy_from", copyFrom);
  library.impl("_copy_from_and_resize", copyFromAndResize);
  library.impl("resize_", resize);
  library.impl("as_strided", asStrided);
  library.impl("view", static_cast<at::Tensor (*)(const at::Tensor&, at::IntArrayRef)>(at::native::view));
  library.impl("_reshape_alias", at::native::_reshape_alias);
  library.impl("unfold", at::native::unfold);
}

C10_REGISTER_GUARD_IMPL(PrivateUse1, Guard)

const bool registered = [] {
  c10::SetAllocator(kPretend, &allocator);
  c10::register_privateuse1_backend("pretend");
  at::RegisterPrivateUse1HooksInterface(new Hooks);
  return true;
}();

}  // namespace
