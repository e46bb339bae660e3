// The table of system calls. From the rows of table.def come the handlers' declarations (a handler
// with other types does not link), decoding, strace-style printing, counters, and docs/syscalls.md.
#pragma once

#include <string_view>

#include "kernel/platform/context.h"
#include "syscalls/args.h"

namespace narwhal {

// The arguments of a call as the registers held them.
struct SyscallArgs {
  u64 value[6];
};
inline SyscallArgs syscall_args(const UserRegs& regs) {
  return {{regs.rdi, regs.rsi, regs.rdx, regs.r10, regs.r8, regs.r9}};
}

using SyscallFunction = SysResult (*)(Task&, const UserRegs&);

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
  void (*print)(TextSink&, const SyscallArgs&);  // arguments only
};

std::span<const SyscallInfo> syscall_table();
// The handlers alone, by number: what the fast path reads.
extern const std::span<const SyscallFunction> syscall_functions;

}  // namespace narwhal
