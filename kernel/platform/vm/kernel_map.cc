// Mappings in the kernel's own window that come after boot: devices and kernel stacks.
#include "kernel/arch/x86_64/instructions.h"
#include "kernel/mm/frame.h"
#include "kernel/platform/vm/page_tables.h"
#include "kernel/platform/vm/window.h"
#include "kernel/platform/x86/panic.h"
#include "kernel/sync/spinlock.h"

namespace narwhal {
namespace vm {
namespace {

constinit SpinLock<LockRank::kKernelMap> lock;
constinit u64 next_device = 0;
// Stack slots are of one size, so that a freed one fits the next.
constexpr u64 kStackSlot = 64 * kKiB;
constinit u64 next_stack = 0;
// Slots given back, linked through the first word of their (still mapped) lowest page: a stack
// keeps its frames, so that the next thread starts without a page-table change.
constinit u64 free_stacks = 0;
constinit usize free_stack_size = 0;

// The page-table entry of a kernel address. ENOMEM.
Result<u64*> entry_of(u64 address) {
  u64 table = boot_state.root_table;
  for (unsigned level = 3; level > 0; --level) {
    u64& entry = table_at(table)[x86::level_index(address, level)];
    if (!(entry & x86::kPresent)) {
      const PhysAddr frame = TRY(allocate_frames(0, FrameContent::kZeroed));
      entry = frame.value | x86::kPresent | x86::kWritable;
    }
    table = entry & x86::kAddressMask;
  }
  return &table_at(table)[x86::level_index(address, 0)];
}

}  // namespace
}  // namespace vm

x86::KernelPlaces x86::kernel_places() {
  const u64 window = vm::boot_state.window_base;
  return {window + vm::kImageOffset, window + vm::kStacksOffset,
          window + vm::kStacksOffset + vm::kStacksSize, window + vm::kImageOffset,
          window + vm::kDevicesOffset};
}

Result<std::byte*> platform::map_device(PhysAddr address, usize size) {
  using namespace vm;
  const u64 first = address.page().value;
  const u64 length = align_up(address.value + size, kPageSize) - first;
  SpinGuard guard(lock);
  if (next_device + length > kDevicesSize) return Errno::kNoMem;
  const u64 virt = boot_state.window_base + kDevicesOffset + next_device;
  for (u64 at = 0; at < length; at += kPageSize)
    *TRY(entry_of(virt + at)) = (first + at) | x86::kPresent | x86::kWritable | x86::kNoExecute |
                                x86::kGlobal | x86::kCacheDisable | x86::kWriteThrough;
  next_device += length + kPageSize;
  return reinterpret_cast<std::byte*>(virt + address.page_offset());
}

// The slot's end is the stack's end; the pages below its lowest address stay unmapped, and so guard
// it.
Result<std::byte*> platform::allocate_kernel_stack(usize size) {
  using namespace vm;
  if (size + kPageSize > kStackSlot || !is_aligned(size, kPageSize)) return Errno::kInval;
  SpinGuard guard(lock);
  if (free_stacks != 0 && size == free_stack_size) {
    const u64 lowest = free_stacks;
    free_stacks = *reinterpret_cast<u64*>(lowest);
    return reinterpret_cast<std::byte*>(lowest);
  }
  if (next_stack + kStackSlot > kStacksSize) return Errno::kNoMem;
  const u64 lowest = boot_state.window_base + kStacksOffset + next_stack + kStackSlot - size;
  for (u64 at = 0; at < size; at += kPageSize) {
    auto frame = allocate_frames(0, FrameContent::kAny);
    auto entry = frame.ok() ? entry_of(lowest + at) : Result<u64*>(Errno::kNoMem);
    if (!entry.ok()) {
      if (frame.ok()) free_frames(frame.value(), 0);
      for (u64 done = 0; done < at; done += kPageSize) {
        u64& mapped = *entry_of(lowest + done).value();
        free_frames(PhysAddr(mapped & x86::kAddressMask), 0);
        mapped = 0;
        x86::invalidate_page(lowest + done);
      }
      return Errno::kNoMem;
    }
    *entry.value() =
        frame.value().value | x86::kPresent | x86::kWritable | x86::kNoExecute | x86::kGlobal;
  }
  next_stack += kStackSlot;
  return reinterpret_cast<std::byte*>(lowest);
}

// All stacks are of one size (kKernelStackSize), so what is given back fits the next.
void platform::free_kernel_stack(std::byte* lowest, usize size) {
  using namespace vm;
  SpinGuard guard(lock);
  free_stack_size = size;
  *reinterpret_cast<u64*>(lowest) = free_stacks;
  free_stacks = reinterpret_cast<u64>(lowest);
}

}  // namespace narwhal
