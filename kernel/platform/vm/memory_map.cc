#include "kernel/platform/vm/memory_map.h"

#include <cstring>

#include "kernel/base/panic.h"
#include "kernel/platform/fresh_memory.h"
#include "kernel/platform/machine.h"
#include "kernel/platform/vm/pvh.h"
#include "kernel/platform/vm/window.h"

extern "C" char kernel_image_start[], kernel_image_end[];

namespace narwhal {
namespace vm {
namespace {

constexpr usize kMaxRanges = 64;
constexpr u64 kLowMemory = kMiB;  // firmware's and loaders' playground: left alone

constinit platform::MemoryRange usable[kMaxRanges] = {};
constinit usize usable_count = 0;
constinit platform::MemoryRange archive{};
constinit char command_line_text[4096] = {};
constinit usize command_line_size = 0;

void add(u64 start, u64 end) {
  start = align_up(start, kPageSize);
  end = align_down(end, kPageSize);
  if (start >= end || usable_count == kMaxRanges) return;
  usable[usable_count++] = {PhysAddr(start), end - start};
}

// Takes [start, end) out of what is usable.
void reserve(u64 start, u64 end) {
  start = align_down(start, kPageSize);
  end = align_up(end, kPageSize);
  const usize count = usable_count;
  for (usize i = 0; i < count; ++i) {
    const u64 from = usable[i].start.value, to = from + usable[i].size;
    if (end <= from || start >= to) continue;
    usable[i].size = start > from ? start - from : 0;
    if (start <= from) usable[i].start = PhysAddr(from);
    add(end < to ? end : to, to);
  }
}

template <typename T>
const T* at(u64 physical) {
  return reinterpret_cast<const T*>(platform::direct_map(PhysAddr(physical)));
}

}  // namespace

void memory_map_init() {
  const auto& info = *at<PvhStartInfo>(boot_state.start_info);
  const auto* ranges = at<PvhMemoryRange>(info.memory_map);
  for (u32 i = 0; i < info.memory_map_count; ++i) {
    if (ranges[i].type != kPvhMemoryRam) continue;
    const u64 start = ranges[i].address < kLowMemory ? kLowMemory : ranges[i].address;
    u64 end = ranges[i].address + ranges[i].size;
    if (end > kDirectMapSize) end = kDirectMapSize;
    if (end > start) add(start, end);
  }
  reserve(boot_state.image_physical, boot_state.first_free);
  if (info.module_count > 0) {
    const auto& module = *at<PvhModule>(info.module_list);
    archive = {PhysAddr(module.address), module.size};
    reserve(module.address, module.address + module.size);
  }
  if (info.command_line != 0) {
    const char* text = at<char>(info.command_line);
    while (command_line_size < sizeof command_line_text && text[command_line_size] != '\0')
      ++command_line_size;
    std::memcpy(command_line_text, text, command_line_size);
  }
  // The tables themselves lie below 1 MiB or in pages that nobody gives out before they were read;
  // copied above.
  usize kept = 0;
  for (usize i = 0; i < usable_count; ++i)
    if (usable[i].size != 0) usable[kept++] = usable[i];
  usable_count = kept;
}

}  // namespace vm

// Firmware and loaders leave things behind.
const bool platform::kFreshMemoryIsZero = false;

std::span<const platform::MemoryRange> platform::usable_memory() {
  return {vm::usable, vm::usable_count};
}
platform::MemoryRange platform::boot_archive() {
  return vm::archive;
}
std::string_view platform::command_line() {
  return {vm::command_line_text, vm::command_line_size};
}

std::byte* platform::direct_map(PhysAddr address) {
  return reinterpret_cast<std::byte*>(vm::boot_state.window_base + vm::kDirectMapOffset +
                                      address.value);
}

PhysAddr platform::direct_map_to_phys(const void* pointer) {
  const u64 offset = reinterpret_cast<u64>(pointer) - vm::boot_state.window_base;
  if (offset < vm::kDirectMapSize) return PhysAddr(offset);
  // Globals of the image lie together in physical memory, too.
  const u64 in_image = offset - vm::kImageOffset;
  ASSERT(in_image < u64(kernel_image_end - kernel_image_start));
  return PhysAddr(vm::boot_state.image_physical + in_image);
}

}  // namespace narwhal
