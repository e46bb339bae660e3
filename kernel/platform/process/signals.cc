// What a signal of the host's means: a system call, a trap, an interrupt; and where the kernel goes
// on for it.
#include "kernel/platform/process/signals.h"

#include "kernel/base/format.h"
#include "kernel/base/panic.h"
#include "kernel/platform/context.h"
#include "kernel/platform/cpu_local.h"
#include "kernel/platform/machine.h"
#include "kernel/platform/process/cpu.h"
#include "kernel/platform/process/events.h"
#include "kernel/platform/process/host.h"
#include "kernel/platform/process/host_mappings.h"
#include "kernel/platform/process/host_process.h"
#include "kernel/platform/process/layout.h"
#include "kernel/platform/process/maker.h"
#include "kernel/platform/process/processors.h"
#include "kernel/platform/process/stacks.h"
#include "kernel/platform/process/time.h"
#include "kernel/platform/rewrite/call_ways.h"
#include "kernel/platform/upcalls.h"
#include "kernel/platform/x86/panic.h"
#include "kernel/platform/x86/recovery.h"

extern "C" {
extern const char kernel_text_start[], kernel_text_end[];
extern const char narwhal_exit_begin[], narwhal_exit_end[];
extern const char narwhal_fast_exit_begin[], narwhal_fast_exit_end[];
extern const char narwhal_idle_begin[], narwhal_idle_end[], narwhal_idle_stop[];
void narwhal_continue_syscall();
void narwhal_continue_trap();
void narwhal_continue_interrupt();
void narwhal_continue_kernel_fault();
}

