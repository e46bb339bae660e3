#include "syscalls/table.h"

#include <utility>

#include "syscalls/handlers.h"

namespace narwhal {
namespace {

// Decodes the registers of one call into the types that its handler takes.
template <auto Handler>
struct Thunk;
template <typename... Args, SysResult (*Handler)(Task&, Args...)>
struct Thunk<Handler> {
  static_assert(sizeof...(Args) <= 6, "a system call has at most six arguments");
  static SysResult call(Task& task, const SyscallRegs& regs) {
    return call(task, regs, std::index_sequence_for<Args...>{});
  }
  static void print(TextSink& out, const SyscallRegs& regs) {
    print(out, regs, std::index_sequence_for<Args...>{});
  }

 private:
  template <usize... I>
  static SysResult call(Task& task, [[maybe_unused]] const SyscallRegs& regs,
                        std::index_sequence<I...>) {
    return Handler(task, SyscallArg<Args>::decode(regs.arg[I])...);
  }
  template <usize... I>
  static void print([[maybe_unused]] TextSink& out, [[maybe_unused]] const SyscallRegs& regs,
                    std::index_sequence<I...>) {
    ((out << (I ? ", " : ""), SyscallArg<Args>::print(out, SyscallArg<Args>::decode(regs.arg[I]))),
     ...);
  }
};

SysResult no_such_call(Task&, const SyscallRegs&) {
  return Errno::kNoSys;
}
void print_raw(TextSink& out, const SyscallRegs& regs) {
  out << hex(regs.arg[0]) << ", " << hex(regs.arg[1]) << ", " << hex(regs.arg[2]);
}

constexpr SyscallInfo kTable[] = {
#define SYSCALL(nr, name, params, support, note) \
  {nr, #name, #params, Support::support, note, &Thunk<&sys::name>::call, &Thunk<&sys::name>::print},
#define SYSCALL_NONE(nr, name, note) \
  {nr, #name, "", Support::kNone, note, &no_such_call, &print_raw},
#include "syscalls/table.def"
#undef SYSCALL
#undef SYSCALL_NONE
};

consteval bool rows_are_dense() {
  u32 expected = 0;
  for (const SyscallInfo& row : kTable)
    if (row.number != expected++) return false;
  return true;
}
static_assert(rows_are_dense(), "table.def must list every number once, in order");

}  // namespace

std::span<const SyscallInfo> syscall_table() {
  return kTable;
}

}  // namespace narwhal
