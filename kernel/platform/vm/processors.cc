#include "kernel/platform/vm/processors.h"

#include "kernel/arch/x86_64/instructions.h"
#include "kernel/platform/cpu_local.h"
#include "kernel/platform/machine.h"
#include "kernel/platform/vm/apic.h"
#include "kernel/platform/vm/page_tables.h"
#include "kernel/platform/vm/processors_state.h"
#include "kernel/platform/vm/trap.h"
#include "kernel/platform/vm/window.h"
#include "kernel/platform/x86/panic.h"

// Assembly gives it back by storing 0 in its first word.
constinit narwhal::KernelLock narwhal_kernel_lock;
constinit bool narwhal_many_cpus = false;
static_assert(narwhal::KernelLock::kOwnerOffset == 0);

extern "C" {
void narwhal_syscall_entry();
void narwhal_syscall_entry_of_many();
}

namespace narwhal {
namespace vm {

constinit Processor processors[kMaxProcessors] = {};
constinit u32 processor_count = 1;

namespace {

// What one CPU wants of others. There is one at a time, since whoever asks holds the kernel lock.
struct Call {
  u64 address = 0;
  usize pages = 0;
  Atomic<u32> unanswered{0};
};
constinit Call call;

// The kernel has panicked.
constinit Atomic<bool> halted{false};

void answer_call() {
  if (halted.load(Order::kRelaxed))
    for (;;) asm volatile("cli\nhlt");
  Processor& me = processors[cpu_local().index];
  if (!me.called.load(Order::kRelaxed) || !me.called.exchange(false, Order::kAcquire)) return;
  if (call.pages != 0)
    flush_here(call.address, call.pages);
  else
    x86::cpuid(0);  // serialises (Intel SDM vol. 3, section 9.3)
  call.unanswered.fetch_sub(1, Order::kRelease);
}

void wait_for_lock() {
  answer_call();
  __builtin_ia32_pause();
}

// Asks every other CPU that `whom` names, and waits for all of them.
template <typename Whom>
void ask_others(u64 address, usize pages, Whom whom) {
  InterruptGuard no_interrupts;
  const u32 me = cpu_local().index;
  call.address = address;
  call.pages = pages;
  for (u32 cpu = 0; cpu < processor_count; ++cpu) {
    if (cpu == me || !whom(cpu)) continue;
    call.unanswered.fetch_add(1, Order::kRelaxed);
    processors[cpu].called.store(true, Order::kRelease);
    apic_send_interrupt(processors[cpu].apic_id, kCallVector);
  }
  while (call.unanswered.load(Order::kAcquire) != 0) __builtin_ia32_pause();
}

}  // namespace

void kernel_lock_take() {
  narwhal_kernel_lock.acquire(cpu_local().index + 1, wait_for_lock);
}
bool kernel_lock_take_if_outside() {
  if (!many_cpus() || narwhal_kernel_lock.held_by(cpu_local().index + 1)) return false;
  kernel_lock_take();
  return true;
}
void kernel_lock_release() {
  narwhal_kernel_lock.release();
}

void (*syscall_entry())() {
  return many_cpus() ? narwhal_syscall_entry_of_many : narwhal_syscall_entry;
}

void flush_elsewhere(u64 root, u64 address, usize pages) {
  ask_others(address, pages, [root](u32 cpu) { return processors[cpu].root == root; });
}

void note_root(u64 root) {
  processors[cpu_local().index].root = root;
}
u64 root_of(u32 cpu) {
  return processors[cpu].root;
}

}  // namespace vm

u32 platform::cpu_count() {
  return vm::processor_count;
}

void platform::interrupt_cpu(u32 cpu) {
  vm::apic_send_interrupt(vm::processors[cpu].apic_id, vm::kRescheduleVector);
}

// CPUs in the kernel or idle order memory when they take or gave back the lock.
void platform::synchronize_cpus() {
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
  if (vm::many_cpus())
    vm::ask_others(0, 0,
                   [](u32 cpu) { return vm::processors[cpu].root != vm::boot_state.root_table; });
}

void x86::halt_other_cpus() {
  vm::halted.store(true);
  for (u32 cpu = 0; cpu < vm::processor_count; ++cpu)
    if (cpu != cpu_local().index)
      vm::apic_send_interrupt(vm::processors[cpu].apic_id, vm::kCallVector);
}

void platform::wait_for_interrupt() {
  if (!vm::many_cpus()) {
    asm volatile("sti\nhlt\ncli" ::: "memory");
    return;
  }
  // With tables of no program's, nobody needs to wake this CPU because of theirs.
  x86::stop_using_root(vm::root_of(cpu_local().index));
  vm::kernel_lock_release();
  asm volatile("sti\nhlt\ncli" ::: "memory");
  vm::kernel_lock_take();
}

}  // namespace narwhal

extern "C" void narwhal_kernel_lock_take() {
  narwhal::vm::kernel_lock_take();
}
extern "C" void narwhal_call_interrupt() {
  narwhal::vm::end_of_interrupt();
  narwhal::vm::answer_call();
}
