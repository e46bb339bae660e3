// Pipes and FIFOs: pipe(7), fifo(7).
//
// A Pipe is a ring of page-sized slots shared by its two ends; a PipeFile is an open end (or both,
// for a FIFO opened O_RDWR). Writes of up to PIPE_BUF bytes are all or nothing. Pages can be handed
// over without copying (splice(2)). In packet mode (O_DIRECT, pipe2(2)) each write is a page of its
// own that one read takes, whole or cut.
#pragma once

#include "fs/core/anonymous_file.h"
#include "fs/core/dentry.h"
#include "kernel/mm/frame.h"

namespace narwhal {

inline constexpr usize kPipeAtomicSize = 4096;       // PIPE_BUF
inline constexpr usize kPipeDefaultSlots = 16;       // 64 KiB
// /proc/sys/fs/pipe-max-size: how large the unprivileged may make one.
extern Atomic<u32> pipe_max_bytes;

class Pipe final : public RefCounted {
 public:
  static Result<Ref<Pipe>> create();
  ~Pipe() override;

  // EAGAIN when empty and somebody could still write; 0 at the end.
  Result<usize> read(IoBuffer& to);
  // EAGAIN when full (for an atomic write: when it does not fit whole); EPIPE without readers.
  // Short when it became full.
  Result<usize> write(IoBuffer& from, bool packets = false);

  // Moves the frame in or out whole, for splice(2). EAGAIN, EPIPE.
  struct Page {
    FrameRef frame;
    u32 offset = 0;
    u32 length = 0;
    // The frame belongs to this pipe alone, so that later writes may be appended to it.
    bool owned = false;
    // A read ends with this page, and what it had no room for is lost.
    bool packet = false;
  };
  Result<> push(Page page);
  // Takes at most `limit` bytes off the front; a frame that is taken in part is shared. An empty
  // pipe without writers gives a page of length 0.
  Result<Page> pop(usize limit);
  // Puts back at the front what pop() gave and could not be used.
  void unpop(Page page);
  // Shares up to `limit` bytes from `skip` bytes behind the front, without taking them: tee(2).
  // EAGAIN, length 0 at end.
  Result<Page> peek(usize skip, usize limit);

  // `seen_writers`: the writer_generation() that has not hung up for who asks.
  PollEvents poll(bool for_reading, bool for_writing, u32 seen_writers = 0);
  WaitQueue& queue() { return queue_; }
  usize bytes_ready();
  usize capacity();
  // F_SETPIPE_SZ: rounds up to a power of two of pages; EBUSY when more is in it. Returns the new
  // capacity.
  Result<usize> set_capacity(usize bytes);
  u64 inode_number() const { return inode_; }

  void opened(bool for_reading, bool for_writing);
  void closed(bool for_reading, bool for_writing);
  u32 reader_generation() const { return reader_generation_.load(); }
  u32 writer_generation() const { return writer_generation_.load(); }
  bool has_readers() const { return readers_.load() != 0; }
  bool has_writers() const { return writers_.load() != 0; }

 private:
  Pipe() = default;
  Page& slot(usize index) TA_REQUIRES(mutex_) {
    return slots_[(first_ + index) & (slots_.size() - 1)];
  }
  Result<usize> append(IoBuffer& from, bool packets) TA_REQUIRES(mutex_);
  void drop_front() TA_REQUIRES(mutex_);

  Mutex<LockRank::kPipe> mutex_;
  Vector<Page> slots_ TA_GUARDED_BY(mutex_);  // a power of two
  usize first_ TA_GUARDED_BY(mutex_) = 0;
  usize used_ TA_GUARDED_BY(mutex_) = 0;
  FrameRef spare_ TA_GUARDED_BY(mutex_);  // the last page emptied, kept for the next write
  Atomic<u32> readers_{0};
  Atomic<u32> writers_{0};
  // How many readers (writers) ever came: a FIFO's open waits for one that came after it, gone
  // again or not.
  Atomic<u32> reader_generation_{0};
  Atomic<u32> writer_generation_{0};
  u64 inode_ = next_anonymous_inode();
  WaitQueue queue_;
};

class PipeFile final : public AnonymousFile {
 public:
  // `place` is where a FIFO was opened; a pipe(2) has none.
  PipeFile(Ref<Pipe> pipe, OpenFlags flags, const Path& place = Path());
  ~PipeFile() override;

  Result<usize> read(IoBuffer& to) override { return pipe_->read(to); }
  Result<usize> write(IoBuffer& from) override {
    return pipe_->write(from, has(flags(), OpenFlags::kDirect));
  }
  PollEvents poll() override { return pipe_->poll(readable(), writable(), seen_writers_); }
  WaitQueue* poll_queue() override { return &pipe_->queue(); }
  Result<> finish_open() override;
  Result<> stat(abi::Stat& out) override;
  Result<i64> ioctl(u32 command, UserAddr argument) override;
  Result<String> link_text() const override;
  const Path* path() const override { return place_ ? &place_ : nullptr; }
  // Another end of the same pipe.
  Result<FileRef> reopen(OpenFlags flags) override;
  Kind kind() const override { return Kind::kPipe; }

  Pipe& pipe() const { return *pipe_; }

 private:
  Ref<Pipe> pipe_;
  const Path place_;
  u32 peer_generation_ = 0;
  // poll(2) tells no hang-up before a writer came that this reader can have heard of.
  u32 seen_writers_ = 0;
};

// From now on, FIFOs can be opened: the pipe behind one is kept with its inode.
void register_fifos();

}  // namespace narwhal
