// seccomp(2), and the options of prctl(2) that say the same.
#include "kernel/abi/resource.h"
#include "process/seccomp_listener.h"
#include "syscalls/handlers.h"
#include "syscalls/seccomp_option.h"

namespace narwhal {
namespace {

enum Operation : u32 { kSetStrict, kSetFilter, kGetActionAvailable, kGetSizes };

constexpr u32 kSynchronize = 1, kLog = 2, kSpeculate = 4, kNewListener = 8, kSynchronizeNoSuch = 16,
              kWaitForKill = 32;
constexpr u32 kKnownFlags =
    kSynchronize | kLog | kSpeculate | kNewListener | kSynchronizeNoSuch | kWaitForKill;

struct Sizes {  // struct seccomp_notif_sizes
  u16 notification = 80, answer = 24, data = sizeof(seccomp::Data);
};

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

// One whose questions a descriptor hears; what it returns.
SysResult set_heard_filter(Task& task, u32 flags, UserAddr program, seccomp::Installation& how) {
  Vector<bpf::Instruction> instructions = TRY(load_program(task, program));
  auto fd = TRY(task.files().reserve(task.process().soft_limit(abi::kLimitOpenFiles)));
  how.questions = TRY(make_ref<seccomp::Questions>((flags & kWaitForKill) != 0));
  auto listener = TRY(make_ref<seccomp::Listener>(how.questions));
  if (TRY(seccomp::install(task, std::move(instructions), how)) != 0) return Errno::kSrch;
  return std::move(fd).commit(std::move(listener), true);
}

SysResult set_filter(Task& task, u32 flags, UserAddr program) {
  if (flags & ~kKnownFlags) return Errno::kInval;
  // The result can't be both a thread and a descriptor.
  if ((flags & kSynchronize) && (flags & kNewListener) && !(flags & kSynchronizeNoSuch))
    return Errno::kInval;
  if ((flags & kWaitForKill) && !(flags & kNewListener)) return Errno::kInval;
  seccomp::Installation how{(flags & kSynchronize) != 0, (flags & kLog) != 0, nullptr};
  if (flags & kNewListener) return set_heard_filter(task, flags, program, how);
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
    case kGetSizes:
      if (flags != 0) return Errno::kInval;
      TRY(store_user(argument, Sizes{}));
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

namespace {

// Who looks at filters must have all rights, and none of its own.
Result<> check_looking(const Task& tracer) {
  if (!tracer.credentials().capable(Capability::kSysAdmin) ||
      seccomp::mode_of(tracer) != seccomp::Mode::kNone)
    return Errno::kAcces;
  return {};
}

}  // namespace

SysResult filter_of_tracee(Task& tracer, const Task& tracee, u64 index, UserAddr out) {
  TRY(check_looking(tracer));
  const auto filter = TRY(seccomp::filter_at(tracee, index));
  const auto program = filter->program();
  if (out.value != 0 && platform::copy_to_user(out, program.data(), program.size_bytes()) != 0)
    return Errno::kFault;
  return i64(program.size());
}

SysResult filter_metadata(Task& tracer, const Task& tracee, u64 size, UserAddr at) {
  struct Metadata {  // struct seccomp_metadata
    u64 index, flags;
  } data{};
  TRY(check_looking(tracer));
  if (size < sizeof data.index) return Errno::kInval;
  data.index = TRY(load_user<u64>(at));
  const auto filter = TRY(seccomp::filter_at(tracee, data.index));
  if (filter->logs()) data.flags = kLog;
  const usize told = size < sizeof data ? usize(size) : sizeof data;
  if (platform::copy_to_user(at, &data, told) != 0) return Errno::kFault;
  return i64(told);
}

}  // namespace narwhal
