// The memory file as physical memory, and the window's own mappings.
#include "kernel/base/panic.h"
#include "kernel/mm/frame.h"
#include "kernel/platform/fresh_memory.h"
#include "kernel/platform/machine.h"
#include "kernel/platform/process/host.h"
#include "kernel/platform/process/layout.h"
#include "kernel/platform/process/stacks.h"
#include "kernel/platform/x86/panic.h"
#include "kernel/platform/x86/recovery.h"
#include "kernel/sync/spinlock.h"

extern "C" char kernel_data_start[], kernel_data_end[];

namespace narwhal {
namespace process_home {
namespace {

constinit SpinLock<LockRank::kKernelMap> lock;
// Stacks are made in slots of one size, and a slot's end is the stack's end: what is below is not
// mapped and guards it. One that is given back stays mapped, linked through its lowest word.
constexpr u64 kStackSlot = 64 * kKiB;
constexpr u64 kMostStacks = kStacksSize / kStackSlot;
constinit u64 next_stack = 0;
constinit u64 free_stacks = 0;
// Of each slot the first frame's number and how many there are, in its lowest bits.
constinit u64 stack_frames[kMostStacks] = {};

Result<> map_stack(u64 slot) {
  const u64 frames = align_down(stack_frames[slot], kPageSize);
  const u64 size = (stack_frames[slot] - frames) * kPageSize;
  const u64 end = boot_state.window_base + kStacksOffset + (slot + 1) * kStackSlot;
  return host::map_shared(end - size, size, u32(host::Rights::kReadWrite), boot_state.memory_fd,
                          file_offset(frames), true);
}

}  // namespace

bool bring_in_stack(u64 address) {
  const u64 offset = address - (boot_state.window_base + kStacksOffset);
  const u64 slot = offset / kStackSlot;
  if (offset >= kStacksSize) return false;
  const u64 pages = stack_frames[slot] % kPageSize;
  if ((slot + 1) * kStackSlot - offset > pages * kPageSize) return false;
  return map_stack(slot).ok();
}
}  // namespace process_home

using process_home::boot_state;

// It is a file that has never been written.
const bool platform::kFreshMemoryIsZero = true;

std::span<const platform::MemoryRange> platform::usable_memory() {
  static constinit MemoryRange all{};
  all = {PhysAddr(boot_state.data_end),
         process_home::kMemoryStart + boot_state.memory_size - boot_state.data_end};
  return {&all, 1};
}
platform::MemoryRange platform::boot_archive() {
  return {PhysAddr(process_home::kMemoryStart), boot_state.archive_size};
}
std::string_view platform::command_line() {
  return {process_home::boot_command_line, boot_state.command_line_size};
}

std::byte* platform::direct_map(PhysAddr address) {
  return reinterpret_cast<std::byte*>(boot_state.window_base + address.value);
}
PhysAddr platform::direct_map_to_phys(const void* pointer) {
  const u64 offset = reinterpret_cast<u64>(pointer) - boot_state.window_base;
  if (offset < process_home::kDirectMapSize) return PhysAddr(offset);
  const u64 in_data = reinterpret_cast<u64>(pointer) - reinterpret_cast<u64>(kernel_data_start);
  ASSERT(in_data < u64(kernel_data_end - kernel_data_start));
  return PhysAddr(boot_state.data_physical + in_data);
}

Result<std::byte*> platform::map_device(PhysAddr, usize) {
  return Errno::kNoMem;  // there are no devices with registers
}

Result<std::byte*> platform::allocate_kernel_stack(usize size) {
  using namespace process_home;
  if (size + kPageSize > kStackSlot || !is_aligned(size, kPageSize)) return Errno::kInval;
  SpinGuard guard(lock);
  if (free_stacks != 0) {
    const u64 lowest = free_stacks;
    free_stacks = *reinterpret_cast<u64*>(lowest);
    return reinterpret_cast<std::byte*>(lowest);
  }
  if (next_stack + kStackSlot > kStacksSize) return Errno::kNoMem;
  unsigned order = 0;
  while (kPageSize << order < size) ++order;
  const PhysAddr frames = TRY(allocate_frames(order, FrameContent::kAny));
  const u64 lowest = boot_state.window_base + kStacksOffset + next_stack + kStackSlot - size;
  const u64 slot = next_stack / kStackSlot;
  stack_frames[slot] = frames.value + size / kPageSize;
  if (!map_stack(slot).ok()) {
    stack_frames[slot] = 0;
    free_frames(frames, order);
    return Errno::kNoMem;
  }
  next_stack += kStackSlot;
  return reinterpret_cast<std::byte*>(lowest);
}

// All stacks are of one size (kKernelStackSize), so what is given back fits the next.
void platform::free_kernel_stack(std::byte* lowest, usize) {
  using namespace process_home;
  SpinGuard guard(lock);
  *reinterpret_cast<u64*>(lowest) = free_stacks;
  free_stacks = reinterpret_cast<u64>(lowest);
}

bool x86::program_may_have(UserAddr start, u64 length) {
  using namespace process_home;
  if (!user_range_ok(start, length)) return false;
  return start.value + length <= boot_state.window_base || start.value >= window_end();
}

u64 x86::program_reach(UserAddr start) {
  using namespace process_home;
  if (start >= kUserEnd || in_window(start.value)) return 0;
  return (start.value < boot_state.window_base ? boot_state.window_base : kUserEnd.value) -
         start.value;
}

x86::KernelPlaces x86::kernel_places() {
  using namespace process_home;
  const u64 window = boot_state.window_base;
  return {window + kImageOffset, window + kStacksOffset, window + kStacksOffset + kStacksSize,
          window + kImageOffset, window + kStacksOffset + kStacksSize};
}

}  // namespace narwhal
