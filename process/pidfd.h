// pidfd_open(2): a descriptor that stands for a process or a thread, and for no later one of its
// number.
#pragma once

#include "fs/core/anonymous_file.h"
#include "process/task.h"

namespace narwhal {

class PidFd final : public AnonymousFile {
 public:
  // `flags`: kNonBlock makes waitid(2) with P_PIDFD say EAGAIN instead of sleeping; kExclusive
  // (PIDFD_THREAD): the leader alone is meant.
  PidFd(Ref<Process> process, OpenFlags flags)
      : AnonymousFile(OpenFlags::kReadWrite | flags, "anon_inode:[pidfd]", 0600),
        process_(std::move(process)) {}
  // For a thread that does not lead its process.
  PidFd(Ref<Task> thread, OpenFlags flags)
      : AnonymousFile(OpenFlags::kReadWrite | OpenFlags::kExclusive | flags, "anon_inode:[pidfd]",
                      0600),
        process_(&thread->process()),
        thread_(std::move(thread)) {}

  Process& process() const { return *process_; }
  // PIDFD_THREAD.
  bool of_thread() const { return has(flags(), OpenFlags::kExclusive); }
  // That of a thread that does not lead its process, for which nobody waits.
  bool of_member() const { return bool(thread_); }
  // The thread that has the number: the leader's, unless it is a member's. Null when it has ended.
  Ref<Task> thread() const;
  // Any thread of the process; of that of a thread, that one. Null when there is none.
  Ref<Task> task() const;

  // Readable once what it stands for has ended; hung up when nobody can wait for it any more.
  PollEvents poll() override;
  WaitQueue* poll_queue() override { return &process_->end_event; }
  void describe(TextSink& out) const override;
  Kind kind() const override { return Kind::kPidFd; }

 private:
  const Ref<Process> process_;
  const Ref<Task> thread_;
};

}  // namespace narwhal
