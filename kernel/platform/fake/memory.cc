#include <sys/mman.h>

#include <map>

#include "kernel/base/panic.h"
#include "kernel/platform/fake/fake_machine.h"
#include "kernel/platform/fresh_memory.h"

namespace narwhal {

namespace {

// Sanitizers need more stack than the kernel does.
constexpr usize kExtraStack = 256 * kKiB;

struct Memory {
  std::vector<platform::MemoryRange> usable;
  platform::MemoryRange archive;
  std::byte* base = nullptr;
  usize size = 0;
  std::map<u64, std::span<std::byte>> devices;
  usize stacks = 0;

  Memory() { set({{PhysAddr(0x1000), kMiB - 0x1000}, {PhysAddr(2 * kMiB), 62 * kMiB}}, {}); }

  void set(const std::vector<platform::MemoryRange>& ranges, platform::MemoryRange archive_range) {
    if (base) munmap(base, size);
    usable = ranges;
    archive = archive_range;
    std::vector<platform::MemoryRange> all = ranges;
    all.push_back(archive_range);
    size = 0;
    for (const auto& range : all)
      if (range.start.value + range.size > size) size = range.start.value + range.size;
    // What is no RAM can't be touched.
    void* mapped =
        mmap(nullptr, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    ASSERT(mapped != MAP_FAILED);
    base = static_cast<std::byte*>(mapped);
    for (const auto& range : all)
      if (range.size)
        ASSERT(mprotect(base + range.start.value, range.size, PROT_READ | PROT_WRITE) == 0);
  }
};

Memory& memory() {
  static Memory& memory = *new Memory;
  return memory;
}

}  // namespace

void fake::set_physical_memory(const std::vector<platform::MemoryRange>& usable,
                               platform::MemoryRange archive) {
  memory().set(usable, archive);
}
void fake::add_device(PhysAddr address, std::span<std::byte> registers) {
  memory().devices[address.value] = registers;
}
usize fake::kernel_stacks() {
  return memory().stacks;
}

namespace platform {

const bool kFreshMemoryIsZero = true;

std::span<const MemoryRange> usable_memory() {
  return memory().usable;
}
MemoryRange boot_archive() {
  return memory().archive;
}
std::byte* direct_map(PhysAddr address) {
  return memory().base + address.value;
}
PhysAddr direct_map_to_phys(const void* address) {
  const auto* byte = static_cast<const std::byte*>(address);
  ASSERT(byte >= memory().base && byte < memory().base + memory().size);
  return PhysAddr(u64(byte - memory().base));
}

Result<std::byte*> map_device(PhysAddr address, usize size) {
  auto next = memory().devices.upper_bound(address.value);
  if (next == memory().devices.begin()) return Errno::kNoMem;
  const auto& [start, registers] = *--next;
  const u64 offset = address.value - start;
  if (offset > registers.size() || registers.size() - offset < size) return Errno::kNoMem;
  return registers.data() + offset;
}

Result<std::byte*> allocate_kernel_stack(usize size) {
  void* mapped = mmap(nullptr, kPageSize + kExtraStack + size, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapped == MAP_FAILED) return Errno::kNoMem;
  auto* guard = static_cast<std::byte*>(mapped);
  ASSERT(mprotect(guard, kPageSize, PROT_NONE) == 0);
  ++memory().stacks;
  return guard + kPageSize + kExtraStack;
}

void free_kernel_stack(std::byte* lowest, usize size) {
  --memory().stacks;
  ASSERT(munmap(lowest - kExtraStack - kPageSize, kPageSize + kExtraStack + size) == 0);
}

}  // namespace platform
}  // namespace narwhal
