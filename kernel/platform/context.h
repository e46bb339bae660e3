// Contexts: what must be saved to leave one thread and go on with another, in the kernel and in the
// program.
#pragma once

#include "kernel/base/addr.h"
#include "kernel/base/result.h"

namespace narwhal {

// The program's integer registers as the kernel's entry saved them, at the top of the thread's
// kernel stack. The order is that of Linux's struct pt_regs, which core dumps and ptrace(2) show;
// assembly knows it.
struct UserRegs {
  u64 r15, r14, r13, r12, rbp, rbx;
  u64 r11, r10, r9, r8;
  u64 rax, rcx, rdx, rsi, rdi;
  // Number of the system call, or ~0 when the kernel was entered otherwise. A system call that puts
  // another frame in the place of its own (rt_sigreturn, execve) sets ~0, too: the fast way back
  // to user mode restores only what a call may change.
  u64 orig_rax;
  u64 rip, cs, rflags, rsp, ss;
};

// A kernel thread's saved stack pointer; all else is on its stack.
struct KernelContext {
  u64 stack_pointer = 0;
};

// Addresses whose use stops the program (Intel SDM vol. 3, section 17.2), as ptrace(2) shows them:
// DR0 to DR3, DR6 without its fixed bits, DR7.
struct DebugRegisters {
  static constexpr u64 kHits = 0xf, kStep = 1 << 14;  // of the status

  u64 address[4] = {};
  u64 status = 0;
  u64 control = 0;

  // Whether address `i` is watched.
  constexpr bool enabled(u32 i) const { return (control >> (2 * i) & 3) != 0; }
  // Whether that is for an instruction about to run, and not for data that was used.
  constexpr bool is_instruction(u32 i) const { return (control >> (16 + 4 * i) & 3) == 0; }
};

// What a user thread owns beyond integer registers. `fpu_area` is `fpu_area_size()` bytes, 64-byte
// aligned (XSAVE, Intel SDM vol. 1, chapter 13); the live registers of the running thread are newer
// than the area.
struct UserContext {
  u64 fs_base = 0;
  u64 gs_base = 0;
  std::byte* fpu_area = nullptr;
  DebugRegisters debug;
  bool hides_time_stamp = false;  // reading the time stamp counter is a fault (PR_SET_TSC)
};

namespace platform {

// Prepares a context that, when first switched to, calls entry(argument) on the given stack with
// interrupts enabled. entry must not return.
void context_init(KernelContext& context, void* stack_top, void (*entry)(void*), void* argument);

// Saves this context into `from` and goes on with `to`. Interrupts are disabled by the caller and
// stay so.
void context_switch(KernelContext& from, KernelContext& to);

// Saves the FPU registers, FS and GS bases of the user thread that leaves the CPU (nullptr: a
// kernel thread leaves), and loads those of the one that comes (nullptr: leave them as they are,
// but for the debug registers, which watch nothing then).
// Also tells the CPU where that thread's kernel stack begins.
void user_context_switch(UserContext* from, UserContext* to, void* kernel_stack_top);

// Leaves for user mode with these registers, for the first time of a thread or after execve. Does
// not return; the registers must lie at the top of the current thread's kernel stack.
[[noreturn]] void enter_user(UserRegs& regs);

// Where a thread's UserRegs live, given the top of its kernel stack.
inline UserRegs& user_regs_at(void* kernel_stack_top) {
  return *(reinterpret_cast<UserRegs*>(kernel_stack_top) - 1);
}

// Sets segments, interrupt flag and the like so that a program can start at rip with stack rsp; all
// else is zero, as after execve(2).
void user_regs_init(UserRegs& regs, UserAddr rip, UserAddr rsp);
// Clears from a register image what a program must not choose (segments, system flags):
// rt_sigreturn(2).
void user_regs_sanitize(UserRegs& regs);

// FPU state. The area is in XSAVE's standard format, so that it can go into a signal frame as it
// is.
usize fpu_area_size();
u64 fpu_feature_mask();               // XCR0, for the signal frame's _fpx_sw_bytes
void fpu_area_init(std::byte* area);  // as after execve: default control words, all else zero
void fpu_save(std::byte* area);       // current registers to the area
void fpu_load(const std::byte* area);
// Makes an area that came from the program safe to load: reserved bits and MXCSR cleared where they
// would fault.
Result<> fpu_area_sanitize(std::byte* area, usize size);

// For the current thread: take effect at once. The address must be canonical and in the program's
// half (EPERM).
Result<> set_fs_base(u64 base);
Result<> set_gs_base(u64 base);
u64 fs_base();
u64 gs_base();
// For the current thread, with interrupts disabled: takes effect at once.
void time_stamp_rule_load(const UserContext& user);
// How many addresses can be watched: 4, or 0 where the home can't.
u32 debug_register_count();
// For the current thread, with interrupts disabled.
void debug_registers_load(const DebugRegisters& debug);

}  // namespace platform
}  // namespace narwhal
