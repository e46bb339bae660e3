// clone(2), clone3(2), fork(2), vfork(2), unshare(2), exit(2), exit_group(2), gettid(2),
// set_tid_address(2).
#include "process/exit.h"
#include "process/task_builder.h"
#include "syscalls/extensible_struct.h"
#include "syscalls/handlers.h"

namespace narwhal {
namespace {

constexpr u64 kSignalMask = 0xff;  // CSIGNAL: the exit signal among clone(2)'s flags

// struct clone_args, as of its third version.
struct CloneArguments {
  u64 flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
  u64 set_tid, set_tid_size;
  u64 cgroup;
};
constexpr usize kFirstSize = 64;

// A signal that is none sends nothing, which is what Linux makes of it.
Signal exit_signal(u64 number) {
  return is_signal(i32(number)) ? Signal(number) : Signal::kNone;
}

SysResult clone_task(Task& task, const CloneRequest& request) {
  return i64(TRY(TaskBuilder::clone(task, request)));
}

Result<> check_clone_arguments(const CloneArguments& a) {
  constexpr CloneFlags kKnown =
      CloneFlags(0xffff'ffff) | CloneFlags::kClearSigHand | CloneFlags::kIntoCgroup;
  const CloneFlags flags{a.flags};
  constexpr u64 kMostLevels = 32;
  if (a.set_tid_size > kMostLevels || (a.set_tid == 0) != (a.set_tid_size == 0))
    return Errno::kInval;
  if (a.exit_signal > u64(Signal::kMax)) return Errno::kInval;
  if (!has_only(flags, kKnown)) return Errno::kInval;
  if (a.flags & (raw(CloneFlags::kDetached) | (kSignalMask & ~raw(CloneFlags::kNewTime))))
    return Errno::kInval;
  if (has(flags, CloneFlags::kThread | CloneFlags::kParent) && a.exit_signal != 0)
    return Errno::kInval;
  if ((a.stack == 0) != (a.stack_size == 0)) return Errno::kInval;
  if (a.stack != 0 && !user_range_ok(UserAddr(a.stack), a.stack_size)) return Errno::kInval;
  return {};
}

// The number that the program chose for its child, one for each namespace that the child is in: 0
// where it chose none.
Result<u32> load_wanted_tid(const Task& task, const CloneArguments& a) {
  if (a.set_tid == 0) return u32{0};
  const i32 tid = TRY(load_user<i32>(UserAddr(a.set_tid)));
  if (a.set_tid_size > 1 || tid < 1 || u32(tid) >= pid_limit.load()) return Errno::kInval;
  const Credentials& who = task.credentials();
  if (!who.capable(Capability::kSysAdmin) && !who.capable(Capability::kCheckpointRestore))
    return Errno::kPerm;
  return u32(tid);
}

}  // namespace

SysResult sys::clone(Task& task, CloneFlags flags, UserAddr stack, UserAddr parent_tid,
                     UserAddr child_tid, u64 tls) {
  const u64 bits = raw(flags) & 0xffff'ffff;
  CloneRequest request;
  request.flags = CloneFlags(bits & ~kSignalMask);
  request.exit_signal = exit_signal(bits & kSignalMask);
  request.stack = stack;
  request.parent_tid = parent_tid;
  request.child_tid = child_tid;
  request.tls = tls;
  request.pidfd = parent_tid;  // one word for both, so not both at once
  if (has(flags, CloneFlags::kPidFd) && has(flags, CloneFlags::kParentSetTid)) return Errno::kInval;
  return clone_task(task, request);
}

SysResult sys::clone3(Task& task, UserAddr arguments, usize size) {
  const CloneArguments a = TRY(load_extensible<CloneArguments>(arguments, size, kFirstSize));
  TRY(check_clone_arguments(a));
  CloneRequest request;
  request.flags = CloneFlags(a.flags);
  request.exit_signal = exit_signal(a.exit_signal);
  request.stack = UserAddr(a.stack + a.stack_size);
  request.parent_tid = UserAddr(a.parent_tid);
  request.child_tid = UserAddr(a.child_tid);
  request.tls = a.tls;
  request.pidfd = UserAddr(a.pidfd);
  request.tid = TRY(load_wanted_tid(task, a));
  return clone_task(task, request);
}

SysResult sys::fork(Task& task) {
  CloneRequest request;
  request.exit_signal = Signal::kChld;
  return clone_task(task, request);
}

SysResult sys::vfork(Task& task) {
  CloneRequest request;
  request.flags = CloneFlags::kVfork | CloneFlags::kVm;
  request.exit_signal = Signal::kChld;
  return clone_task(task, request);
}

SysResult sys::unshare(Task& task, CloneFlags flags) {
  constexpr CloneFlags kAlone = CloneFlags::kThread | CloneFlags::kSigHand | CloneFlags::kVm;
  constexpr CloneFlags kKnown =
      kAlone | kNamespaces | CloneFlags::kFs | CloneFlags::kFiles | CloneFlags::kSysVSem;
  if (!has_only(flags, kKnown)) return Errno::kInval;
  TRY(refuse_new_namespaces(task.credentials(), flags));
  const Process& process = task.process();
  if (has(flags, kAlone) && process.task_count() > 1) return Errno::kInval;
  if (has(flags, CloneFlags::kSigHand | CloneFlags::kVm) && process.handlers().ref_count() > 1)
    return Errno::kInval;
  if (has(flags, CloneFlags::kVm) && task.memory().ref_count() > 1) return Errno::kInval;
  Ref<FsContext> fs;
  if (has(flags, CloneFlags::kFs) && task.fs().ref_count() > 1) fs = TRY(task.fs().copy());
  if (has(flags, CloneFlags::kFiles) && task.files().ref_count() > 1)
    task.set_files(TRY(task.files().copy()));
  if (fs) task.set_fs(std::move(fs));
  return i64{0};
}

SysResult sys::exit(Task&, i32 code) {
  exit_task(exited_status(code));
}

SysResult sys::exit_group(Task&, i32 code) {
  narwhal::exit_group(exited_status(code));
}

SysResult sys::gettid(Task& task) {
  return i64(task.tid());
}

SysResult sys::set_tid_address(Task& task, UserAddr address) {
  task.clear_child_tid = address;
  return i64(task.tid());
}

}  // namespace narwhal
