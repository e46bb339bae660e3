// File: an open file description (open(2)), whatever stands behind it: a regular file, pipe,
// socket, epoll, timer...
//
// A File never sleeps for its data: an operation that can't go on says EAGAIN, and the caller
// (syscalls/) waits on poll_queue() with block_until_ready() unless the description is
// non-blocking. So each file is written once for blocking, non-blocking and polled use.
#pragma once

#include "fs/core/async_signals.h"
#include "fs/core/credentials.h"
#include "fs/core/io_buffer.h"
#include "fs/core/path.h"
#include "kernel/abi/fcntl.h"
#include "kernel/abi/stat.h"
#include "kernel/base/ref.h"
#include "kernel/mm/address_space.h"
#include "kernel/sched/mutex.h"
#include "kernel/sched/wait_queue.h"

namespace narwhal {

class Inode;

// What getdents64(2) wants from a directory: called for each entry; returns false when the buffer
// is full.
class DirectoryVisitor {
 public:
  virtual bool entry(std::string_view name, u64 inode, FileType type, i64 next_offset) = 0;

 protected:
  ~DirectoryVisitor() = default;
};

class File;
using FileRef = Ref<File>;

class FileObserver {
 public:
  ListNode observer_node;
  // The file's end has come. In any context, under a spinlock: keeps alive whom the observer belongs
  // to until file_closing() has been called. False: they are at their own end, and take the observer
  // off themselves.
  virtual bool hold() = 0;
  // Takes the observer off the file.
  virtual void file_closing(File& file) = 0;

 protected:
  ~FileObserver() = default;
};

class File : public RefCounted {
 public:
  explicit File(OpenFlags flags) : flags_(u32(flags)) {}

  // --- data. Sizes in bytes; short counts as on Linux; EAGAIN instead of sleeping.

  // At the file's position if it has one, else in sequence. The default says EINVAL (EBADF is
  // checked by callers from the access mode).
  virtual Result<usize> read(IoBuffer& to);
  virtual Result<usize> write(IoBuffer& from);
  // At an offset; ESPIPE for what has no position. Must not move the position.
  virtual Result<usize> read_at(IoBuffer& to, u64 offset);
  virtual Result<usize> write_at(IoBuffer& from, u64 offset);
  // lseek(2); ESPIPE by default.
  virtual Result<i64> seek(i64 offset, int whence);
  // Whether it has a position (pread(2) and lseek(2) work).
  virtual bool seekable() const { return false; }

  // --- readiness

  // What is ready now. Regular files: always readable and writable.
  virtual PollEvents poll() { return kPollReadable | kPollWritable; }
  // Woken when poll() may answer more; nullptr when it never changes (epoll_ctl(2) then says
  // EPERM).
  virtual WaitQueue* poll_queue() { return nullptr; }

  // Told when the last reference to the file goes, before it is destroyed: epoll(7) forgets closed
  // files this way.
  void add_observer(FileObserver& observer);
  void remove_observer(FileObserver& observer);

  // Opening may have to wait for somebody else (a FIFO without a peer, fifo(7)): EAGAIN until then.
  virtual Result<> finish_open() { return {}; }

  // --- the rest of what a descriptor can do

  virtual Result<> stat(abi::Stat& out) = 0;
  // ENOTTY by default.
  virtual Result<i64> ioctl(u32 command, UserAddr argument);
  // The few commands that name another file by its descriptor, with that file. ENOTTY by default.
  virtual Result<i64> ioctl_about(u32 command, UserAddr argument, FileRef other);
  // TIOCGPTPEER: the other side of a pseudo-terminal, opened. ENOTTY by default.
  virtual Result<FileRef> open_peer(OpenFlags flags);
  // Fills object, object_offset, source of the request or changes its flags (/dev/zero). ENODEV by
  // default. Rights (EACCES) are checked by the caller.
  virtual Result<> mmap(MapRequest& request);
  virtual Result<> truncate(u64 size);  // ftruncate(2); EINVAL
  virtual Result<> allocate(int mode, u64 offset,
                            u64 length);  // fallocate(2); EOPNOTSUPP, ESPIPE, ENODEV
  virtual Result<> sync(bool data_only);  // fsync(2); EINVAL by default
  virtual Result<> read_directory(DirectoryVisitor& visitor);  // ENOTDIR
  virtual Result<> set_flags(OpenFlags flags);  // F_SETFL: kAppend, kNonBlock, kDirect, ...
  // F_NOTIFY: DN_* of fcntl(2), added to what was asked for before; none takes them back. ENOTDIR.
  virtual Result<> notify_of_entries(u32 mask, i32 fd);
  // A descriptor of it was closed: what POSIX ties to close(2) and not to the last reference
  // (record locks; pipes and sockets do their work in the destructor).
  virtual void descriptor_closed() {}

