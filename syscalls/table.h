// The table of system calls. From the rows of table.def come the handlers' declarations (a handler
// with other types does not link), decoding, strace-style printing, counters, and docs/syscalls.md.
#pragma once

#include <string_view>

#include "kernel/platform/context.h"
#include "syscalls/args.h"

namespace narwhal {

struct SyscallRegs {
  u64 number;
  u64 arg[6];
};

// What a row promises.
//   kFull     does what the man page says, as far as Linux programs can tell
//   kPartial  does part of it; the note says what is missing, and what is missing is refused with
//   an error kStub     accepted without effect, where programs can't tell; the note says why that
//   is honest kNone     ENOSYS, logged once with its name
enum class Support : u8 { kNone, kStub, kPartial, kFull };

struct SyscallInfo {
  u32 number;
  std::string_view name;
  std::string_view params;  // as written in the row
  Support support;
  std::string_view note;
  SysResult (*call)(Task&, const SyscallRegs&);
  void (*print)(TextSink&, const SyscallRegs&);  // arguments only
};

std::span<const SyscallInfo> syscall_table();

}  // namespace narwhal
