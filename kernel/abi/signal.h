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
  friend constexpr bool operator==(SignalSet, SignalSet) = default;
};

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