  // Where it was opened; null for pipes, sockets, and what has no name. The two others follow from
  // it.
  virtual const Path* path() const { return nullptr; }
  virtual Dentry* dentry() const;
  virtual Inode* inode() const;
  // What opening /proc/self/fd/N gives for a file that has no path. ENXIO.
  virtual Result<FileRef> reopen(OpenFlags flags);
  // Text of /proc/self/fd/N: a path, "pipe:[123]", "anon_inode:[eventpoll]".
  virtual Result<String> link_text() const = 0;
  // Extra lines of /proc/self/fdinfo/N.
  virtual void describe(TextSink&) const {}

  // Kinds that callers must recognise without RTTI.
  enum class Kind : u8 {
    kOther,
    kRegular,
    kDirectory,
    kPipe,
    kSocket,
    kEpoll,
    kEventFd,
    kTimerFd,
    kSignalFd,
    kInotify,
    kMemFd,
    kPidFd,
    kTerminal,
    kHostStream,
    kMountContext,
    kNamespace,
    kDisk
  };
  virtual Kind kind() const { return Kind::kOther; }

  // open(2) made the file that it opened: F_CREATED_QUERY.
  bool was_created() const { return was_created_; }
  void set_created() { was_created_ = true; }

  OpenFlags flags() const { return OpenFlags(flags_.load(Order::kRelaxed)); }
  bool nonblocking() const { return has(flags(), OpenFlags::kNonBlock); }
  bool readable() const { return narwhal::readable(flags()); }
  bool writable() const { return narwhal::writable(flags()); }

  // Signals about what happens to it (fcntl(2)); null before a program asked for any.
  AsyncSignals* async_signals_if_any() const { return async_signals_.load(Order::kAcquire); }
  Result<AsyncSignals*> async_signals();  // made if there are none. ENOMEM
  // Terminals: the process group that O_ASYNC tells where the program names nobody; 0: whoever
  // turns it on.
  virtual u32 foreground_group() const { return 0; }
  // Somebody wanted to write and could not: room is worth a signal then.
  void note_lack_of_room() {
    if (AsyncSignals* signals = async_signals_if_any()) signals->lacks_room();
  }
  // poll() for those who tell a program.
  PollEvents ready_events() {
    const PollEvents events = poll();
    if (!has(events, PollEvents::kOut)) note_lack_of_room();
    return events;
  }

  // Position, for files that have one. Held over a read or write that moves it (POSIX: atomic with
  // respect to others).
  Mutex<LockRank::kFileOffset>& position_lock() { return position_mutex_; }

 protected:
  void last_ref_dropped() override;

  // For files whose contents lie at offsets: read(2) and write(2) are read_at() and write_at()
  // where the position is, and move it.
  Result<usize> read_at_position(IoBuffer& to);
  Result<usize> write_at_position(IoBuffer& from);
  // lseek(2), with SEEK_END for contents of `end` bytes. EINVAL: another kind of place, or none
  // from 0 to `most`.
  Result<i64> seek_position(i64 offset, int whence, u64 end, u64 most = INT64_MAX);

  Atomic<u32> flags_;
  Mutex<LockRank::kFileOffset> position_mutex_;
  u64 position_ = 0;

 private:
  bool was_created_ = false;  // set before anybody else knows the file
  Atomic<AsyncSignals*> async_signals_{nullptr};
  SpinLock<LockRank::kSpinOther> observers_lock_;
  List<FileObserver, &FileObserver::observer_node> observers_ TA_GUARDED_BY(observers_lock_);
};

}  // namespace narwhal
