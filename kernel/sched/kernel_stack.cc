#include "kernel/sched/kernel_stack.h"

#include "kernel/base/atomic.h"
#include "kernel/platform/cpu_local.h"
#include "kernel/platform/machine.h"

namespace narwhal {
namespace {

constinit Atomic<u64> in_use{0};

// No interrupt handler makes or ends a thread, so they need no lock.
struct alignas(64) Kept {
  static constexpr u32 kMost = 8;
  u32 count = 0;
  std::byte* stacks[kMost] = {};
};
constinit Kept kept_of[kMaxCpus];

Kept& kept() {
  return kept_of[cpu_local().index];
}

}  // namespace

u64 kernel_stacks() {
  return in_use.load(Order::kRelaxed);
}

Result<std::byte*> allocate_kernel_stack() {
  Kept& mine = kept();
  std::byte* stack = mine.count != 0 ? mine.stacks[--mine.count]
                                     : TRY(platform::allocate_kernel_stack(kKernelStackSize));
  in_use.fetch_add(1, Order::kRelaxed);
  return stack;
}

void free_kernel_stack(std::byte* stack) {
  in_use.fetch_sub(1, Order::kRelaxed);
  Kept& mine = kept();
  if (mine.count < Kept::kMost)
    mine.stacks[mine.count++] = stack;
  else
    platform::free_kernel_stack(stack, kKernelStackSize);
}

}  // namespace narwhal
