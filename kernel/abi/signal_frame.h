// What the kernel pushes for a handler: struct rt_sigframe, ucontext, sigcontext of x86-64
// (<asm/sigcontext.h>, <asm/ucontext.h>). Debuggers, unwinders and garbage collectors read it.
#pragma once

#include "kernel/abi/signal.h"

namespace narwhal::abi {

// gregs of <sys/ucontext.h>, then what belongs to the fault.
struct SigContext {
  u64 r8, r9, r10, r11, r12, r13, r14, r15;
  u64 rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp;
  u64 rip, rflags;
  u16 cs, gs, fs, ss;
  u64 error, trap_number, old_mask, cr2;
  u64 fpstate;  // address of the vector state, 0: none
  u64 reserved[8];
};
static_assert(sizeof(SigContext) == 256);

struct UContext {
  u64 flags;
  u64 link;
  SignalStack stack;
  SigContext registers;
  SignalSet mask;
};
static_assert(sizeof(UContext) == 304);

// UContext::flags
inline constexpr u64 kUcExtendedState = 1;  // UC_FP_XSTATE
inline constexpr u64 kUcStackSegment = 2;   // UC_SIGCONTEXT_SS
inline constexpr u64 kUcStrictRestore = 4;  // UC_STRICT_RESTORE_SS

struct SignalFrame {
  u64 return_address;  // the restorer, which calls rt_sigreturn(2)
  UContext context;
  SignalInfo info;
};
static_assert(sizeof(SignalFrame) == 440);

// In the last 48 bytes of the vector state's legacy part: how much follows it.
struct ExtendedStateBytes {
  u32 magic;          // kExtendedStateMagic
  u32 extended_size;  // the second magic included
  u64 features;       // XCR0
  u32 state_size;     // of the XSAVE area
  u32 padding[7];
};
static_assert(sizeof(ExtendedStateBytes) == 48);
inline constexpr u32 kExtendedStateMagic = 0x46505853;
inline constexpr u32 kExtendedStateEndMagic = 0x46505845;  // right behind the XSAVE area

}  // namespace narwhal::abi
