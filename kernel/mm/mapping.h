// Mapping: one range of an address space with one meaning. Guarded by its address space's lock.
#pragma once

#include "kernel/base/ordered_tree.h"
#include "kernel/mm/address_space.h"

namespace narwhal {

class Mapping : NonCopyable {
 public:
  u64 start = 0;  // [start, end): the program's addresses, page-aligned
  u64 end = 0;
  Protection protection = Protection::kNone;
  Protection max_protection = Protection::kNone;
  MapFlags flags = MapFlags::kNone;  // kShared or kPrivate, kGrowsDown, kLocked, ...
  bool charged = false;              // counts as promised (promise.h)
  bool keep_from_child = false;      // MADV_DONTFORK
  bool wipe_in_child = false;        // MADV_WIPEONFORK
  bool keep_from_dump = false;       // MADV_DONTDUMP
  bool huge_pages = false;           // MADV_HUGEPAGE
  bool sealed = false;               // mseal(2): stays as and where it is
  bool stubs = false;                // the kernel's own (call_sites.h): nothing, to the program
  u32 memory_policy = 0;             // mbind(2): kept and told
  Ref<MemoryObject> object;          // null: private anonymous memory
  u64 object_offset = 0;             // of `start`, bytes
  Ref<MappingSource> source;
  const char* special_name = nullptr;
  Ref<MappingName> name;  // the program's own

  AddressSpace* space = nullptr;
  TreeNode tree_node;
  u64 gap = 0;      // free bytes below `start`, down to the mapping before
  u64 largest = 0;  // largest gap in this subtree

  ListNode object_node;             // in MemoryObject's list; guarded by the object's lock
  u64 visited = 0;                  // by which round of MemoryObject::remove_pages()
  Mapping* next_removed = nullptr;  // in State::removed

  u64 size() const { return end - start; }
  u64 pages() const { return size() / kPageSize; }
  bool shared() const { return has(flags, MapFlags::kShared); }
  bool contains(u64 address) const { return address >= start && address < end; }
  // Page of the object behind an address.
  u64 object_index(u64 address) const { return (object_offset + (address - start)) / kPageSize; }
};

struct MappingByStart {
  static u64 key(const Mapping& m) { return m.start; }
  static void update(Mapping& m, const Mapping* left, const Mapping* right) {
    m.largest = m.gap;
    if (left && left->largest > m.largest) m.largest = left->largest;
    if (right && right->largest > m.largest) m.largest = right->largest;
  }
};

}  // namespace narwhal
