#include "syscalls/args.h"

#include "process/signals.h"

namespace narwhal {
namespace {

constexpr FlagName kOpenFlagNames[] = {
    {020200000, "O_TMPFILE"}, {04010000, "O_SYNC"},    {0100, "O_CREAT"},
    {0200, "O_EXCL"},         {0400, "O_NOCTTY"},      {01000, "O_TRUNC"},
    {02000, "O_APPEND"},      {04000, "O_NONBLOCK"},   {010000, "O_DSYNC"},
    {020000, "O_ASYNC"},      {040000, "O_DIRECT"},    {0100000, "O_LARGEFILE"},
    {0200000, "O_DIRECTORY"}, {0400000, "O_NOFOLLOW"}, {01000000, "O_NOATIME"},
    {02000000, "O_CLOEXEC"},  {010000000, "O_PATH"},
};

constexpr FlagName kProtectionNames[] = {
    {1, "PROT_READ"},
    {2, "PROT_WRITE"},
    {4, "PROT_EXEC"},
    {0x01000000, "PROT_GROWSDOWN"},
};

constexpr FlagName kCloneFlagNames[] = {
    {0x100, "CLONE_VM"},
    {0x200, "CLONE_FS"},
    {0x400, "CLONE_FILES"},
    {0x800, "CLONE_SIGHAND"},
    {0x1000, "CLONE_PIDFD"},
    {0x4000, "CLONE_VFORK"},
    {0x8000, "CLONE_PARENT"},
    {0x10000, "CLONE_THREAD"},
    {0x40000, "CLONE_SYSVSEM"},
    {0x80000, "CLONE_SETTLS"},
    {0x100000, "CLONE_PARENT_SETTID"},
    {0x200000, "CLONE_CHILD_CLEARTID"},
    {0x1000000, "CLONE_CHILD_SETTID"},
    {0x80000000, "CLONE_IO"},
};

constexpr FlagName kMapFlagNames[] = {
    {0x01, "MAP_SHARED"},     {0x02, "MAP_PRIVATE"},
    {0x10, "MAP_FIXED"},      {0x20, "MAP_ANONYMOUS"},
    {0x40, "MAP_32BIT"},      {0x100, "MAP_GROWSDOWN"},
    {0x800, "MAP_DENYWRITE"}, {0x1000, "MAP_EXECUTABLE"},
    {0x2000, "MAP_LOCKED"},   {0x4000, "MAP_NORESERVE"},
    {0x8000, "MAP_POPULATE"}, {0x10000, "MAP_NONBLOCK"},
    {0x20000, "MAP_STACK"},   {0x40000, "MAP_HUGETLB"},
    {0x80000, "MAP_SYNC"},    {0x100000, "MAP_FIXED_NOREPLACE"},
};

}  // namespace

void print_flags(TextSink& out, u64 value, std::span<const FlagName> names, std::string_view zero) {
  if (value == 0) {
    out << zero;
    return;
  }
  bool first = true;
  for (const FlagName& flag : names) {
    if ((value & flag.bits) != flag.bits) continue;
    if (!first) out << '|';
    out << flag.name;
    value &= ~flag.bits;
    first = false;
  }
  if (value == 0) return;
  if (!first) out << '|';
  out << hex(value);
}

void SyscallArg<OpenFlags>::print(TextSink& out, OpenFlags flags) {
  constexpr std::string_view kModes[] = {"O_RDONLY", "O_WRONLY", "O_RDWR", "O_ACCMODE"};
  out << kModes[raw(flags) & 3];
  if (raw(flags) & ~3u) {
    out << '|';
    print_flags(out, raw(flags) & ~3u, kOpenFlagNames, "");
  }
}

void SyscallArg<ProtectionBits>::print(TextSink& out, ProtectionBits protection) {
  print_flags(out, protection.value, kProtectionNames, "PROT_NONE");
}

void SyscallArg<MapFlags>::print(TextSink& out, MapFlags flags) {
  print_flags(out, raw(flags), kMapFlagNames, "0");
}

void SyscallArg<SignalNumber>::print(TextSink& out, SignalNumber signal) {
  if (signal.value >= 0 && signal.value <= i32(Signal::kMax))
    out << signal_name(Signal(signal.value));
  else
    out << signal.value;
}

void SyscallArg<CloneFlags>::print(TextSink& out, CloneFlags flags) {
  constexpr u64 kSignalMask = 0xff;
  const u64 bits = raw(flags) & ~kSignalMask;
  print_flags(out, bits, kCloneFlagNames, "0");
  if (raw(flags) & kSignalMask) {
    out << '|';
    SyscallArg<SignalNumber>::print(out, {i32(raw(flags) & kSignalMask)});
  }
}

void SyscallArg<FutexOperation>::print(TextSink& out, FutexOperation operation) {
  constexpr std::string_view kNames[] = {
      "FUTEX_WAIT",           "FUTEX_WAKE",        "FUTEX_FD",          "FUTEX_REQUEUE",
      "FUTEX_CMP_REQUEUE",    "FUTEX_WAKE_OP",     "FUTEX_LOCK_PI",     "FUTEX_UNLOCK_PI",
      "FUTEX_TRYLOCK_PI",     "FUTEX_WAIT_BITSET", "FUTEX_WAKE_BITSET", "FUTEX_WAIT_REQUEUE_PI",
      "FUTEX_CMP_REQUEUE_PI", "FUTEX_LOCK_PI2"};
  constexpr u32 kPrivate = 128, kClockRealTime = 256;
  const u32 command = operation.value & ~(kPrivate | kClockRealTime);
  if (command < std::size(kNames))
    out << kNames[command];
  else
    out << hex(command);
  if (operation.value & kPrivate) out << "_PRIVATE";
  if (operation.value & kClockRealTime) out << "|FUTEX_CLOCK_REALTIME";
}

void SyscallArg<UserString>::print(TextSink& out, UserString string) {
  constexpr usize kShown = 64;
  if (string.null()) {
    out << "NULL";
    return;
  }
  char text[kShown + 1];
  auto length = platform::copy_string_from_user(text, string.addr, sizeof text);
  if (!length.ok() && length.error() != Errno::kNameTooLong) {
    out << string.addr;
    return;
  }
  usize shown = length.ok() ? length.value() : kShown;
  out << '"';
  for (usize i = 0; i < shown; ++i) {
    u8 c = u8(text[i]);
    if (c == '\n')
      out << "\\n";
    else if (c == '"' || c == '\\')
      out << '\\' << char(c);
    else if (c >= 32 && c < 127)
      out << char(c);
    else
      out << "\\x" << hex_digits(c, 2);
  }
  out << '"';
  if (!length.ok()) out << "...";
}

}  // namespace narwhal
