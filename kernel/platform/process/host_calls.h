// What the program, and the kernel that it shares a process with, may ask of the host: one row for
// each call. The filter (filter.h) is made of this list, and docs/threat-model.md shows it
// (`./narwhal docs`, docs_test).
#pragma once

#include "kernel/base/types.h"
#include "kernel/platform/process/host.h"

namespace narwhal::process_home {

// What an argument has to be.
struct ArgumentRule {
  enum class Kind : u8 {
    kAny,
    kValue,    // exactly `value`, the bits of `ignored` left out
    kEither,   // `value` or `other`
    kAtMost,   // no more than `value`
    kMemory,   // the memory file's descriptor
    kStreams,  // the descriptor of a stream, the control channel, the log or a device
    kDevices,  // the descriptor of a device
    kTimers,   // the timers that were made before, one for each virtual CPU
    kCall,     // the signal that virtual CPUs send each other, where there are several
  };
  Kind kind = Kind::kAny;
  u32 value = 0;
  u32 ignored = 0;
  u32 other = 0;
};

struct HostCall {
  static constexpr usize kArguments = 5;  // the sixth is an offset wherever there is one

  host::Number number;
  const char* name;
  ArgumentRule arguments[kArguments];
  const char* only;  // the same in words
  const char* why;
};

namespace rules {

using Kind = ArgumentRule::Kind;
inline constexpr ArgumentRule kAny{};
inline constexpr ArgumentRule kNone{Kind::kValue, 0};
inline constexpr ArgumentRule kMemory{Kind::kMemory};
inline constexpr ArgumentRule kStreams{Kind::kStreams};
inline constexpr ArgumentRule kDevices{Kind::kDevices};
inline constexpr ArgumentRule kSetFlags{Kind::kValue, host::kSetFlags};
inline constexpr ArgumentRule kSignalFlag{Kind::kValue, host::kNonBlocking, host::kAsynchronous};
inline constexpr ArgumentRule kTimers{Kind::kTimers};
inline constexpr ArgumentRule kCall{Kind::kCall};
inline constexpr ArgumentRule kClock{Kind::kAtMost, host::kMonotonic};
inline constexpr ArgumentRule kSetTimeStamp{Kind::kValue, host::kSetTimeStamp};
inline constexpr ArgumentRule kTimeStampRule{Kind::kAtMost, host::kFault};
inline constexpr ArgumentRule kRights{Kind::kAtMost, u32(host::Rights::kAll)};
inline constexpr ArgumentRule kFutexOperation{Kind::kAtMost, host::kFutexWake};
inline constexpr ArgumentRule kUnblock{Kind::kValue, host::kUnblock};
inline constexpr ArgumentRule kPunch{Kind::kValue, host::kPunchHole};
inline constexpr ArgumentRule kAdvice{Kind::kEither, host::kDontNeed, 0, host::kCollapse};
inline constexpr ArgumentRule kFlags{Kind::kValue, host::kSharedFixed, host::kPresent};

}  // namespace rules

// The most frequent first.
inline constexpr HostCall kHostCalls[] = {
    {host::Number::kMmap,
     "mmap",
     {rules::kAny, rules::kAny, rules::kRights, rules::kFlags, rules::kMemory},
     "the memory file, `MAP_SHARED` and `MAP_FIXED`, with or without `MAP_POPULATE`; of the rights "
     "no "
     "more than reading, writing and executing",
     "the program's page tables, and kernel stacks"},
    {host::Number::kMunmap, "munmap", {}, "", "pages that the program gives back"},
    {host::Number::kFutex,
     "futex",
     {rules::kAny, rules::kFutexOperation, rules::kAny, rules::kNone},
     "`FUTEX_WAIT` and `FUTEX_WAKE`, without a time limit",
     "a virtual CPU goes from one host process to another; packets are left to the writer"},
    {host::Number::kFallocate,
     "fallocate",
     {rules::kMemory, rules::kPunch},
     "the memory file, `FALLOC_FL_PUNCH_HOLE` and `FALLOC_FL_KEEP_SIZE`",
     "memory that programs gave back goes back to the host"},
    {host::Number::kMadvise,
     "madvise",
     {rules::kAny, rules::kAny, rules::kAdvice},
     "`MADV_DONTNEED` and `MADV_COLLAPSE`",
     "what only starting up read is no longer resident; huge pages for a program that asks for "
     "them"},
    {host::Number::kPpoll,
     "ppoll",
     {rules::kAny, rules::kAny, rules::kAny, rules::kNone},
     "without a signal mask",
     "sleeping until something happens; whether a stream is ready"},
    {host::Number::kTimerSettime,
     "timer_settime",
     {rules::kTimers, rules::kNone, rules::kAny, rules::kNone},
     "the timers that were made before, one for each virtual CPU; a time from now",
     "the timer's interrupt"},
    {host::Number::kTgkill,
     "tgkill",
     {rules::kAny, rules::kAny, rules::kCall},
     "`SIGURG`, and only where there are several virtual CPUs",
     "one virtual CPU wants something of another"},
    {host::Number::kSchedSetAffinity,
     "sched_setaffinity",
     {rules::kNone},
     "the thread's own",
     "a virtual CPU that goes from one host process to another stays on one processor"},
    {host::Number::kClockGettime,
     "clock_gettime",
     {rules::kClock},
     "`CLOCK_REALTIME` and `CLOCK_MONOTONIC`",
     "what the guest's clock follows, or is, where the time-stamp counter is none"},
    {host::Number::kPrctl,
     "prctl",
     {rules::kSetTimeStamp, rules::kTimeStampRule},
     "`PR_SET_TSC`",
     "programs that must not read the time-stamp counter"},
    {host::Number::kSigreturn, "rt_sigreturn", {}, "", "back from an interrupt of the kernel"},
    {host::Number::kRead,
     "read",
     {rules::kStreams},
     "the streams, the control channel, the log and the devices",
     "standard input, what `narwhal run` tells, packets and shared files"},
    {host::Number::kReadv, "readv", {rules::kStreams}, "the same", "packets and shared files"},
    {host::Number::kWritev, "writev", {rules::kStreams}, "the same", "packets"},
    {host::Number::kWrite,
     "write",
     {rules::kStreams},
     "the same",
     "standard output and error, what `narwhal run` is told, and shared files"},
    {host::Number::kFcntl,
     "fcntl",
     {rules::kDevices, rules::kSetFlags, rules::kSignalFlag},
     "devices, `F_SETFL`, `O_NONBLOCK` with or without `O_ASYNC`",
     "a signal when a packet or an answer comes while a program computes; to whom it goes is "
     "settled before"},
    {host::Number::kSigprocmask,
     "rt_sigprocmask",
     {rules::kUnblock, rules::kAny, rules::kNone},
     "`SIG_UNBLOCK`",
     "the next of these signals may come"},
    {host::Number::kExitGroup, "exit_group", {}, "", "the end"},
};

// The calls of the `vsyscall` page (arch/x86/entry/vsyscall in Linux), at the address that the host
// answers them: it asks the filter first, which turns them into a signal, and that makes them our
// system calls.
struct VsyscallEntry {
  u32 number;
  u64 address;
};
inline constexpr VsyscallEntry kVsyscalls[] = {
    {96, 0xffff'ffff'ff60'0000},   // gettimeofday
    {201, 0xffff'ffff'ff60'0400},  // time
    {309, 0xffff'ffff'ff60'0800},  // getcpu
};

}  // namespace narwhal::process_home
