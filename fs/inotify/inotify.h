// inotify(7): a queue of what happened to watched files.
#pragma once

#include "fs/core/anonymous_file.h"
#include "fs/core/file_system.h"
#include "fs/core/notify.h"
#include "kernel/base/hash_table.h"

namespace narwhal {

// Flags of a watch's mask that are no events, inotify_add_watch(2).
namespace inotify {

inline constexpr u32 kAllEvents = 0xfff;
inline constexpr u32 kOnlyDirectory = 0x01000000;
inline constexpr u32 kDontFollow = 0x02000000;
inline constexpr u32 kExcludeUnlinked = 0x04000000;
inline constexpr u32 kMaskCreate = 0x10000000;
inline constexpr u32 kMaskAdd = 0x20000000;
inline constexpr u32 kOneShot = 0x80000000;
// What inotify_add_watch(2) takes; IN_UNMOUNT, IN_Q_OVERFLOW and IN_ISDIR may be there and mean
// nothing.
inline constexpr u32 kKnownMask =
    kAllEvents | notify::kUnmount | notify::kOverflow | notify::kIgnored | notify::kIsDirectory |
    kOnlyDirectory | kDontFollow | kExcludeUnlinked | kMaskCreate | kMaskAdd | kOneShot;

// /proc/sys/fs/inotify.
extern Atomic<u32> max_instances, max_watches, max_events;

}  // namespace inotify

class InotifyQueue;

// A watch as one instance has it. While it is in the instance's tables they own a reference.
class InotifyWatch final : public Watch {
 public:
  InotifyWatch(Ref<InotifyQueue> queue, const Path& place, u32 mask);
  ~InotifyWatch() override;
  bool on_event(u32 event, u32 cookie, std::string_view name) override;
  void removed() override;

  i32 number = 0;
  // Set under the queue's lock.
  Atomic<u32> mask;
  HashNode number_node, inode_node;
  Inode& inode() const { return *inode_; }

  struct ByNumber {
    static u64 hash(const InotifyWatch& watch) { return mix_hash(u64(watch.number)); }
  };
  struct ByInode {
    static u64 hash(const InotifyWatch& watch) { return hash_of(watch.inode()); }
    static u64 hash_of(const Inode& inode) { return mix_hash(reinterpret_cast<uptr>(&inode)); }
  };

 private:
  const Ref<InotifyQueue> queue_;
  // The inode needs its file system, which goes after it.
  const Ref<FileSystem> file_system_;
  const Ref<Inode> inode_;
};

// Events and watches. It outlives its file while somebody is about to tell it something.
class InotifyQueue final : public RefCounted {
 public:
  ~InotifyQueue() override;

  // Watches a place's inode, or changes the watch that is there. Returns its number. EEXIST,
  // ENOMEM, ENOSPC.
  Result<i32> add_watch(const Path& place, u32 mask);
  // EINVAL.
  Result<> remove_watch(i32 number);
  void remove_all();

  Result<usize> read(IoBuffer& to);
  bool empty();
  usize bytes_ready();
  WaitQueue& queue() { return queue_; }
  void describe(TextSink& out);

  // From watches.
  void push(i32 number, u32 mask, u32 cookie, std::string_view name);
  // The watch is off its inode; says so to the program, once.
  void forget(InotifyWatch& watch);

 private:
  struct Event {
    ListNode node;
    i32 watch;
    u32 mask;
    u32 cookie;
    u32 name_size;
    char* name() { return reinterpret_cast<char*>(this + 1); }
    std::string_view name_text() { return {name(), name_size}; }
  };
  // Bytes of an event as read(2) shows it.
  static usize size_of(const Event& event);
  void push_locked(i32 number, u32 mask, u32 cookie, std::string_view name) TA_REQUIRES(lock_);
  InotifyWatch* find_locked(i32 number) TA_REQUIRES(lock_);

  WaitQueue queue_;
  // One watch for each inode: held over looking for it and making it.
  Mutex<LockRank::kMutexOther> adding_mutex_;
  SpinLock<LockRank::kNotifyQueue> lock_;
  List<Event, &Event::node> events_ TA_GUARDED_BY(lock_);
  u32 event_count_ TA_GUARDED_BY(lock_) = 0;
  usize byte_count_ TA_GUARDED_BY(lock_) = 0;
  i32 last_number_ TA_GUARDED_BY(lock_) = 0;
  HashTable<InotifyWatch, &InotifyWatch::number_node, InotifyWatch::ByNumber> by_number_
      TA_GUARDED_BY(lock_);
  HashTable<InotifyWatch, &InotifyWatch::inode_node, InotifyWatch::ByInode> by_inode_
      TA_GUARDED_BY(lock_);
};

class InotifyFile final : public AnonymousFile {
 public:
  // EMFILE: too many of them.
  static Result<FileRef> create(OpenFlags flags);
  InotifyFile(Ref<InotifyQueue> queue, OpenFlags flags)
      : AnonymousFile(flags, "anon_inode:inotify", 0600), queue_(std::move(queue)) {}
  ~InotifyFile() override;

  Result<usize> read(IoBuffer& to) override { return queue_->read(to); }
  PollEvents poll() override { return queue_->empty() ? PollEvents::kNone : kPollReadable; }
  WaitQueue* poll_queue() override { return &queue_->queue(); }
  Result<i64> ioctl(u32 command, UserAddr argument) override;
  void describe(TextSink& out) const override { queue_->describe(out); }
  Kind kind() const override { return Kind::kInotify; }
  InotifyQueue& queue() const { return *queue_; }

 private:
  const Ref<InotifyQueue> queue_;
};

}  // namespace narwhal
