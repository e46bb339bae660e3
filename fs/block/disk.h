// Disks: block devices of the machine's, under the names that Linux gives to virtio's.
#pragma once

#include "fs/block/pages.h"
#include "fs/core/file.h"

namespace narwhal {

class Disk : NonCopyable {
 public:
  // Linux gives virtblk the first dynamic major number that is free, which is this one.
  static constexpr u32 kMajor = 254;
  static constexpr u32 kMinorsOfEach = 16;  // the disk and its partitions
  static constexpr u32 kMost = 26;

  // The next disk; it lives for ever. Called while the machine starts. ENOSPC, ENOMEM.
  static Result<> add(Ref<BlockDevice> device);
  // By the order in which they were added; null.
  static Disk* find(u32 index);
  template <typename Visit>
  static void for_each(Visit visit) {
    for (u32 i = 0; Disk* disk = find(i); ++i) visit(*disk);
  }

  u32 index() const { return index_; }
  u32 minor() const { return index_ * kMinorsOfEach; }
  std::string_view name() const { return {name_, sizeof name_}; }
  u64 size() const { return traits().sectors * kSectorSize; }
  const BlockDevice::Traits& traits() const { return queue_.traits(); }
  DiskQueue& queue() { return queue_; }
  DiskPages& pages() { return *pages_; }
  bool read_only() const { return traits().read_only || set_read_only_.load(Order::kRelaxed); }
  void set_read_only(bool value) { set_read_only_.store(value, Order::kRelaxed); }

  // Through the page cache. Short at the end of the disk; ENOSPC for a write that begins there,
  // EPERM where it is read-only. EIO, ENOMEM, EFAULT when nothing was moved.
  Result<usize> read(IoBuffer& to, u64 offset);
  Result<usize> write(IoBuffer& from, u64 offset);
  // O_DIRECT: with the device itself. EINVAL where place, size or memory do not fit its blocks.
  Result<usize> read_direct(IoBuffer& to, u64 offset);
  Result<usize> write_direct(IoBuffer& from, u64 offset);
  // The content is forgotten, or zeros from now on. [start, start + length): whole sectors.
  Result<> discard(u64 start, u64 length);
  Result<> zero(u64 start, u64 length, bool may_unmap);

  // Those who have it open. An exclusive one (O_EXCL) can be only one: EBUSY.
  Result<> opened(bool exclusive);
  void closed(bool exclusive);
  u32 openers() const { return openers_.load(Order::kRelaxed); }

  // Failed write-backs as an opener sees them: each once. What nobody has heard of yet, the next
  // opener hears (errseq_t in Linux).
  u32 first_failure_to_tell();
  // Whether there were some since `seen`, which is brought up to date.
  bool has_failed(u32& seen);

 private:
  Disk(u32 index, Ref<BlockDevice> device) : index_(index), queue_(std::move(device)) {
    name_[2] = char('a' + index);
  }
  Result<usize> write_page(IoBuffer& from, u64 offset, usize size);
  Result<> write_zeros_by_hand(u64 sector, u64 count);

  const u32 index_;
  char name_[3] = {'v', 'd', 'a'};
  DiskQueue queue_;
  Ref<DiskPages> pages_;
  Atomic<bool> set_read_only_{false};
  Atomic<u32> openers_{0};
  Atomic<bool> is_exclusive_{false};
  Atomic<u32> failures_told_{0};
};

// Serves the block devices' numbers and puts their names into /dev. Called once, after the last
// Disk::add(). ENOMEM.
Result<> disks_init();

}  // namespace narwhal
