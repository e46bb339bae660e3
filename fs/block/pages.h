// The page cache of a disk: what read(2) and write(2) copy from and to, and what mappings of the
// device show.
//
// A page comes from the device when it is first wanted, and goes back some time after it changed.
// Changed pages are marked; a mark is taken off before the page's content is written, so whoever
// changes it meanwhile marks it anew. A page that is neither marked, nor being written back, nor
// mapped, nor in anybody's hands may be dropped at any time.
//
// Pages [first, last) are claimed by whoever brings them in, or changes the disk behind them: so
// that nothing old comes in while something new goes out. A claim is held over transfers, never
// over copies to or from a program, nor while locks are waited for that a page fault may hold.
#pragma once

#include "fs/block/queue.h"
#include "kernel/mm/memory_object.h"
#include "kernel/mm/page_marks.h"

namespace narwhal {

class DiskPages final : public MemoryObject {
 public:
  // ENOMEM.
  static Result<Ref<DiskPages>> make(DiskQueue& queue);
  explicit DiskPages(DiskQueue& queue) : queue_(queue) {
    set_size(queue.traits().sectors * kSectorSize);
  }

  // EIO, ENOMEM.
  Result<FrameRef> page(u64 index, Access access) override;
  // For a reader who wants `wanted` pages from here on.
  Result<FrameRef> read_page(u64 index, u64 wanted);
  // The page, if it is here, for a writer: see changed().
  Result<FrameRef> present(u64 index) { return MemoryObject::page(index, Access::kRead); }
  // A page that is not here and whose whole content is `frame`. EEXIST: it is here now.
  Result<> add(u64 index, FrameRef frame);
  // A writer says so before and after the change, and holds the page in between. ENOMEM, but not
  // the second time.
  Result<> changed(u64 index);
  u64 changed_count() const;

  bool notes_writes() const override { return true; }
  Result<> write_back() override { return write_back(0, ~u64{0} >> kPageShift); }
  // Writes the changed ones of [first, last), and waits. EIO is also kept for others to hear of
  // (failures()).
  Result<> write_back(u64 first, u64 last) { return write_back(first, last, true); }
  // Where nothing is mapped.
  Result<> write_back_unmapped() { return write_back(0, ~u64{0} >> kPageShift, false); }
  // Write-backs that failed since the start.
  u32 failures() const { return failures_.load(Order::kAcquire); }

  // Takes up to `most` pages out that need not stay; returns how many.
  u64 drop(u64 most);
  // Takes all out of mappings. Whoever calls holds no address space's lock.
  void unmap() { unmap_everywhere(0, ~u64{0} >> kPageShift); }
  // Runs `change`, which changes [first, last) on the device itself. What is here of these pages is
  // written back before, and dropped.
  template <typename Change>
  Result<> change_behind(u64 first, u64 last, Change change) {
    TRY(write_back(first, last));
    forget(first, last);
    auto done = [&]() -> Result<> {
      const Claim claim(*this, first, last, last);
      return change();
    }();
    // What came in before the claim, and is old now.
    forget(first, last);
    return done;
  }

  // In pages: how many are read at once for somebody who reads in sequence.
  u64 read_ahead() const { return read_ahead_.load(Order::kRelaxed); }
  void set_read_ahead(u64 pages) { read_ahead_.store(pages, Order::kRelaxed); }

 private:
  static constexpr u64 kReadAtOnce = 32;    // pages of one read
  static constexpr u64 kWriteAtOnce = 256;  // pages of one round of write-back
  static constexpr u64 kDefaultReadAhead = 32;
  static constexpr u64 kFaultAround = 16;

  class Claim : narwhal::NonCopyable {
   public:
    // Waits until nobody else has any of [first, least), and takes what is free up to `last`.
    Claim(DiskPages& pages, u64 first, u64 least, u64 last);
    ~Claim();
    u64 last() const { return last_; }
    ListNode node;

   private:
    friend class DiskPages;
    DiskPages& pages_;
    const u64 first_;
    u64 last_;
  };
  // The first index in [first, last) that somebody has claimed; `last` if there is none.
  u64 first_claimed(u64 first, u64 last) TA_REQUIRES(lock_);

  bool can_spare(u64 index) override;
  Result<FrameRef> bring(u64 index, u64 wanted);
  Result<> read_from_device(u64 index, std::span<const FrameRef> frames);
  u64 window(u64 index, u64 wanted);
  Result<> write_back(u64 first, u64 last, bool mapped);
  Result<> write_round(const PageMarks::Run& run) TA_REQUIRES(write_back_mutex_);
  void forget(u64 first, u64 last);
  // Bytes of the disk that are in this page.
  u32 bytes_of(u64 index) const {
    const u64 left = size() - index * kPageSize;
    return u32(left < kPageSize ? left : kPageSize);
  }

  DiskQueue& queue_;
  mutable SpinLock<LockRank::kSpinOther> lock_;
  PageMarks marks_ TA_GUARDED_BY(lock_);
  List<Claim, &Claim::node> claims_ TA_GUARDED_BY(lock_);
  WaitQueue claims_changed_;
  // Being written back: not to be dropped though they are not marked any more.
  u64 writing_first_ TA_GUARDED_BY(lock_) = 0;
  u64 writing_last_ TA_GUARDED_BY(lock_) = 0;
  u64 next_expected_ TA_GUARDED_BY(lock_) = 0;  // where a reader in sequence goes on
  Atomic<u64> read_ahead_{kDefaultReadAhead};
  Atomic<u64> hand_{0};  // where drop() goes on
  Atomic<u32> failures_{0};

  // One write-back at a time: a page is never on its way twice, and who asks for one waits for what
  // another has begun.
  Mutex<LockRank::kWriteBack> write_back_mutex_;
  struct Write {
    FrameRef frames[kWriteAtOnce];
    BlockRequest::Segment segments[kWriteAtOnce];
    DiskQueue::Request requests[kWriteAtOnce];
  };
  Own<Write> write_ TA_GUARDED_BY(write_back_mutex_);
};

}  // namespace narwhal
