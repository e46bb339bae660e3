// Makes tasks: the first program's, and those of clone(2).
#pragma once

#include "loader/program.h"
#include "process/ptrace.h"
#include "process/task.h"

namespace narwhal {

// CLONE_* of clone(2).
enum class CloneFlags : u64 {
  kNone = 0,
  kNewTime = 0x80,
  kVm = 0x100,
  kFs = 0x200,
  kFiles = 0x400,
  kSigHand = 0x800,
  kPidFd = 0x1000,
  kPtrace = 0x2000,
  kVfork = 0x4000,
  kParent = 0x8000,
  kThread = 0x10000,
  kNewNs = 0x20000,
  kSysVSem = 0x40000,
  kSetTls = 0x80000,
  kParentSetTid = 0x100000,
  kChildClearTid = 0x200000,
  kDetached = 0x400000,
  kUntraced = 0x800000,
  kChildSetTid = 0x1000000,
  kNewCgroup = 0x2000000,
  kNewUts = 0x4000000,
  kNewIpc = 0x8000000,
  kNewUser = 0x10000000,
  kNewPid = 0x20000000,
  kNewNet = 0x40000000,
  kIo = 0x80000000,
  kClearSigHand = 0x100000000,
  kIntoCgroup = 0x200000000,
};
ENABLE_FLAGS(CloneFlags);

inline constexpr CloneFlags kNamespaces =
    CloneFlags::kNewNs | CloneFlags::kNewCgroup | CloneFlags::kNewUts | CloneFlags::kNewIpc |
    CloneFlags::kNewUser | CloneFlags::kNewPid | CloneFlags::kNewNet | CloneFlags::kNewTime;

// EINVAL, or EPERM for whom Linux would not let make one (unshare(2)).
Result<> refuse_new_namespaces(const Credentials& who, CloneFlags flags);

struct CloneRequest {
  CloneFlags flags = CloneFlags::kNone;
  UserAddr stack{};  // top; 0: the parent's
  UserAddr parent_tid{};
  UserAddr child_tid{};
  UserAddr pidfd{};  // where the number goes that CLONE_PIDFD asks for
  u64 tls = 0;
  Signal exit_signal = Signal::kNone;
  u32 tid = 0;  // the number that it must get: EEXIST where it is taken; 0: any
};

// A program brought into memory, ready to start.
struct FirstProgram {
  std::string_view name;  // comm
  Ref<AddressSpace> memory;
  Ref<FdTable> files;
  Ref<FsContext> fs;
  CredentialsRef credentials;
  Path executable;
  Ref<RefCounted> write_denial;
  UserAddr entry;
  UserAddr stack;

  // Everything that was loaded. `program` has to live until the task is there: it has the name.
  void take(LoadedProgram& program);
};

struct TaskBuilder {
  // The first process, number 1, leader of its own group and session. ENOMEM. It runs as soon as
  // the scheduler does; set_program_ended_handler() (process/family.h) says what happens at its
  // end.
  static Result<Ref<Task>> start_first(FirstProgram program);

  // A process that the kernel itself starts (core(5)): without a parent, in a session of its own,
  // and gone when it has ended. EAGAIN, ENOMEM.
  static Result<> start_helper(FirstProgram program);

  // clone(2) by the current task; returns the new task's number. EINVAL for flags that contradict
  // each other, EPERM for what needs privileges that nobody has here, EAGAIN, ENOMEM. Waits for the
  // child with CLONE_VFORK.
  static Result<u32> clone(Task& parent, const CloneRequest& request);

 private:
  static Result<Ref<Task>> make(std::string_view name);
  static Result<Ref<Task>> make_without_parent(FirstProgram program);
  static Result<> enter_tables_alone(Task& task);
  static Result<> share(Task& parent, Task& child, const CloneRequest& request);
  static Result<Ref<Process>> make_process(Task& parent, const CloneRequest& request);
  static Result<> enter_tables(Task& parent, Task& child, bool new_process,
                               const CloneRequest& request, ptrace::Event event);
  static void begin(void* task);
};

}  // namespace narwhal
