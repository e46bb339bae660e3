// The host's signals: the frames that it makes (arch/x86/include/uapi/asm/sigcontext.h and
// ucontext.h in Linux), and the numbers that concern us.
#pragma once

#include "kernel/base/types.h"
#include "kernel/platform/process/host.h"

namespace narwhal::process_home {

enum HostSignal : int {
  kSigIll = 4,
  kSigTrap = 5,
  kSigBus = 7,
  kSigFpe = 8,
  kSigSegv = 11,
  kSigPipe = 13,
  kSigAlrm = 14,
  kCallSignal = 23,  // SIGURG, which does nothing to a process that does not wait for it
  kSigIo = 29,
  kSigSys = 31,
};

// Those that are interrupts.
inline constexpr u64 kInterruptSet =
    host::signal_bit(kSigAlrm) | host::signal_bit(kSigIo) | host::signal_bit(kCallSignal);

struct HostContext {
  u64 flags;
  u64 link;
  u64 stack_start;
  i32 stack_flags;
  u64 stack_size;
  u64 r8, r9, r10, r11, r12, r13, r14, r15;
  u64 rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, rflags;
  u16 cs, gs, fs, ss;
  u64 error;
  u64 vector;
  u64 old_mask;
  u64 cr2;
  const std::byte* fpu;  // XSAVE area, standard format
  u64 reserved[8];
};

struct HostSignalInfo {
  i32 signal, error, code;
  i32 padding;
  u64 address;  // faults: si_addr; SIGSYS: si_call_addr
  i32 number;   // SIGSYS: si_syscall
  u32 architecture;
};

inline constexpr u32 kArchX8664 = 0xc000003e;  // AUDIT_ARCH_X86_64

}  // namespace narwhal::process_home
