#include "syscalls/table.h"

#include <utility>

#include "syscalls/handlers.h"

namespace narwhal {
namespace {

// The register of argument `I` (x86-64 psABI, appendix A.2.1, with r10 in rcx's place).
template <usize I>
constexpr u64 argument(const UserRegs& regs) {
  if constexpr (I == 0) return regs.rdi;
  if constexpr (I == 1) return regs.rsi;
  if constexpr (I == 2) return regs.rdx;
  if constexpr (I == 3) return regs.r10;
  if constexpr (I == 4) return regs.r8;
  if constexpr (I == 5) return regs.r9;
}

template <typename T>
void print_argument(TextSink& out, u64 value) {
  SyscallArg<T>::print(out, SyscallArg<T>::decode(value));
}
// Calls that take the same types share them.
template <typename... Args>
constexpr ArgumentPrinter kPrinters[] = {&print_argument<Args>..., nullptr};

// Decodes the registers of one call into the types that its handler takes.
template <auto Handler>
struct Thunk;
template <typename... Args, SysResult (*Handler)(Task&, Args...)>
struct Thunk<Handler> {
  static_assert(sizeof...(Args) <= 6, "a system call has at most six arguments");
  static constexpr u8 kArguments = sizeof...(Args);
  static constexpr const ArgumentPrinter* kArgumentPrinters = kPrinters<Args...>;
  static SysResult call(Task& task, const UserRegs& regs) {
    return call(task, regs, std::index_sequence_for<Args...>{});
  }

 private:
  template <usize... I>
  static SysResult call(Task& task, [[maybe_unused]] const UserRegs& regs,
                        std::index_sequence<I...>) {
    return Handler(task, SyscallArg<Args>::decode(argument<I>(regs))...);
  }
};

SysResult no_such_call(Task&, const UserRegs&) {
  return Errno::kNoSys;
}
// Nobody knows what such a call takes.
void print_raw(TextSink& out, u64 value) {
  out << hex(value);
}
constexpr ArgumentPrinter kRawPrinters[] = {print_raw, print_raw, print_raw};

constexpr SyscallInfo kTable[] = {
#define SYSCALL(nr, name, params, support, note)               \
  {nr, Support::support, Thunk<&sys::name>::kArguments, #name, \
   Thunk<&sys::name>::kArgumentPrinters},
#define SYSCALL_NONE(nr, name, note) \
  {nr, Support::kNone, std::size(kRawPrinters), #name, kRawPrinters},
#include "syscalls/table.def"
#undef SYSCALL
#undef SYSCALL_NONE
};

constexpr SyscallFunction kFunctions[] = {
#define SYSCALL(nr, name, params, support, note) &Thunk<&sys::name>::call,
#define SYSCALL_NONE(nr, name, note) &no_such_call,
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
static_assert(std::size(kFunctions) == std::size(kTable));

}  // namespace

void print_arguments(TextSink& out, const SyscallInfo& call, const SyscallArgs& args) {
  for (usize i = 0; i < call.arguments; ++i) {
    if (i != 0) out << ", ";
    call.printers[i](out, args.value[i]);
  }
}

std::span<const SyscallInfo> syscall_table() {
  return kTable;
}

constinit const std::span<const SyscallFunction> syscall_functions = kFunctions;

}  // namespace narwhal
