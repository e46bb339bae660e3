// seccomp(2), and the options of prctl(2) that say the same.
#include "process/seccomp.h"

#include "syscalls/handlers.h"
#include "syscalls/seccomp_option.h"

namespace narwhal {
namespace {

enum Operation : u32 { kSetStrict, kSetFilter, kGetActionAvailable };

constexpr u32 kSynchronize = 1, kLog = 2, kSpeculate = 4, kSynchronizeNoSuch = 16;
constexpr u32 kKnownFlags = kSynchronize | kLog | kSpeculate | kSynchronizeNoSuch;

struct FilterProgram {  // struct sock_fprog
  u16 length;
  u16 padding[3];
  u64 instructions;
};

Result<Vector<bpf::Instruction>> load_program(Task& task, UserAddr from) {
  const auto given = TRY(load_user<FilterProgram>(from));
  if (given.length == 0 || given.length > bpf::kMostInstructions) return Errno::kInval;
  // Whoever filters the calls of a set-user-ID program could lead it astray.
  if (!task.no_new_privileges && !task.credentials().capable(Capability::kSysAdmin))
    return Errno::kAcces;
  if (given.instructions == 0) return Errno::kInval;
  Vector<bpf::Instruction> program;
  TRY(program.resize(given.length));
  if (platform::copy_from_user(program.data(), UserAddr(given.instructions),
                               program.size() * sizeof(bpf::Instruction)) != 0)
    return Errno::kFault;
  return program;
}

SysResult set_filter(Task& task, u32 flags, UserAddr program) {
  if (flags & ~kKnownFlags) return Errno::kInval;
  const seccomp::Installation how{(flags & kSynchronize) != 0};
  const u32 other = TRY(seccomp::install(task, TRY(load_program(task, program)), how));
  if (other != 0 && (flags & kSynchronizeNoSuch)) return Errno::kSrch;
  return i64{other};
}

}  // namespace

SysResult sys::seccomp(Task& task, u32 operation, u32 flags, UserAddr argument) {
  switch (operation) {
    case kSetStrict:
      if (flags != 0 || argument.value != 0) return Errno::kInval;
      TRY(seccomp::be_strict(task));
      return i64{0};
    case kSetFilter:
      return set_filter(task, flags, argument);
    case kGetActionAvailable:
      if (flags != 0) return Errno::kInval;
      if (!seccomp::known_action(TRY(load_user<u32>(argument)))) return Errno::kOpNotSupp;
      return i64{0};
    default:
      return Errno::kInval;
  }
}

SysResult set_seccomp_mode(Task& task, u64 mode, UserAddr program) {
  switch (mode) {
    case u64(seccomp::Mode::kStrict):
      TRY(seccomp::be_strict(task));
      return i64{0};
    case u64(seccomp::Mode::kFilter):
      return set_filter(task, 0, program);
    default:
      return Errno::kInval;
  }
}

SysResult seccomp_mode(const Task& task) {
  return i64(seccomp::mode_of(task));
}

}  // namespace narwhal
