// POSIX message queues: mq_overview(7). A file system of queues, one instance of it for the whole
// machine; the calls reach it through a mount of the kernel's own, programs may mount it besides.
#pragma once

#include <optional>

#include "fs/core/file_system.h"
#include "fs/core/vfs.h"

namespace narwhal::mqueue {

inline constexpr u32 kMaxPriorities = 32768;  // MQ_PRIO_MAX

struct Attributes {
  u64 max_messages = 0;
  u64 max_size = 0;  // of a message, bytes
};

// /proc/sys/fs/mqueue: what processes without CAP_SYS_RESOURCE may ask for, and what queues get
// whose maker does not say.
struct Settings {
  Atomic<u32> max_queues{256};
  Atomic<u32> max_messages{10}, max_size{8192};
  Atomic<u32> default_messages{10}, default_size{8192};
};
extern Settings settings;

// Who is to be told that a message came into an empty queue, once (mq_notify(3)).
class Notification : public RefCounted {
 public:
  explicit Notification(u32 pid) : pid_(pid) {}
  u32 pid() const { return pid_; }  // the process that asked
  // For read(2) of the queue: sigev_notify, and the signal if it is one.
  virtual i32 method() const = 0;
  virtual i32 signal() const = 0;
  // No lock is held. `by_pid`, `by_uid`: who sent the message.
  virtual void arrived(u32 by_pid, u32 by_uid) = 0;
  // It will not come: the process took it back, or let go of the queue.
  virtual void cancelled() = 0;

 private:
  const u32 pid_;
};

struct Message {
  ListNode node;
  u32 priority = 0;
  Vector<std::byte> data;
};

class Queue final : public Inode {
 public:
  Queue(FileSystem& fs, u64 number, u32 mode, u32 uid, u32 gid, const Attributes& attributes,
        u32 charged_user);
  ~Queue() override;

  const Attributes& attributes() const { return attributes_; }
  u64 count();

  // EAGAIN when full; then, and only then, the message is still the caller's. What is to be told is
  // left in `notification`.
  Result<> send(Own<Message>& message, Ref<Notification>& notification);
  // The oldest of the highest priority; EAGAIN.
  Result<Own<Message>> receive();
  // While somebody waits for a message, nobody is notified.
  void begin_waiting() { receivers_.fetch_add(1); }
  void end_waiting() { receivers_.fetch_sub(1); }

  // EBUSY when somebody is registered.
  Result<> set_notification(Ref<Notification> notification);
  // Takes back what the process registered; null when it has nothing.
  Ref<Notification> take_notification(u32 pid);

  PollEvents poll(bool for_reading, bool for_writing);
  WaitQueue& queue() { return wait_queue_; }
  // What read(2) shows.
  void describe(TextSink& out);

  Result<> stat(abi::Stat& out) override;
  Result<> set_attributes(const AttributeChange& change) override;
  Result<> truncate(u64) override { return {}; }
  Result<FileRef> open(const Path& path, OpenFlags flags) override;

 private:
  const Attributes attributes_;
  const u32 charged_user_;
  Mutex<LockRank::kPipe> mutex_;
  List<Message, &Message::node> messages_ TA_GUARDED_BY(mutex_);  // highest priority first
  u64 count_ TA_GUARDED_BY(mutex_) = 0;
  u64 bytes_ TA_GUARDED_BY(mutex_) = 0;
  Ref<Notification> notification_ TA_GUARDED_BY(mutex_);
  Atomic<u32> receivers_{0};
  WaitQueue wait_queue_;
};

class QueueFile final : public File {
 public:
  QueueFile(const Path& path, OpenFlags flags) : File(flags), path_(path) {}
  Queue& queue() const { return static_cast<Queue&>(path_.dentry->inode()); }

  Result<usize> read(IoBuffer& to) override { return read_at_position(to); }
  Result<usize> read_at(IoBuffer& to, u64 offset) override;
  Result<i64> seek(i64 offset, int whence) override;
  bool seekable() const override { return true; }
  PollEvents poll() override { return queue().poll(readable(), writable()); }
  WaitQueue* poll_queue() override { return &queue().queue(); }
  Result<> stat(abi::Stat& out) override { return queue().stat(out); }
  const Path* path() const override { return &path_; }
  Result<String> link_text() const override { return vfs::path_text(path_); }
  // A process that closes a queue is not notified any more, other descriptors of it or not.
  void descriptor_closed() override;

 private:
  const Path path_;
};

// Makes the instance, and "mqueue" known to mount(2). Once. ENOMEM.
Result<> init();
// The queue behind an open file; EBADF when it is none.
Result<QueueFile*> queue_file(File& file);
// mq_open(2). `requested`: for a new queue. `limit`: RLIMIT_MSGQUEUE. The name is without a slash.
// Errors as there.
Result<FileRef> open(const vfs::Actor& actor, std::string_view name, OpenFlags flags, u32 mode,
                     const std::optional<Attributes>& requested, u64 limit);
// mq_unlink(2).
Result<> unlink(const vfs::Actor& actor, std::string_view name);

// What a user's queues may take, in bytes: counted by users (RLIMIT_MSGQUEUE). EMFILE, ENOMEM.
Result<> charge(u32 user, const Attributes& attributes, u64 limit);
void release(u32 user, const Attributes& attributes);

}  // namespace narwhal::mqueue
