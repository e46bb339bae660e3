// SECCOMP_RET_USER_NOTIF: a program that is asked about another's system calls,
// seccomp_unotify(2).
#pragma once

#include "fs/core/anonymous_file.h"
#include "process/seccomp.h"

namespace narwhal::seccomp {

// The listener's descriptor.
class Listener final : public AnonymousFile {
 public:
  explicit Listener(Ref<Questions> questions)
      : AnonymousFile(OpenFlags::kReadWrite, "anon_inode:seccomp notify", 0600),
        questions_(std::move(questions)) {}
  ~Listener() override { questions_->listener_gone(); }
  Result<i64> ioctl(u32 command, UserAddr argument) override;
  PollEvents poll() override { return questions_->poll(); }
  WaitQueue* poll_queue() override { return &questions_->queue(); }

 private:
  const Ref<Questions> questions_;
};

}  // namespace narwhal::seccomp
