// <signal.h>, <asm/sigcontext.h>: numbers, sets, siginfo.
#pragma once

#include "kernel/base/flags.h"
#include "kernel/base/types.h"

namespace narwhal {

enum class Signal : i32 {
  kNone = 0,
  kHup = 1,
  kInt = 2,
  kQuit = 3,
  kIll = 4,
  kTrap = 5,
  kAbrt = 6,
  kBus = 7,
  kFpe = 8,
  kKill = 9,
  kUsr1 = 10,
  kSegv = 11,
  kUsr2 = 12,
  kPipe = 13,
  kAlrm = 14,
  kTerm = 15,
  kStkFlt = 16,
  kChld = 17,
  kCont = 18,
  kStop = 19,
  kTstp = 20,
  kTtin = 21,
  kTtou = 22,
  kUrg = 23,
  kXcpu = 24,
  kXfsz = 25,
  kVtalrm = 26,
  kProf = 27,
  kWinch = 28,
  kIo = 29,
  kPwr = 30,
  kSys = 31,
  kRtMin = 32,
  kMax = 64,
};

// sigset_t: bit n - 1 for signal n.
struct SignalSet {
  u64 bits = 0;
  constexpr bool has(Signal s) const { return bits >> (int(s) - 1) & 1; }
  constexpr void add(Signal s) { bits |= u64{1} << (int(s) - 1); }
  constexpr void remove(Signal s) { bits &= ~(u64{1} << (int(s) - 1)); }
  constexpr bool empty() const { return bits == 0; }
  friend constexpr SignalSet operator|(SignalSet a, SignalSet b) { return {a.bits | b.bits}; }
  friend constexpr SignalSet operator&(SignalSet a, SignalSet b) { return {a.bits & b.bits}; }
  friend constexpr SignalSet operator~(SignalSet a) { return {~a.bits}; }
  friend constexpr bool operator==(SignalSet, SignalSet) = default;
};
constexpr SignalSet signal_set() {
  return {};
}
template <typename... More>
constexpr SignalSet signal_set(Signal first, More... more) {
  SignalSet set = signal_set(more...);
  set.add(first);
  return set;
}
// Never blocked, caught or ignored.
inline constexpr SignalSet kUnblockable = signal_set(Signal::kKill, Signal::kStop);
constexpr bool is_real_time(Signal signal) {
  return signal >= Signal::kRtMin;
}
constexpr bool is_signal(i32 number) {
  return number >= 1 && number <= i32(Signal::kMax);
}

namespace abi {

// siginfo_t: 128 bytes; what follows the first three numbers depends on the code (sigaction(2)).
struct SignalInfo {
  i32 number;
  i32 error;
  i32 code;
  i32 padding;
  union {
    u8 raw[112];
    struct {
      i32 pid;
      u32 uid;
      u64 value;
    } queued;  // kill, sigqueue
    struct {
      i32 timer;
      i32 overrun;
      u64 value;
    } timer;  // SI_TIMER
    struct {
      i32 pid;
      u32 uid;
      i32 status;
      i32 padding;
      i64 user_time, system_time;
    } child;  // SIGCHLD
    struct {
      u64 address;
      i16 address_lsb;
      i16 p0;
      i32 p1;
      u64 lower, upper;
    } fault;  // SIGSEGV, SIGBUS, ...
    struct {
      i64 band;
      i32 fd;
    } poll;  // SIGIO
    struct {
      u64 call_address;
      i32 syscall;
      u32 arch;
    } sys;  // SIGSYS
  };
};
static_assert(sizeof(SignalInfo) == 128);

// si_code: who sent it (sigaction(2)). Values above 0 are the kernel's.
inline constexpr i32 kCodeUser = 0;
inline constexpr i32 kCodeKernel = 0x80;
inline constexpr i32 kCodeQueue = -1;
inline constexpr i32 kCodeTimer = -2;
inline constexpr i32 kCodeSigIo = -5;
inline constexpr i32 kCodeTkill = -6;
inline constexpr i32 kSegvMapError = 1;
inline constexpr i32 kSegvAccessError = 2;
inline constexpr i32 kBusAlignment = 1;
inline constexpr i32 kBusAddress = 2;
inline constexpr i32 kFpeIntegerDivide = 1;
inline constexpr i32 kFpeDivide = 3;
inline constexpr i32 kFpeOverflow = 4;
inline constexpr i32 kFpeUnderflow = 5;
inline constexpr i32 kFpeInexact = 6;
inline constexpr i32 kFpeInvalid = 7;
inline constexpr i32 kIllegalOperand = 2;
inline constexpr i32 kTrapBreakpoint = 1;
inline constexpr i32 kTrapTrace = 2;
inline constexpr i32 kTrapHardware = 4;
inline constexpr i32 kChildExited = 1;
inline constexpr i32 kChildKilled = 2;
inline constexpr i32 kChildDumped = 3;
inline constexpr i32 kChildStopped = 5;
inline constexpr i32 kChildContinued = 6;

// SignalAction::handler
inline constexpr u64 kSignalDefault = 0;
inline constexpr u64 kSignalIgnore = 1;
// SignalAction::flags
inline constexpr u64 kActionNoChildStop = 1;
inline constexpr u64 kActionNoChildWait = 2;
inline constexpr u64 kActionSigInfo = 4;
inline constexpr u64 kActionRestorer = 0x04000000;
inline constexpr u64 kActionOnStack = 0x08000000;
inline constexpr u64 kActionRestart = 0x10000000;
inline constexpr u64 kActionNoDefer = 0x40000000;
inline constexpr u64 kActionResetHand = 0x80000000;
// SignalStack::flags
inline constexpr i32 kStackOnStack = 1;
inline constexpr i32 kStackDisable = 2;
inline constexpr i32 kStackAutoDisarm = i32(0x80000000);
inline constexpr u64 kMinimumSignalStack = 2048;

struct SignalAction {
  u64 handler;  // SIG_DFL 0, SIG_IGN 1
  u64 flags;    // SA_*
  u64 restorer;
  u64 mask;
};

struct SignalStack {
  u64 base;
  i32 flags;
  i32 padding;
  u64 size;
};

}  // namespace abi
}  // namespace narwhal