namespace narwhal::process_home {

// Where to go on; no stack: where the signal came from.
struct Continuation {
  u64 stack;
  u64 code;
};

namespace {

constexpr Continuation kWhereItCameFrom{0, 0};
static_assert(kTimerSignal == kSigAlrm);

// Vectors (Intel SDM vol. 3, table 6-1) and error codes of page faults (section 4.7).
constexpr u64 kDebugException = 1, kGeneralProtection = 13, kPageFault = 14;
constexpr u64 kFaultWrite = 2, kFaultFetch = 16;
constexpr u8 kLostStatus = 0x7e;
constexpr i32 kTrapTrace = 2;  // si_code of a single step
// Of `int 0x80`: the gate's index and the mark that it is one of the interrupt table.
constexpr u64 kLegacyCallError = 0x80 * 8 + 2;
constexpr u64 kLegacyCallSize = 2;

// What the signal said, for the code that goes on; nothing comes between, interrupts are held back.
struct Message {
  upcall::UserTrap trap{};
  upcall::StubPlace place = upcall::StubPlace::kOutside;
};
constinit Message messages[kMostCpus];

Message& message() {
  return messages[cpu_local().index];
}

Continuation go_on(UserRegs& regs, void (*code)()) {
  return {reinterpret_cast<u64>(&regs), reinterpret_cast<u64>(code)};
}

bool is_interrupt(int signal) {
  return signal > 0 && (kInterruptSet & host::signal_bit(signal));
}
void note_interrupt(int signal) {
  if (signal == kSigIo) count_input_signal();
  cpu_local().interrupts_pending |= signal == kSigIo        ? kInputPending
                                    : signal == kCallSignal ? kReschedulePending
                                                            : kTimerPending;
}

// Sent by another process, and so no fault of anybody's here: si_code says it (sigaction(2)). It
// has no meaning for us, and would have ended a usual program.
bool was_sent(int signal, const HostSignalInfo& info) {
  return !is_interrupt(signal) && info.code <= 0;
}

bool between(u64 address, const char* start, const char* end) {
  return address >= reinterpret_cast<u64>(start) && address < reinterpret_cast<u64>(end);
}

void copy_registers(const HostContext& from, UserRegs& to) {
  to = {from.r15, from.r14, from.r13, from.r12, from.rbp,    from.rbx, from.r11,
        from.r10, from.r9,  from.r8,  from.rax, from.rcx,    from.rdx, from.rsi,
        from.rdi, ~u64{0},  from.rip, from.cs,  from.rflags, from.rsp, from.ss};
}

// The host gives a handler fresh vector registers. We leave its frame behind, so we take back what
// was in them; from then on they are the program's again, while the kernel runs, too.
void take_back_fpu(const HostContext& context) {
  platform::fpu_load(context.fpu);
}

Continuation from_user(int signal, const HostSignalInfo& info, HostContext& context) {
  CpuLocal& cpu = cpu_local();
  UserRegs& regs = platform::user_regs_at(reinterpret_cast<void*>(cpu.kernel_stack_top));
  take_back_fpu(context);
  copy_registers(context, regs);
  // The program may have set its base with no word to us.
  asm volatile("rdfsbase %0" : "=r"(cpu.user_fs_base));
  Message& said = message();
  said.place = upcall::StubPlace::kOutside;
  // Of a stub nobody hears but its own faults, which end there if they can.
  if (signal != kSigSegv) said.place = upcall::leave_stub(regs);
  if (is_interrupt(signal)) {
    note_interrupt(signal);
    return go_on(regs, narwhal_continue_interrupt);
  }
  if (signal == kSigSys) {
    if (info.architecture == kArchX8664) {
      regs.orig_rax = context.rax;
      return go_on(regs, narwhal_continue_syscall);
    }
    // `int 0x80` is no way into this kernel.
    regs.rip -= kLegacyCallSize;
    said.trap = {u8(kGeneralProtection), kLegacyCallError, 0};
    return go_on(regs, narwhal_continue_trap);
  }
  // Of a debug exception the host tells whether it was a single step, which is all there is here.
  const u64 debug_status = info.code == kTrapTrace ? DebugRegisters::kStep : 0;
  said.trap = {u8(context.vector), context.error,
               context.vector == kDebugException ? debug_status : context.cr2};
  return go_on(regs, narwhal_continue_trap);
}

// A fault in the kernel: goes on below what its stack holds. (The kernel has no red zone.)
Continuation fault_in_kernel(HostContext& context) {
  const u64 stack = align_down(context.rsp, 16);
  UserRegs& regs = *(reinterpret_cast<UserRegs*>(stack) - 1);
  if (x86::recovery_of(context.rip) == 0) {
    UserRegs copy;
    copy_registers(context, copy);
    x86::panic_with_trap(u32(context.vector), context.error, context.cr2, copy);
  }
  take_back_fpu(context);
  copy_registers(context, regs);
  message().trap = {u8(context.vector), context.error, context.cr2};
  return go_on(regs, narwhal_continue_kernel_fault);
}

// The kernel reads the time stamp counter, which the program must not. It may from here on, until
// the program runs again. (The host says of such a fault nothing but that it is one.)
bool was_hidden_time_stamp(int signal, const HostContext& context) {
  if (signal != kSigSegv || context.vector != kGeneralProtection || !seat().hides_time_stamp)
    return false;
  show_time_stamp();
  return true;
}

bool on_signal_stack(u64 stack, const HostContext& context) {
  return stack - context.stack_start < context.stack_size;
}

Continuation interrupt_in_kernel(int signal, HostContext& context) {
  note_interrupt(signal);
  CpuLocal& cpu = cpu_local();
  // On its way out: the whole way again.
  if (between(context.rip, narwhal_exit_begin, narwhal_exit_end) ||
      between(context.rip, narwhal_fast_exit_begin, narwhal_fast_exit_end)) {
    take_back_fpu(context);
    return go_on(platform::user_regs_at(reinterpret_cast<void*>(cpu.kernel_stack_top)),
                 narwhal_continue_interrupt);
  }
  if (between(context.rip, narwhal_idle_begin, narwhal_idle_end)) {
    context.rip = reinterpret_cast<u64>(narwhal_idle_stop);
    return kWhereItCameFrom;
  }
  // One that meets the handling of another is noticed by who lets interrupts in next.
  if (cpu.interrupts_on != 0 && !on_signal_stack(context.rsp, context))
    platform::take_pending_interrupts();
  return kWhereItCameFrom;
}

// One of the others ended, by no doing of ours. Whatever this thread was at: no lock is taken.
[[noreturn]] void lost_host_process() {
  // The filter ended it. It shall end this one, too, so that who started us sees that.
  if (__atomic_load_n(&one_was_filtered, __ATOMIC_SEQ_CST) != 0) host::process_id();
  platform::console_write(
      "narwhal: error: one of the kernel's host processes was killed, and so all end\n");
  host::exit(kLostStatus);
}

// A page of the memory file that the host cannot give, or has lost: whoever touched it, nothing
// goes on, because trying again would fail again.
constexpr i32 kNoSuchAddress = 2, kMemoryErrorNow = 4, kMemoryErrorLater = 5;  // si_code
bool is_lack_of_memory(i32 code) {
  return code == kNoSuchAddress || code == kMemoryErrorNow || code == kMemoryErrorLater;
}
// Whatever this thread was at: no lock is taken, nothing is allocated. The control channel may be
// in the middle of a line.
[[noreturn]] void end_for_want_of_memory(i32 code) {
  constexpr u8 kFailed = 125;
  Text<200> text;
  if (boot_state.control_fd >= 0) text << "\nerror ";
  text << (code == kNoSuchAddress ? "the host has no memory left for the guest; give it less (-m)"
                                  : "the host's memory is faulty");
  text << '\n';
  if (boot_state.control_fd >= 0) text << "exit " << u32(kFailed) << '\n';
  const auto bytes = std::as_bytes(std::span(text.view()));
  host::write(boot_state.control_fd >= 0 ? boot_state.control_fd : boot_state.log_fd, bytes)
      .ignore();
  end_all(kFailed);
}

upcall::PageFault page_fault(const upcall::UserTrap& trap) {
  return {UserAddr(trap.address),
          trap.error_code & kFaultFetch   ? Protection::kExecute
          : trap.error_code & kFaultWrite ? Protection::kWrite
                                          : Protection::kRead,
          false};
}

}  // namespace
}  // namespace narwhal::process_home

