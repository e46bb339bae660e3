// epoll(7): readiness of many files at the cost of those that are ready.
//
// An Epoll holds a Watch for each (file, descriptor number). The watch waits on the file's
// poll_queue(); a wake-up puts it on the ready list. collect() takes watches off that list, asks
// their files, and reports. A level-triggered watch that is still ready goes back to the end of the
// list, an edge-triggered one stays off until the next wake-up.
//
// Locks: mutex_ (the set of watches, one collector at a time) > a file's own locks > a WaitQueue >
// ready_lock_. An epoll may watch another: their mutexes are taken outer first, and add() refuses
// circles and chains of more than five.
#pragma once

#include "fs/core/anonymous_file.h"
#include "kernel/abi/epoll.h"
#include "kernel/base/hash_table.h"

namespace narwhal {

inline constexpr u32 kEpollExclusive = 1u << 28;
inline constexpr u32 kEpollWakeUp = 1u << 29;
inline constexpr u32 kEpollOneShot = 1u << 30;
inline constexpr u32 kEpollEdge = 1u << 31;

class Epoll final : public AnonymousFile {
 public:
  explicit Epoll(OpenFlags flags) : AnonymousFile(flags, "anon_inode:[eventpoll]", 0600) {}
  ~Epoll() override;

  // epoll_ctl(2). EEXIST, ENOENT, EPERM (the file can't be waited for), ELOOP, EINVAL, ENOMEM.
  Result<> add(FileRef file, int fd, const abi::EpollEvent& event);
  Result<> modify(File& file, int fd, const abi::EpollEvent& event);
  Result<> remove(File& file, int fd);

  // Stores up to `limit` ready events at `out`. EAGAIN when none is; EFAULT when the first can't be
  // stored.
  Result<usize> collect(UserAddr out, usize limit);

  PollEvents poll() override;
  WaitQueue* poll_queue() override { return &queue_; }
  void describe(TextSink& out) const override;
  Kind kind() const override { return Kind::kEpoll; }

 private:
  struct Watch final : Waiter, FileObserver {
    Watch(Epoll& e, File& f, WaitQueue& q, int n) : epoll(e), file(f), queue(q), fd(n) {}
    bool hold() override { return epoll.try_add_ref(); }
    void file_closing(File& closing) override;

    Epoll& epoll;
    File& file;  // not owned: file_closing() ends the watch first
    // Where it waits. A signalfd's queue depends on who asks, and others may end the watch.
    WaitQueue& queue;
    int fd;
    abi::EpollEvent event{};
    HashNode hash_node;
    ListNode ready_node;  // guarded by ready_lock_
  };
  struct WatchTraits {
    static u64 key(const File& file, int fd) {
      return mix_hash(reinterpret_cast<uptr>(&file) ^ u64(u32(fd)) << 48);
    }
    static u64 hash(const Watch& watch) { return key(watch.file, watch.fd); }
  };
  using ReadyList = List<Watch, &Watch::ready_node>;

  static bool on_ready(Waiter& waiter, PollEvents events);
  Watch* find(File& file, int fd) TA_REQUIRES(mutex_);
  void mark_ready(Watch& watch);
  void mark_ready_if(Watch& watch);
  void destroy(Watch& watch) TA_REQUIRES(mutex_);
  Result<> check_nesting(Epoll& inner);
  usize depth_below();
  bool reaches(const Epoll& other);
  PollEvents ready_events(Watch& watch);
  template <typename Emit>
  void scan(Emit emit) TA_REQUIRES(mutex_);

  mutable Mutex<LockRank::kEpoll> mutex_;
  HashTable<Watch, &Watch::hash_node, WatchTraits> watches_ TA_GUARDED_BY(mutex_);
  SpinLock<LockRank::kEpollReady> ready_lock_;
  ReadyList ready_ TA_GUARDED_BY(ready_lock_);
  WaitQueue queue_;
};

}  // namespace narwhal
