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
// Shows what a register holds as the argument that its row says it is.
using ArgumentPrinter = void (*)(TextSink&, u64);

// What a row promises.
//   kFull     does what the man page says, as far as Linux programs can tell
//   kPartial  does part of it; the note says what is missing, and that is refused with an error
//   kStub     accepted without effect, where programs cannot tell; the note says why that is honest
//   kNone     ENOSYS, logged once with its name
enum class Support : u8 { kNone, kStub, kPartial, kFull };

// What of a row the kernel has to know; the rest is for docs/syscalls.md.
struct SyscallInfo {
  u32 number;
  Support support;
  u8 arguments;
  std::string_view name;
  const ArgumentPrinter* printers;  // as many as there are arguments
};

// "3, 0x7ffd1000, 512"
void print_arguments(TextSink& out, const SyscallInfo& call, const SyscallArgs& args);

std::span<const SyscallInfo> syscall_table();
// The handlers alone, by number: what the fast path reads.
extern const std::span<const SyscallFunction> syscall_functions;

}  // namespace narwhal
