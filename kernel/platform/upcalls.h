// What the kernel above must define so that a home can call it. Bound at link time; see README.md.
//
// One CPU at a time is inside of these; another that wants in waits for it to return to the program
// or to call platform::wait_for_interrupt() (docs/decisions/0044).
#pragma once

#include "kernel/base/addr.h"
#include "kernel/platform/context.h"
#include "kernel/platform/pmap.h"

namespace narwhal::upcall {

// A `syscall` instruction (syscalls/dispatch.cc). Called with interrupts enabled, returns with them
// disabled. Number in regs.orig_rax; the result goes to regs.rax. True: the way back has work to
// do, on_return_to_user() must be called.
bool on_syscall(UserRegs& regs);

// Called with interrupts disabled just before every return to user mode that has work to do, that
// is when Thread::user_work() is set or CpuLocal::need_resched is: delivers signals, reschedules
// (process/user_return.cc).
void on_return_to_user(UserRegs& regs);

// --- the process home's direct calls (docs/decisions/0043-direct-calls.md)

// A `syscall` was caught by the host on its way: called before on_syscall(), with interrupts enabled.
// True: the next from the same place will not be.
bool on_caught_call(const UserRegs& regs);

// Where an interrupted program was: outside of all stubs; in one, before the instruction that it
// took over from the program; or behind that.
enum class StubPlace : u8 { kOutside, kBefore, kBehind };
// Whoever was in a stub is where he would be without it: before that instruction, or at the
// `syscall`. Called with interrupts disabled, on any stack.
StubPlace leave_stub(UserRegs& regs);
// After kBefore: that instruction is to run at its own place. With interrupts enabled.
void undo_call(const UserRegs& regs);

struct PageFault {
  UserAddr address;
  Protection access;  // exactly one of kRead, kWrite, kExecute
  bool present;       // the page was mapped, but not for this access
};
// An access of the program to its half (mm/fault.cc by way of process/). From user mode: regs are
// the program's; on failure a signal has been queued. From the kernel (a user copy): returns false
// when the copy must fail.
bool on_page_fault(const PageFault& fault, UserRegs* user_regs);

// Any other exception in user mode, by its vector (Intel SDM vol. 3, table 6-1): becomes a signal.
struct UserTrap {
  u8 vector;
  u64 error_code;
  u64 address;  // CR2 where it means something; of a debug exception DR6
};
void on_user_trap(const UserTrap& trap, UserRegs& regs);

// A further CPU runs, on a stack of its own, with interrupts disabled. It takes part in scheduling.
[[noreturn]] void on_cpu_started();

// The one-shot timer fired. Interrupt context. `user_mode`: it interrupted the program.
void on_timer(bool user_mode);

// The last words before a panic stops the machine: tells the host, prints the last system calls.
// Must not allocate or lock.
void on_panic(const char* reason);

}  // namespace narwhal::upcall
