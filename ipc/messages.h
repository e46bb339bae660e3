// System V message queues: msgget(2), msgsnd(2), msgrcv(2), msgctl(2).
#pragma once

#include "ipc/id_table.h"
#include "kernel/base/format.h"
#include "kernel/base/list.h"
#include "kernel/sched/mutex.h"

namespace narwhal::sysv {

extern Mutex<LockRank::kMutexOther> msg_lock;

struct Message {
  ListNode node;
  i64 type = 0;
  Vector<std::byte> data;
};

class MessageQueue final : public RefCounted {
 public:
  Entry entry;  // guarded by msg_lock

 protected:
  ~MessageQueue() override;

 private:
  friend class Messages;
  abi::MsgStatus status() const TA_REQUIRES(msg_lock);
  Message* find(i64 type, u32 flags) TA_REQUIRES(msg_lock);
  void take(Message& message, u32 pid) TA_REQUIRES(msg_lock);
  bool fits(usize size) const TA_REQUIRES(msg_lock) {
    return bytes_ + size <= max_bytes_ && count_ + 1 <= max_bytes_;
  }

  List<Message, &Message::node> messages_ TA_GUARDED_BY(msg_lock);
  WaitQueue senders_, receivers_;
  u64 bytes_ TA_GUARDED_BY(msg_lock) = 0;
  u64 count_ TA_GUARDED_BY(msg_lock) = 0;
  u64 max_bytes_ TA_GUARDED_BY(msg_lock) = 0;
  i64 sent_at_ TA_GUARDED_BY(msg_lock) = 0;
  i64 received_at_ TA_GUARDED_BY(msg_lock) = 0;
  i64 changed_at_ TA_GUARDED_BY(msg_lock) = 0;
  u32 last_sender_ TA_GUARDED_BY(msg_lock) = 0;
  u32 last_receiver_ TA_GUARDED_BY(msg_lock) = 0;
};

class Messages {
 public:
  // /proc/sys/kernel/msgmax, msgmnb, msgmni.
  static Atomic<u32> max_size, max_bytes, max_ids;
  static Atomic<i32> next_id;  // msg_next_id there

  // msgget(2): ENOENT, EEXIST, EACCES, ENOSPC, ENOMEM.
  static Result<i32> get(const Caller& caller, i32 key, u32 flags);
  // msgsnd(2). Sleeps unless IPC_NOWAIT. EINVAL, EACCES, EAGAIN, EIDRM, kRestartNoHand.
  static Result<> send(const Caller& caller, i32 id, Own<Message> message, u32 flags);
  // msgrcv(2). Sleeps unless IPC_NOWAIT. `size`: what the caller has room for. EINVAL, EACCES,
  // E2BIG, ENOMSG, EIDRM, kRestartNoHand, ENOMEM. With MSG_COPY `type` is an index.
  static Result<Own<Message>> receive(const Caller& caller, i32 id, usize size, i64 type,
                                      u32 flags);

  // msgctl(2).
  struct Found {
    i32 id;
    abi::MsgStatus status;
  };
  static Result<Found> stat(const Caller& caller, i32 id);
  static Result<Found> stat_index(const Caller& caller, i32 index, bool any);
  static Result<> remove(const Caller& caller, i32 id);
  static Result<> set(const Caller& caller, i32 id, const abi::MsgStatus& wanted);
  static abi::MsgLimits limits();
  static abi::MsgLimits usage();  // MSG_INFO
  static i32 highest_index();

  // For /proc/sysvipc/msg.
  static Result<> show(TextSink& out);
};

}  // namespace narwhal::sysv
