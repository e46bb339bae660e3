// Task: a thread as Linux sees it. Process: a thread group.
//
// What threads may share or not (clone(2)) is behind references: memory, descriptors, working
// directory, signal handlers.
#pragma once

#include "fs/core/vfs.h"
#include "kernel/sched/thread.h"
#include "process/fd_table.h"
#include "process/process.h"
#include "process/signal_state.h"

namespace narwhal {

// The running task. Only in the context of one (system calls, faults of a program).
inline Task& current_task();

class Task final : public Thread {
 public:
  u32 tid() const { return tid_; }
  Process& process() const { return *process_; }

  AddressSpace& memory() const { return *memory_; }
  FdTable& files() const { return *files_; }
  FsContext& fs() const { return *fs_; }
  const Credentials& credentials() const { return *credentials_; }
  const CredentialsRef& credentials_ref() const { return credentials_; }
  void set_credentials(CredentialsRef credentials) { credentials_ = std::move(credentials); }
  vfs::Actor actor() const { return {*fs_, *credentials_}; }

  TaskSignals signals;  // mask, pending, alternate stack

  // set_tid_address(2), set_robust_list(2), rseq(2): looked at when the thread ends.
  UserAddr clear_child_tid{};
  UserAddr robust_list{};
  UserAddr rseq_area{};
  u32 rseq_length = 0;
  u32 rseq_signature = 0;

  ListNode group_node;  // in Process::tasks

 private:
  friend class Process;
  friend struct TaskBuilder;  // process/clone.cc: makes tasks
  explicit Task(std::string_view name) : Thread(name) {}

  u32 tid_ = 0;
  Ref<Process> process_;
  Ref<AddressSpace> memory_;
  Ref<FdTable> files_;
  Ref<FsContext> fs_;
  CredentialsRef credentials_;
  UserContext user_;
};

inline Task& current_task() {
  return *static_cast<Task*>(current_thread());
}

inline Process& current_process() {
  return current_task().process();
}

}  // namespace narwhal
