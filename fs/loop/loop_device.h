// Loop devices, loop(4): a regular file seen as a block device.
//
// A device knows its backing file and which part of it is shown; the content stays the file's, so
// that nothing is kept twice and nothing needs writing back. Its lock is a spinlock over the few
// words of its state: a transfer takes a View and goes on without it.
#pragma once

#include "fs/core/file.h"
#include "kernel/abi/loop.h"
#include "kernel/sync/spinlock.h"

namespace narwhal {

class LoopDevice {
 public:
  static constexpr u32 kMajor = 7;
  static constexpr u32 kCount = 8;
  static constexpr u32 kSectorSize = 512;
  static constexpr u32 kDefaultReadAhead = 256;  // sectors

  // Null when there is no such device.
  static LoopDevice* find(u32 number);
  // The first without a backing file. ENOSPC: Linux makes one more, here their number is fixed.
  static Result<u32> find_free();

  // What is shown at this moment. `file` is null when nothing is.
  struct View {
    FileRef file;
    u64 offset = 0;
    u64 size = 0;  // bytes, whole sectors
    u32 block_size = kSectorSize;
    bool read_only = false;
  };
  View view();
  u64 size() { return view().size; }
  bool bound();

  // LOOP_SET_FD, LOOP_CONFIGURE. EBUSY when it has a file; EINVAL for files that are not regular,
  // sizes that are no power of 2 from 512 to a page, and settings that Linux does not take.
  Result<> bind(FileRef file, const abi::LoopInfo64& info, u32 block_size, bool device_writable);
  // LOOP_CLR_FD: at once, or with the last close while others have it open. ENXIO.
  Result<> unbind();
  // LOOP_CHANGE_FD: for a read-only device and a file of the same size. ENXIO, EINVAL.
  Result<> change_file(FileRef file);
  // ENXIO without a file.
  Result<abi::LoopInfo64> status();
  // EINVAL for encryption, EOVERFLOW for offsets that lseek(2) could not reach.
  Result<> set_status(const abi::LoopInfo64& info);
  // The file's size may have changed.
  Result<> refresh_size();
  Result<> set_block_size(u32 size);
  u32 read_ahead() const { return read_ahead_.load(Order::kRelaxed); }
  void set_read_ahead(u32 sectors) { read_ahead_.store(sectors, Order::kRelaxed); }

  // Those who have it open; the last may take the backing file along.
  void opened();
  void closed();

 private:
  struct State {
    FileRef file;
    abi::LoopInfo64 info{};
    u64 size = 0;
    u32 block_size = kSectorSize;
  };
  u32 number() const;

  SpinLock<LockRank::kSpinOther> lock_;
  State state_ TA_GUARDED_BY(lock_);
  u32 openers_ TA_GUARDED_BY(lock_) = 0;
  Atomic<u32> read_ahead_{kDefaultReadAhead};
};

// Serves /dev/loop0 and its like, and /dev/loop-control. Called once.
void loop_init();

}  // namespace narwhal
