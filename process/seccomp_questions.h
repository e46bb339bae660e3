// Calls that a filter asks a listener about, seccomp_unotify(2).
#pragma once

#include "fs/core/file.h"
#include "kernel/platform/context.h"

namespace narwhal {

class Task;

namespace seccomp {

struct Data {  // struct seccomp_data
  i32 number;
  u32 architecture;
  u64 instruction;
  u64 arguments[6];
};

struct Notification {  // struct seccomp_notif
  u64 id;
  u32 tid, flags;
  Data data;
};
static_assert(sizeof(Notification) == 80);

struct Answer {  // struct seccomp_notif_resp
  u64 id;
  i64 value;
  i32 error;
  u32 flags;
};
static_assert(sizeof(Answer) == 24);

struct FileRequest {  // struct seccomp_notif_addfd
  u64 id;
  u32 flags;
  u32 source, wanted, wanted_flags;
};
static_assert(sizeof(FileRequest) == 24);

// What is between a filter, whose tasks wait for answers, and its listener, who gives them. Both
// have references; a task's question lives on its stack for as long as it waits.
class Questions final : public RefCounted {
 public:
  explicit Questions(bool wait_for_kill) : wait_for_kill_(wait_for_kill) {}

  // The current task's call is asked about. True: it is made. Else the registers hold what the
  // program finds: the listener's answer, ENOSYS without one, or the mark of an interrupted call.
  bool ask(Task& task, UserRegs& regs, const Data& data);
  // Nobody has the filter any more, and nobody listens any more.
  void filter_gone();
  void listener_gone();

  // --- the listener's calls, with the structures of <linux/seccomp.h>
  Result<> receive(UserAddr out);
  Result<> answer(UserAddr from);
  Result<> check_id(UserAddr id);
  Result<i64> add_file(UserAddr from);
  PollEvents poll();
  WaitQueue& queue() { return queue_; }

 private:
  struct NewFile {
    ListNode node;
    FileRef file;
    FileRequest request{};
    bool taken = false;  // the task is about it, and will be done
    bool done = false;
    Errno error{};
    i64 number = 0;
    WaitQueue queue;  // who wants it
  };

  struct Question {
    enum class State : u8 { kFresh, kReceived, kAnswered };
    ListNode node;
    Notification notification{};
    State state = State::kFresh;
    Answer answer{};
    List<NewFile, &NewFile::node> files;
    WaitQueue queue;  // the task
  };

  Question* find(u64 id) TA_REQUIRES(lock_);
  Question* first_fresh() TA_REQUIRES(lock_);
  void give_file(Task& task, Question& question, NewFile& wanted);
  Result<> await_file(NewFile& wanted);
  void finish(NewFile& file, Result<i64> outcome) TA_REQUIRES(lock_);

  SpinLock<LockRank::kSpinOther> lock_;
  List<Question, &Question::node> waiting_ TA_GUARDED_BY(lock_);
  u64 last_id_ TA_GUARDED_BY(lock_) = 0;
  bool has_listener_ TA_GUARDED_BY(lock_) = true;
  bool has_filter_ TA_GUARDED_BY(lock_) = true;
  const bool wait_for_kill_;  // what was received waits on, unless the task is killed
  WaitQueue queue_;           // listeners
};

}  // namespace seccomp
}  // namespace narwhal
