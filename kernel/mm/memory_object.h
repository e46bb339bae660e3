// A run of pages that files and mappings share: the content of a tmpfs file, shared anonymous
// memory, a memfd.
//
// This is the page cache: read(2) and write(2) of a file copy from and to these pages, mmap(2) maps
// the same ones. Pages appear zeroed when first written or faulted in; a hole costs nothing. Sizes
// and offsets are in bytes.
#pragma once

#include "kernel/base/list.h"
#include "kernel/base/ref.h"
#include "kernel/mm/frame.h"
#include "kernel/sched/mutex.h"

namespace narwhal {

class Mapping;  // mm/mapping.h: one range of an address space
struct MappingList;

class MemoryObject : public RefCounted {
 public:
  MemoryObject() = default;
  ~MemoryObject() override;

  // The page that holds byte `index * kPageSize`. kRead: an empty FrameRef for a hole. kWrite:
  // makes the page. ENOMEM, ENOSPC when over the limit that the owner set; subclasses for other
  // stores may add EIO.
  enum class Access : u8 { kRead, kWrite };
  virtual Result<FrameRef> page(u64 index, Access access);

  // Puts a frame into an empty slot, taking over the reference. ENOMEM, EEXIST.
  Result<> insert(u64 index, FrameRef frame);
  // Takes pages [first, last) out, from mappings too (a later access of a private or shared mapping
  // faults again).
  void remove_pages(u64 first, u64 last);
  // The size beyond which a mapping's access is SIGBUS. Set by the owner under its own lock;
  // shrinking removes pages and clears the rest of the last one.
  void set_size(u64 bytes);
  u64 size() const { return size_.load(Order::kAcquire); }
  u64 page_count() const { return pages_.load(Order::kRelaxed); }
  // First index at or above `from` that holds a page (data) or none (hole): lseek(2) SEEK_DATA,
  // SEEK_HOLE. ~0 when there is none.
  u64 next_data(u64 from) const;
  u64 next_hole(u64 from) const;

  // Whether page() must hear of each page that is about to be written through a shared mapping.
  // Pages that it has not heard of are then mapped for reading only.
  virtual bool notes_writes() const { return false; }
  // Brings pages that were changed through mappings to where the content is kept: msync(2). May
  // sleep; takes address spaces' locks. The default has no other place.
  virtual Result<> write_back() { return {}; }

  // Called by AddressSpace as mappings come and go.
  // ENOMEM.
  Result<> attach(Mapping& mapping);
  void detach(Mapping& mapping);
  // Whether its pages may change under a private mapping that shows them.
  bool has_shared_writers() const { return shared_writers_.load(Order::kRelaxed) != 0; }

 protected:
  // Called after remove_pages() or set_size() took `count` pages out, without the lock held, for
  // owners who keep account. The destructor does not call it: an owner's own destructor comes first
  // and finds page_count() as it was.
  virtual void pages_removed(u64 count) { static_cast<void>(count); }
  // Called after a mapping has come or gone, with the lock of its address space held and none of
  // this object's: for owners who count them (shmat(2)). Only spinlocks may be taken.
  virtual void mapping_added() {}
  virtual void mapping_removed() {}
  // Takes up to `most` of the pages [first, last) out which are in no mapping and in nobody's
  // hands, and which can_spare() gives up. `next`: where to go on. Returns how many.
  u64 drop_unused(u64 first, u64 last, u64 most, u64& next);
  // Asked with the object's lock held; only spinlocks may be taken.
  virtual bool can_spare(u64 index) { return static_cast<void>(index), false; }
  // Takes pages [first, last) out of all mappings, whose next access faults.
  void unmap_everywhere(u64 first, u64 last);

 private:
  struct Node;
  u64* find_slot(u64 index) const TA_REQUIRES(mutex_);
  Result<u64*> make_slot(u64 index) TA_REQUIRES(mutex_);
  static void free_node(Node* node, u32 level);
  // Calls visit(index, slot) for every page in [first, last) until it returns false.
  static bool is_empty(const Node& node);
  // `kPrunes`: what visit() leaves empty goes.
  template <bool kPrunes, typename Visit>
  static bool visit_pages(Node* node, u32 level, u64 base, u64 first, u64 last, Visit& visit);

  Atomic<u64> size_{0};
  Atomic<u64> pages_{0};
  Atomic<u32> shared_writers_{0};  // shared mappings that may be written
  mutable Mutex<LockRank::kMemoryObject> mutex_;
  Node* root_ TA_GUARDED_BY(mutex_) = nullptr;             // radix tree by page index
  u32 height_ TA_GUARDED_BY(mutex_) = 0;                   // levels of nodes; 0: no root
  MappingList* mappings_ TA_GUARDED_BY(mutex_) = nullptr;  // made with the first mapping
};

}  // namespace narwhal
