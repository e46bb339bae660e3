#include "kernel/mm/testing/test_machine.h"

#include <sys/mman.h>

#include <cstdlib>

#include "kernel/platform/cpu_local.h"
#include "kernel/platform/fresh_memory.h"

namespace narwhal {

namespace {

std::vector<platform::MemoryRange> usable_ranges;
platform::MemoryRange archive_range;
std::byte* memory = nullptr;
usize memory_size = 0;

}  // namespace

CpuLocal fake_cpu_local;

namespace platform {

const bool kFreshMemoryIsZero = true;

bool interrupts_save_disable() {
  return true;
}
void interrupts_restore(bool) {}
bool interrupts_enabled() {
  return true;
}
std::span<const MemoryRange> usable_memory() {
  return usable_ranges;
}
MemoryRange boot_archive() {
  return archive_range;
}
std::byte* direct_map(PhysAddr address) {
  return memory + address.value;
}
PhysAddr direct_map_to_phys(const void* address) {
  return PhysAddr(u64(static_cast<const std::byte*>(address) - memory));
}

}  // namespace platform

void testing::set_physical_memory(const std::vector<platform::MemoryRange>& usable,
                                  platform::MemoryRange archive) {
  if (memory) munmap(memory, memory_size);
  usable_ranges = usable;
  archive_range = archive;
  usize end = archive.start.value + archive.size;
  for (const auto& range : usable)
    if (range.start.value + range.size > end) end = range.start.value + range.size;
  // What is no RAM can't be touched.
  void* mapped = mmap(nullptr, end, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapped == MAP_FAILED) std::abort();
  memory = static_cast<std::byte*>(mapped);
  memory_size = end;
  std::vector<platform::MemoryRange> all = usable;
  all.push_back(archive);
  for (const auto& range : all)
    if (range.size && mprotect(memory + range.start.value, range.size, PROT_READ | PROT_WRITE) != 0)
      std::abort();
}

}  // namespace narwhal
