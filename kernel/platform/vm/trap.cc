#include "kernel/platform/vm/trap.h"

#include "kernel/arch/x86_64/instructions.h"
#include "kernel/arch/x86_64/msr.h"
#include "kernel/base/log.h"
#include "kernel/platform/cpu_local.h"
#include "kernel/platform/upcalls.h"
#include "kernel/platform/vm/apic.h"
#include "kernel/platform/vm/cpu.h"
#include "kernel/platform/vm/processors.h"
#include "kernel/platform/x86/panic.h"
#include "kernel/platform/x86/recovery.h"

namespace narwhal::vm {

namespace {

constexpr u32 kDebugVector = 1;
constexpr u32 kPageFaultVector = 14;
constexpr u32 kExceptions = 32;

// Page-fault error code (Intel SDM vol. 3, section 4.7).
constexpr u64 kFaultPresent = 1, kFaultWrite = 2, kFaultFetch = 16;

struct Line {
  platform::InterruptHandler handler = nullptr;
  void* argument = nullptr;
};
constinit Line lines[256] = {};
constinit u8 next_vector = kFirstDeviceVector;

upcall::PageFault page_fault(u64 address, u64 error) {
  return {UserAddr(address),
          error & kFaultFetch   ? Protection::kExecute
          : error & kFaultWrite ? Protection::kWrite
                                : Protection::kRead,
          (error & kFaultPresent) != 0};
}

// What a debug exception is about. The CPU only adds to the register.
u64 take_debug_status() {
  constexpr u64 kNothing = 0xffff'0ff0;
  const u64 status = x86::read_dr6();
  x86::write_dr6(kNothing);
  return status ^ kNothing;
}

void interrupt(u32 vector, bool from_user) {
  CpuLocal& cpu = cpu_local();
  ++cpu.interrupt_depth;
  if (vector == kTimerVector) {
    end_of_interrupt();
    upcall::on_timer(from_user);
  } else if (vector == kRescheduleVector) {
    // Whoever sent it left word in this CPU's block.
    end_of_interrupt();
  } else if (vector == kSpuriousVector) {
    // No end of interrupt: it was none (Intel SDM vol. 3, section 10.9).
  } else {
    const Line& line = lines[vector];
    if (line.handler)
      line.handler(line.argument);
    else
      LOG_WARN("interrupt " << vector << " came, which nobody asked for");
    end_of_interrupt();
  }
  --cpu.interrupt_depth;
}

}  // namespace

Result<u8> allocate_vector(platform::InterruptHandler handler, void* argument) {
  if (next_vector >= kTimerVector) return Errno::kNoSpc;
  lines[next_vector] = {handler, argument};
  return next_vector++;
}

}  // namespace narwhal::vm

extern "C" {

// Returns with interrupts off; the caller then goes through upcall::on_return_to_user.
void narwhal_trap_from_user(narwhal::u64 vector, narwhal::UserRegs& regs) {
  using namespace narwhal;
  using namespace narwhal::vm;
  const u64 error = regs.orig_rax;
  regs.orig_rax = ~u64{0};
  if (vector >= kExceptions) {
    interrupt(u32(vector), true);
    return;
  }
  const u64 address = vector == kDebugVector ? take_debug_status() : x86::read_cr2();
  x86::enable_interrupts();
  if (vector == kPageFaultVector)
    upcall::on_page_fault(page_fault(address, error), &regs);
  else
    upcall::on_user_trap({u8(vector), error, address}, regs);
  x86::disable_interrupts();
}

void narwhal_trap_from_kernel(narwhal::u64 vector, narwhal::UserRegs& regs) {
  using namespace narwhal;
  using namespace narwhal::vm;
  if (vector >= kExceptions) {
    // A CPU that has nothing to do waits outside the lock.
    const bool was_outside = kernel_lock_take_if_outside();
    interrupt(u32(vector), false);
    if (was_outside) kernel_lock_release();
    return;
  }
  // The kernel used what a debugger watches of the program's memory. Only the program's own use
  // counts, and the instruction is done.
  if (vector == kDebugVector && (take_debug_status() & DebugRegisters::kHits) != 0) return;
  const u64 error = regs.orig_rax;
  const u64 address = x86::read_cr2();
  const u64 recovery = x86::recovery_of(regs.rip);
  if (recovery == 0) x86::panic_with_trap(u32(vector), error, address, regs);
  // A page of the program's that is not there yet. It is brought in unless nothing may sleep now.
  if (vector == kPageFaultVector && address < kUserEnd.value && cpu_local().spinlock_depth == 0 &&
      (regs.rflags & x86::kFlagInterrupt)) {
    x86::enable_interrupts();
    const bool repaired = upcall::on_page_fault(page_fault(address, error), nullptr);
    x86::disable_interrupts();
    if (repaired) return;
  }
  regs.rip = recovery;
}

void narwhal_fatal_trap(narwhal::u64 vector, narwhal::UserRegs& regs) {
  using namespace narwhal;
  // The trap may have come between two instructions that swap GS: set it.
  vm::restore_cpu_local();
  x86::panic_with_trap(u32(vector), regs.orig_rax, x86::read_cr2(), regs);
}

}  // extern "C"

// The C++ behind the calls that entry.S makes.
extern "C" bool narwhal_upcall_syscall(narwhal::UserRegs& regs) {
  return narwhal::upcall::on_syscall(regs);
}
extern "C" void narwhal_upcall_return_to_user(narwhal::UserRegs& regs) {
  narwhal::upcall::on_return_to_user(regs);
}
