// The content of a tmpfs file: pages that are counted against the file system's limit, and, for
// files from the initial archive, bytes that still lie packed there.
//
// Files smaller than a page, and the ends of larger ones, lie between other things in the archive
// and can't be mapped where they are. They stay there until somebody maps or writes them, which
// then makes a page with a copy; reading copies from the archive. So a small file that is never
// mapped costs its bytes, not a page. The archive's frames below are counted, one reference for
// each file with bytes in them.
#pragma once

#include "fs/tmpfs/account.h"
#include "kernel/mm/memory_object.h"

namespace narwhal {

class TmpfsData final : public MemoryObject {
 public:
  explicit TmpfsData(Ref<TmpfsAccount> account) : account_(std::move(account)) {}
  ~TmpfsData() override;

  Result<FrameRef> page(u64 index, Access access) override;

  // Bytes for the beginning of page `index`, at most a page of them. Takes over one reference to
  // each frame that they touch. Once, before anybody else sees the object.
  void set_packed(u64 index, PhysAddr start, u32 size);
  bool has_packed(u64 index) const {
    return packed_size_.load(Order::kAcquire) != 0 && packed_index_ == index;
  }
  u64 packed_index() const { return packed_index_; }
  // The packed bytes. The caller holds the inode's lock, under which alone they are dropped.
  std::span<const std::byte> packed() const;
  void drop_packed();

  // Puts a page into its slot that the account has not been charged for. ENOSPC, ENOMEM.
  Result<> add_page(u64 index, FrameRef frame);

 protected:
  void pages_removed(u64 count) override { account_->release_pages(count); }

 private:
  Result<> leave_room_for_programs() const;

  const Ref<TmpfsAccount> account_;
  // Guards the packed bytes against being dropped while a page fault copies them.
  SpinLock<LockRank::kSpinOther> packed_lock_;
  Atomic<u32> packed_size_{0};
  PhysAddr packed_start_;
  u64 packed_index_ = 0;
};

}  // namespace narwhal