using namespace narwhal;
using namespace narwhal::process_home;

extern "C" Continuation narwhal_take_signal(int signal, const HostSignalInfo& info,
                                            HostContext& context, u64 gs_before) {
  if (was_sent(signal, info)) return kWhereItCameFrom;
  if (signal == kSigBus && is_lack_of_memory(info.code)) end_for_want_of_memory(info.code);
  if (signal == host::kChildEnded) lost_host_process();
  if (signal == kTimerSignal) timer_fired(context.stack_start);
  if (!is_here(context.stack_start)) return kWhereItCameFrom;
  if (signal == kCallSignal && !answer_calls()) return kWhereItCameFrom;
  if (signal == kSigSegv && context.vector == kPageFault &&
      between(context.rip, kernel_text_start, kernel_text_end) && bring_in_stack(context.cr2))
    return kWhereItCameFrom;
  if (between(context.rip, kernel_text_start, kernel_text_end) &&
      was_hidden_time_stamp(signal, context))
    return kWhereItCameFrom;
  if (!between(context.rip, kernel_text_start, kernel_text_end)) {
    // A program that has no GS base of its own runs with ours. Its stack is not ours: that is the
    // kernel, run astray.
    // So is one that it read on another CPU, and has set here.
    const bool is_ours = gs_before - reinterpret_cast<u64>(cpu_blocks) < sizeof cpu_blocks;
    if (is_ours && in_window(context.rsp)) return fault_in_kernel(context);
    cpu_local().user_gs_base = is_ours ? 0 : gs_before;
    return from_user(signal, info, context);
  }
  return is_interrupt(signal) ? interrupt_in_kernel(signal, context) : fault_in_kernel(context);
}

extern "C" bool narwhal_caught_call_from_user(UserRegs& regs) {
  kernel_lock_take_if_outside();
  ++call_ways.of_cpu[cpu_local().index].caught;
  platform::interrupts_restore(true);
  if (upcall::on_caught_call(regs)) ++call_ways.of_cpu[cpu_local().index].rewritten;
  return upcall::on_syscall(regs) || cpu_local().hides_time_stamp;
}

extern "C" bool narwhal_direct_call_from_user(UserRegs& regs) {
  ++call_ways.of_cpu[cpu_local().index].direct;
  platform::interrupts_restore(true);
  return upcall::on_syscall(regs) || cpu_local().hides_time_stamp;
}

extern "C" bool narwhal_direct_call_of_many(UserRegs& regs) {
  kernel_lock_take();
  return narwhal_direct_call_from_user(regs);
}

extern "C" void narwhal_trap_from_user(UserRegs& regs) {
  kernel_lock_take_if_outside();
  upcall::UserTrap came = message().trap;
  if (message().place == upcall::StubPlace::kBefore && came.vector == kDebugException) {
    // A step onto an instruction that is not where it seems: the next is over it, at its place.
    platform::interrupts_restore(true);
    upcall::undo_call(regs);
    platform::interrupts_save_disable();
    return;
  }
  if (came.vector == kPageFault) {
    upcall::PageFault fault = page_fault(came);
    if (in_window(fault.address.value)) {
      // The kernel's; to the program it is as if it were no address at all.
      came = {u8(kGeneralProtection), 0, 0};
    } else {
      if (bring_in(fault.address.value, fault.access, fault.present)) return;
      // A stub that is gone: back to the place of the call.
      const u64 page = align_down(regs.rip, kPageSize);
      if (upcall::leave_stub(regs) != upcall::StubPlace::kOutside &&
          align_down(fault.address.value, kPageSize) == page)
        return;
      platform::interrupts_restore(true);
      upcall::on_page_fault(fault, &regs);
      platform::interrupts_save_disable();
      return;
    }
  }
  platform::interrupts_restore(true);
  upcall::on_user_trap(came, regs);
  platform::interrupts_save_disable();
}

extern "C" void narwhal_interrupt_from_user() {
  // Off the signal stack. Before the lock: who has it may be waiting for this CPU's answer.
  host::unblock_signals(kInterruptSet);
  kernel_lock_take_if_outside();
  run_interrupts(true);
}

extern "C" void narwhal_fault_from_kernel(UserRegs& regs) {
  const upcall::UserTrap trap = message().trap;
  if (trap.vector == kPageFault && trap.address < kUserEnd.value && !in_window(trap.address)) {
    upcall::PageFault fault = page_fault(trap);
    if (bring_in(fault.address.value, fault.access, fault.present)) return;
    if (cpu_local().spinlock_depth == 0 && platform::interrupts_enabled() &&
        upcall::on_page_fault(fault, nullptr))
      return;
  }
  regs.rip = x86::recovery_of(regs.rip);
}

extern "C" void narwhal_upcall_return_to_user(UserRegs& regs) {
  upcall::on_return_to_user(regs);
  // From here on the kernel has no more need of it.
  if (!cpu_local().hides_time_stamp || seat().hides_time_stamp) [[likely]]
    return;
  seat().hides_time_stamp = true;
  host::hide_time_stamp(true);
}
