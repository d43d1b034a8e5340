// A CPU allocator for loops that allocate the same again and again. glibc's malloc gives freed memory back to the
// system, whose zeroed pages then cost more than many a kernel; told not to, it needs 25 to 75 % more than what is in
// use at any moment, because an aligned request does not fit where one of its own size was freed.
//
// Here the process never holds more than what was in use at once at the fullest moment so far. Blocks are whole pages
// of anonymous memory. A request takes the smallest free block that is large enough and leaves the rest of it free; if
// there is none, the largest free one is made larger by mremap, which moves page tables and no bytes; and free blocks
// go back to the system only where keeping them would pass the fullest moment.
#include "memory.h"

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/impl/alloc_cpu.h>

#if defined(__linux__)
#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <map>
#include <mutex>
#include <unordered_map>
#endif

namespace xinghe {

#if defined(__linux__)
namespace {

// Smaller ones are the business of malloc.
constexpr std::size_t smallestBlock = 64 * 1024;
constexpr std::uint8_t priority = 100;

class KeepingAllocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(std::size_t bytes) override {
    void* block = bytes < smallestBlock ? c10::alloc_cpu(bytes) : take((bytes + page_ - 1) / page_ * page_);
    return {block, block, &release, c10::Device(c10::DeviceType::CPU)};
  }

  // The same for all sizes: oneDNN's scratch memory comes and goes without a DataPtr.
  c10::DeleterFnPtr raw_deleter() const override { return &release; }

  void copy_data(void* to, const void* from, std::size_t count) const override { std::memcpy(to, from, count); }

  // One more environment, or one less, that wants freed memory to be kept.
  void keep() {
    const std::lock_guard lock(mutex_);
    if (keepers_++ > 0) return;
    fullest_ = inUse_;
    c10::SetCPUAllocator(this, priority);
  }

  void giveBackAll() {
    const std::lock_guard lock(mutex_);
    if (--keepers_ > 0) return;
    c10::SetCPUAllocator(c10::GetDefaultCPUAllocator(), priority);
    giveBack(free_);
  }

  static KeepingAllocator& instance() {
    static auto* allocator = new KeepingAllocator;  // Tensors may outlive every static object.
    return *allocator;
  }

 private:
  static void release(void* block) {
    KeepingAllocator& own = instance();
    const bool isPage = reinterpret_cast<std::uintptr_t>(block) % own.page_ == 0;
    if (!isPage || !own.put(block)) c10::free_cpu(block);
  }

  void* take(std::size_t size) {
    const std::lock_guard lock(mutex_);
    const std::size_t fullestBefore = fullest_;
    inUse_ += size;
    fullest_ = std::max(fullest_, inUse_);
    void* block = fromFree(size);
    if (block == nullptr) block = fresh(size);
    if (block == nullptr && !blocks_.empty()) {
      giveBack(free_);
      block = fresh(size);
    }
    if (block == nullptr) {
      // A moment that never came must not become the bound.
      inUse_ -= size;
      fullest_ = fullestBefore;
      TORCH_CHECK(false, "the system has no ", size, " bytes of memory left for a tensor");
    }
    used_.emplace(block, size);
    return block;
  }

  void* fresh(std::size_t size) {
    // Free blocks and the new one together stay within the fullest moment.
    const std::size_t room = fullest_ - inUse_;
    if (free_ > room) giveBack(free_ - room);
    void* block = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return block == MAP_FAILED ? nullptr : block;
  }

  void* fromFree(std::size_t size) {
    if (blocks_.empty()) return nullptr;
    const auto fitting = blocks_.lower_bound(size);
    if (fitting != blocks_.end()) {
      const auto [have, block] = *fitting;
      blocks_.erase(fitting);
      free_ -= have;
      if (have > size) addFree(static_cast<char*>(block) + size, have - size);
      return block;
    }
    // New pages are needed for what the largest lacks; while there is room for the whole, a new block does as well.
    if (free_ + inUse_ <= fullest_) return nullptr;
    const auto largest = std::prev(blocks_.end());
    const auto [have, block] = *largest;
    void* grown = mremap(block, have, size, MREMAP_MAYMOVE);
    if (grown == MAP_FAILED) return nullptr;
    blocks_.erase(largest);
    free_ -= have;
    const std::size_t room = fullest_ - inUse_;
    if (free_ > room) giveBack(free_ - room);
    return grown;
  }

  // False for a small one that is malloc's, wherever it lies.
  bool put(void* block) {
    const std::lock_guard lock(mutex_);
    const auto found = used_.find(block);
    if (found == used_.end()) return false;
    const std::size_t size = found->second;
    used_.erase(found);
    inUse_ -= size;
    if (keepers_ > 0)
      addFree(block, size);
    else
      munmap(block, size);
    return true;
  }

  void addFree(void* block, std::size_t size) {
    free_ += size;
    blocks_.emplace(size, block);
  }

  // The smallest blocks first: they serve the fewest requests. The last one is cut.
  void giveBack(std::size_t bytes) {
    bytes = (bytes + page_ - 1) / page_ * page_;
    while (bytes > 0 && !blocks_.empty()) {
      const auto [have, block] = *blocks_.begin();
      blocks_.erase(blocks_.begin());
      const std::size_t cut = std::min(have, bytes);
      munmap(static_cast<char*>(block) + (have - cut), cut);
      free_ -= have;
      bytes -= cut;
      if (have > cut) addFree(block, have - cut);
    }
  }

  const std::size_t page_ = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  std::mutex mutex_;
  int keepers_ = 0;
  std::unordered_map<void*, std::size_t> used_;
  std::multimap<std::size_t, void*> blocks_;  // free ones by size
  std::size_t free_ = 0, inUse_ = 0, fullest_ = 0;  // bytes
};

}  // namespace

void FreedMemory::keep() {
  if (keeps_) return;
  keeps_ = true;
  KeepingAllocator::instance().keep();
#if defined(__GLIBC__)
  malloc_trim(0);
#endif
}

void FreedMemory::giveBack() {
  if (!keeps_) return;
  keeps_ = false;
  KeepingAllocator::instance().giveBackAll();
#if defined(__GLIBC__)
  malloc_trim(0);
#endif
}

#else

void FreedMemory::keep() { keeps_ = true; }
void FreedMemory::giveBack() { keeps_ = false; }

#endif

}  // namespace xinghe
