// <linux/ptrace.h>, <asm/ptrace-abi.h>.
#pragma once

#include "kernel/base/types.h"

namespace narwhal::abi {

enum class PtraceRequest : u32 {
  kTraceMe = 0,
  kPeekText = 1,
  kPeekData = 2,
  kPeekUser = 3,
  kPokeText = 4,
  kPokeData = 5,
  kPokeUser = 6,
  kContinue = 7,
  kKill = 8,
  kSingleStep = 9,
  kGetRegs = 12,
  kSetRegs = 13,
  kGetFpRegs = 14,
  kSetFpRegs = 15,
  kAttach = 16,
  kDetach = 17,
  kSyscall = 24,
  kArchPrctl = 30,
  kSetOptions = 0x4200,
  kGetEventMessage = 0x4201,
  kGetSignalInfo = 0x4202,
  kSetSignalInfo = 0x4203,
  kGetRegisterSet = 0x4204,
  kSetRegisterSet = 0x4205,
  kSeize = 0x4206,
  kInterrupt = 0x4207,
  kListen = 0x4208,
  kPeekSignalInfo = 0x4209,
  kGetSignalMask = 0x420a,
  kSetSignalMask = 0x420b,
  kSeccompGetFilter = 0x420c,
  kSeccompGetMetadata = 0x420d,
  kGetSyscallInfo = 0x420e,
};

struct PtracePeekSignals {  // struct __ptrace_peeksiginfo_args
  u64 offset;
  u32 flags;
  i32 count;
};
inline constexpr u32 kPeekShared = 1;  // PTRACE_PEEKSIGINFO_SHARED

// NT_* that x86-64 has sets of registers for.
inline constexpr u64 kSetGeneral = 1;       // NT_PRSTATUS
inline constexpr u64 kSetFloat = 2;         // NT_PRFPREG
inline constexpr u64 kSetExtended = 0x202;  // NT_X86_XSTATE

// struct user: the registers are at its beginning, the debug registers near its end.
inline constexpr u64 kUserSize = 912;
inline constexpr u64 kUserDebugRegisters = 848;
inline constexpr u64 kDebugStatusFixed = 0xffff'0ff0;  // bits of DR6 that say nothing

struct PtraceSyscallInfo {
  u8 op;
  u8 pad[3];
  u32 arch;
  u64 instruction, stack;
  union {
    struct {
      u64 number, arguments[6];
    } entry;
    struct {
      i64 result;
      u8 is_error;
    } exit;
  };
};
static_assert(sizeof(PtraceSyscallInfo) == 80);
inline constexpr u32 kAuditArchX86_64 = 0xc000'003e;

}  // namespace narwhal::abi
