// Files mapped into memory, and tensors that lie in them without a copy. The mapping is private: writing to such a
// tensor copies the touched pages and never reaches the file. It lives as long as the last tensor in it.
#include "files.h"

#include "functions.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace xinghe {

MappedFile::MappedFile(const std::string& path) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) throw std::runtime_error(path + ": cannot be opened (" + std::strerror(errno) + ")");
  struct stat status {};
  if (fstat(descriptor, &status) != 0) {
    const int error = errno;
    close(descriptor);
    throw std::runtime_error(path + ": cannot be examined (" + std::strerror(error) + ")");
  }
  size_ = static_cast<size_t>(status.st_size);
  if (size_ != 0) {
    address_ = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, descriptor, 0);
    if (address_ == MAP_FAILED) {
      const int error = errno;
      close(descriptor);
      throw std::runtime_error(path + ": cannot be mapped (" + std::strerror(error) + ")");
    }
  }
  close(descriptor);
}

MappedFile::~MappedFile() {
  if (size_ != 0) munmap(address_, size_);
}

namespace {

napi_value mapFile(napi_env env, napi_callback_info info) {
  return guarded(env, [&] {
    const Arguments<1> arguments(env, info);
    return fromInt32(env, arguments.addon->files.add(std::make_shared<MappedFile>(toString(env, arguments[0]))));
  });
}

napi_value unmapFile(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    const Arguments<1> arguments(env, info);
    arguments.addon->files.release(toInt32(env, arguments[0]));
    return nullptr;
  });
}

// tensorInFile(file, byte offset, shape, dtype) -> handle; a copy only where the offset is not aligned for the dtype
napi_value tensorInFile(napi_env env, napi_callback_info info) {
  return guarded(env, [&] {
    const Arguments<4> arguments(env, info);
    const std::shared_ptr<MappedFile> file = arguments.addon->files.at(toInt32(env, arguments[0]));
    const int64_t offset = toInt64(env, arguments[1]);
    const auto sizes = toInts(env, arguments[2]);
    const auto options = at::TensorOptions().dtype(dtypeFromName(toString(env, arguments[3])));
    const size_t width = options.dtype().itemsize();
    size_t bytes = width;
    for (const int64_t size : sizes)
      if (size < 0 || __builtin_mul_overflow(bytes, static_cast<size_t>(size), &bytes))
        throw std::invalid_argument("a shape that no memory can hold");
    if (offset < 0 || static_cast<size_t>(offset) > file->size() || bytes > file->size() - offset)
      throw std::invalid_argument("bytes " + std::to_string(offset) + " to " + std::to_string(offset + bytes) +
                                  " lie outside the file of " + std::to_string(file->size()) + " bytes");
    if (bytes == 0) return fromTensor(env, *arguments.addon, emptyTensor(sizes, options));
    char* const data = static_cast<char*>(file->address()) + offset;
    if (reinterpret_cast<uintptr_t>(data) % width == 0)
      return fromTensor(env, *arguments.addon, tensorIn(data, sizes, options, file));
    at::Tensor copy = emptyTensor(sizes, options);
    std::memcpy(copy.mutable_data_ptr(), data, bytes);
    return fromTensor(env, *arguments.addon, std::move(copy));
  });
}

}  // namespace

void registerFiles(napi_env env, napi_value exports, AddonState* addon) {
  addFunction(env, exports, addon, "mapFile", mapFile);
  addFunction(env, exports, addon, "unmapFile", unmapFile);
  addFunction(env, exports, addon, "tensorInFile", tensorInFile);
}

}  // namespace xinghe
