// prctl(2): settings of a thread and of its process.
#include <cstring>

#include "process/signals.h"
#include "syscalls/credential_change.h"
#include "syscalls/handlers.h"
#include "syscalls/prctl_memory.h"
#include "syscalls/seccomp_option.h"

namespace narwhal {
namespace {

enum PrctlOption : i32 {
  kSetDeathSignal = 1,
  kGetDeathSignal = 2,
  kGetDumpable = 3,
  kSetDumpable = 4,
  kGetKeepCaps = 7,
  kSetKeepCaps = 8,
  kGetTiming = 13,
  kSetTiming = 14,
  kSetName = 15,
  kGetName = 16,
  kGetSeccomp = 21,
  kSetSeccomp = 22,
  kCapBsetRead = 23,
  kCapBsetDrop = 24,
  kGetTsc = 25,
  kSetTsc = 26,
  kGetSecureBits = 27,
  kSetSecureBits = 28,
  kSetTimerSlack = 29,
  kGetTimerSlack = 30,
  kPerfEventsDisable = 31,
  kPerfEventsEnable = 32,
  kMceKill = 33,
  kMceKillGet = 34,
  kSetMm = 35,
  kSetChildSubreaper = 36,
  kGetChildSubreaper = 37,
  kSetNoNewPrivileges = 38,
  kGetNoNewPrivileges = 39,
  kGetTidAddress = 40,
  kSetThpDisable = 41,
  kGetThpDisable = 42,
  kCapAmbient = 47,
  kSetIoFlusher = 57,
  kGetIoFlusher = 58,
  kSetMdwe = 65,
  kGetMdwe = 66,
  kGetAuxv = 0x41555856,
  kSetVma = 0x53564d41,
};

struct PrctlArgs {
  u64 a, b, c, d;  // arg2 to arg5
  bool rest_is_zero() const { return b == 0 && c == 0 && d == 0; }
};

// --- names

SysResult set_name(Task& task, UserAddr name) {
  constexpr usize kMost = 15;
  char buffer[kMost];
  auto length = platform::copy_string_from_user(buffer, name, kMost);
  if (!length.ok() && length.error() != Errno::kNameTooLong) return length.error();
  task.set_name({buffer, length.ok() ? length.value() : kMost});
  return i64{0};
}

SysResult get_name(Task& task, UserAddr out) {
  char name[16] = {};
  const std::string_view text = task.name();
  std::memcpy(name, text.data(), text.size());
  if (platform::copy_to_user(out, name, sizeof name) != 0) return Errno::kFault;
  return i64{0};
}

// --- capabilities

SysResult set_keep_caps(Task& task, u64 keep) {
  if (keep > 1) return Errno::kInval;
  if (task.credentials().securebits & kSecureKeepCapsLocked) return Errno::kPerm;
  TRY(change_credentials(task, [=](Credentials& fresh) {
    if (keep)
      fresh.securebits |= kSecureKeepCaps;
    else
      fresh.securebits &= ~kSecureKeepCaps;
  }));
  return i64{0};
}

SysResult set_secure_bits(Task& task, u64 wanted) {
  const u64 old = task.credentials().securebits;
  const u64 locks = old & kSecureAllLocks;
  const bool changes_locked = ((locks >> 1) & (old ^ wanted)) != 0;
  const bool unlocks = (locks & ~wanted) != 0;
  const bool unknown = (wanted & ~u64{kSecureAllLocks | kSecureAllBits}) != 0;
  if (changes_locked || unlocks || unknown || !task.credentials().capable(Capability::kSetpcap))
    return Errno::kPerm;
  TRY(change_credentials(task, [=](Credentials& fresh) { fresh.securebits = u32(wanted); }));
  return i64{0};
}

SysResult drop_bounding(Task& task, u64 capability) {
  if (!task.credentials().capable(Capability::kSetpcap)) return Errno::kPerm;
  if (!is_capability(capability)) return Errno::kInval;
  TRY(change_credentials(task,
                         [=](Credentials& fresh) { fresh.bounding &= ~(u64{1} << capability); }));
  return i64{0};
}

SysResult change_ambient(Task& task, const PrctlArgs& args) {
  constexpr u64 kIsSet = 1, kRaise = 2, kLower = 3, kClearAll = 4;  // PR_CAP_AMBIENT_*
  if (args.a == kClearAll) {
    if (!args.rest_is_zero()) return Errno::kInval;
    TRY(change_credentials(task, [](Credentials& fresh) { fresh.ambient = 0; }));
    return i64{0};
  }
  if (!is_capability(args.b) || args.c != 0 || args.d != 0) return Errno::kInval;
  const Credentials& old = task.credentials();
  const u64 bit = u64{1} << args.b;
  if (args.a == kIsSet) return i64{(old.ambient & bit) != 0};
  if (args.a != kRaise && args.a != kLower) return Errno::kInval;
  const bool raise = args.a == kRaise;
  if (raise &&
      (!(old.permitted & old.inheritable & bit) || (old.securebits & kSecureNoCapAmbientRaise)))
    return Errno::kPerm;
  TRY(change_credentials(task, [=](Credentials& fresh) {
    fresh.ambient = raise ? fresh.ambient | bit : fresh.ambient & ~bit;
  }));
  return i64{0};
}

SysResult credential_option(Task& task, i32 option, const PrctlArgs& args) {
  switch (option) {
    case kGetKeepCaps:
      return i64{(task.credentials().securebits & kSecureKeepCaps) != 0};
    case kSetKeepCaps:
      return set_keep_caps(task, args.a);
    case kCapBsetRead:
      if (!is_capability(args.a)) return Errno::kInval;
      return i64(task.credentials().bounding >> args.a & 1);
    case kCapBsetDrop:
      return drop_bounding(task, args.a);
    case kGetSecureBits:
      return i64{task.credentials().securebits};
    case kSetSecureBits:
      return set_secure_bits(task, args.a);
    case kCapAmbient:
      return change_ambient(task, args);
    default:
      return Errno::kInval;
  }
}

// PR_SET_IO_FLUSHER(2const): kept and told; no memory is written out here that could be waited for.
SysResult io_flusher_option(Task& task, i32 option, const PrctlArgs& args) {
  if (!task.credentials().capable(Capability::kSysResource)) return Errno::kPerm;
  if (!args.rest_is_zero()) return Errno::kInval;
  if (option == kGetIoFlusher) {
    if (args.a != 0) return Errno::kInval;
    return i64{task.io_flusher};
  }
  if (args.a > 1) return Errno::kInval;
  task.io_flusher = args.a != 0;
  return i64{0};
}

// PR_MCE_KILL(2const): kept and told; no machine check is told to a program.
SysResult machine_check_option(Task& task, i32 option, const PrctlArgs& args) {
  constexpr u64 kClear = 0, kSet = 1, kDefault = 2;
  if (option == kMceKillGet) {
    if (args.a != 0 || !args.rest_is_zero()) return Errno::kInval;
    return i64{task.machine_check_policy};
  }
  if (args.c != 0 || args.d != 0) return Errno::kInval;
  if (args.a == kClear && args.b == 0) {
    task.machine_check_policy = kDefault;
  } else if (args.a == kSet && args.b <= kDefault) {
    task.machine_check_policy = u8(args.b);
  } else {
    return Errno::kInval;
  }
  return i64{0};
}

SysResult memory_option(Task& task, i32 option, const PrctlArgs& args) {
  switch (option) {
    case kSetMm:
      return set_memory_map(task, args.a, args.b, args.c, args.d);
    case kSetVma:
      return set_memory_attribute(task, args.a, UserAddr(args.b), args.c, UserAddr(args.d));
    case kSetMdwe:
      if (!args.rest_is_zero()) return Errno::kInval;
      return set_write_exec_rule(task, args.a);
    case kGetMdwe:
      if (args.a != 0 || !args.rest_is_zero()) return Errno::kInval;
      return i64{task.memory().write_exec_rule()};
    case kGetAuxv:
      if (args.c != 0 || args.d != 0) return Errno::kInval;
      return get_auxiliary_vector(task, UserAddr(args.a), args.b);
    default:
      return Errno::kInval;
  }
}

SysResult process_option(Task& task, i32 option, const PrctlArgs& args) {
  Process& process = task.process();
  switch (option) {
    case kGetDumpable:
      return i64{process.dumpable.load()};
    case kSetDumpable:
      if (args.a > 1) return Errno::kInval;
      process.dumpable.store(u32(args.a));
      return i64{0};
    case kSetChildSubreaper:
      process.child_subreaper.store(args.a != 0);
      return i64{0};
    case kGetChildSubreaper:
      TRY(store_user(UserAddr(args.a), i32{process.child_subreaper.load()}));
      return i64{0};
    case kSetThpDisable:
      if (!args.rest_is_zero()) return Errno::kInval;
      task.memory().allow_huge_pages(args.a == 0);
      return i64{0};
    case kGetThpDisable:
      if (args.a != 0 || !args.rest_is_zero()) return Errno::kInval;
      return i64{!task.memory().huge_pages_allowed()};
    default:
      return credential_option(task, option, args);
  }
}

}  // namespace

SysResult sys::prctl(Task& task, i32 option, u64 a, u64 b, u64 c, u64 d) {
  const PrctlArgs args{a, b, c, d};
  constexpr u64 kTscEnable = 1, kTscFault = 2;  // PR_TSC_*
  switch (option) {
    case kSetDeathSignal:
      if (a > u64(Signal::kMax)) return Errno::kInval;
      task.parent_death_signal = Signal(a);
      return i64{0};
    case kGetDeathSignal:
      TRY(store_user(UserAddr(a), i32(task.parent_death_signal)));
      return i64{0};
    case kSetName:
      return set_name(task, UserAddr(a));
    case kGetName:
      return get_name(task, UserAddr(a));
    case kGetTiming:
      return i64{0};  // PR_TIMING_STATISTICAL, the only one that Linux has too
    case kSetTiming:
      if (a != 0) return Errno::kInval;
      return i64{0};
    case kGetSeccomp:
      return seccomp_mode(task);
    case kSetSeccomp:
      return set_seccomp_mode(task, a, UserAddr(b));
    case kGetTsc:
      TRY(store_user(UserAddr(a), i32(task.hides_time_stamp() ? kTscFault : kTscEnable)));
      return i64{0};
    case kSetTsc:
      if (a != kTscEnable && a != kTscFault) return Errno::kInval;
      task.hide_time_stamp(a == kTscFault);
      return i64{0};
    case kSetTimerSlack:
      task.timer_slack_ns = a != 0 ? a : task.default_timer_slack_ns;
      return i64{0};
    case kGetTimerSlack:
      return i64(task.timer_slack_ns);
    case kPerfEventsDisable:
    case kPerfEventsEnable:
      return i64{0};  // there are none
    case kMceKill:
    case kMceKillGet:
      return machine_check_option(task, option, args);
    case kSetMm:
    case kSetVma:
    case kSetMdwe:
    case kGetMdwe:
    case kGetAuxv:
      return memory_option(task, option, args);
    case kSetIoFlusher:
    case kGetIoFlusher:
      return io_flusher_option(task, option, args);
    case kSetNoNewPrivileges:
      if (a != 1 || !args.rest_is_zero()) return Errno::kInval;
      task.no_new_privileges = true;
      return i64{0};
    case kGetNoNewPrivileges:
      if (a != 0 || !args.rest_is_zero()) return Errno::kInval;
      return i64{task.no_new_privileges};
    case kGetTidAddress:
      TRY(store_user(UserAddr(a), task.clear_child_tid.value));
      return i64{0};
    default:
      return process_option(task, option, args);
  }
}

}  // namespace narwhal
