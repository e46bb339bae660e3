// pidfd_open(2): a descriptor that stands for a process, and for no later one of its number.
#pragma once

#include "fs/core/anonymous_file.h"
#include "process/process.h"

namespace narwhal {

class PidFd final : public AnonymousFile {
 public:
  // `flags`: kNonBlock makes waitid(2) with P_PIDFD say EAGAIN instead of sleeping.
  PidFd(Ref<Process> process, OpenFlags flags)
      : AnonymousFile(OpenFlags::kReadWrite | flags, "anon_inode:[pidfd]", 0600),
        process_(std::move(process)) {}

  Process& process() const { return *process_; }

  // Readable once the process has ended, waited for or not.
  PollEvents poll() override;
  WaitQueue* poll_queue() override { return &process_->end_event; }
  void describe(TextSink& out) const override;
  Kind kind() const override { return Kind::kPidFd; }

 private:
  const Ref<Process> process_;
};

}  // namespace narwhal
