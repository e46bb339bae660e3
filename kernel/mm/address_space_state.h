// The inside of an AddressSpace. All of it is guarded by `mutex`, which Session takes.
#pragma once

#include <utility>

#include "kernel/mm/call_sites.h"
#include "kernel/mm/mapping.h"

namespace narwhal {

// Whether the object must hear of writes through this mapping.
inline bool notes_writes(const Mapping& mapping) {
  return mapping.shared() && mapping.object && mapping.object->notes_writes();
}
// The rights of a page of an object before it is written: a private one is copied first, and some
// objects want to hear of it.
inline Protection unwritten_protection(const Mapping& mapping) {
  const bool writable = mapping.shared() && !notes_writes(mapping);
  return writable ? mapping.protection : mapping.protection & ~Protection::kWrite;
}

inline constexpr const char* kHeapName = "[heap]";

struct AddressSpace::State {
  using Tree = OrderedTree<Mapping, &Mapping::tree_node, MappingByStart>;

  Mutex<LockRank::kAddressSpace> mutex;
  Tree mappings;
  Mapping* removed = nullptr;  // taken out in this session
  Limits limits;
  // How many bytes the caller may lock: RLIMIT_MEMLOCK does not bind who has CAP_IPC_LOCK.
  u64 lock_limit() const;
  u64 mmap_base = kUserEnd.value;
  u64 heap_start = 0;
  u64 heap_end = 0;  // the break, not page-aligned
  bool lock_future = false;
  u8 write_exec_rule = 0;  // WriteExecRule
  Vector<u64> auxiliary_words;
  bool huge_pages_allowed = true;
  bool has_seals = false;  // some mapping is sealed, or was
  // Pages. The page of zeros counts as resident nowhere.
  u64 mapping_count = 0;
  u64 total_pages = 0, locked_pages = 0, peak_pages = 0;
  u64 resident_anonymous = 0, resident_object = 0, peak_resident = 0;

  Own<CallSites> calls;     // null: no call has come the slow way yet
  bool calls_stay = false;  // keep_calls()

  Pmap* pmap = nullptr;
  AddressSpace* owner = nullptr;

  // --- looking up (address_space.cc)
  Mapping* find(u64 address) const;
  // The first mapping that ends above `address`.
  Mapping* first_above(u64 address) const;
  bool is_free(u64 start, u64 end) const;
  // The highest free range of `size` bytes in [low, high); 0: there is none.
  u64 find_free(u64 size, u64 low, u64 high) const;
  // Where a new mapping of `size` bytes goes when nobody asks for a place. ENOMEM.
  Result<u64> place(u64 size, bool low) const;
  // Whether every byte of [start, end) is mapped.
  bool is_covered(u64 start, u64 end) const;

  // Whether a mapping's pages are promised to the program: it is private and writable, and nobody
  // said that it will stay empty (which is not believed where nothing may be overcommitted).
  static bool is_charged(const Mapping& mapping);
  // Whether a mapping may have `size` bytes (more). ENOMEM.
  static Result<> promise(const Mapping& mapping, u64 size);

  static u8 inherited(u8 rule) { return rule & kDoNotInherit ? 0 : rule; }
  // Whether what has the rights `before` (a new mapping: those it shall have) may not get `after`.
  bool refuses_execution(Protection before, Protection after) const {
    if (write_exec_rule == 0 || !has(after, Protection::kExecute)) return false;
    return has(after, Protection::kWrite) || !has(before, Protection::kExecute);
  }

  // --- changing the set of mappings
  // EPERM when something in [start, end) is sealed.
  Result<> check_seals(u64 start, u64 end) const;
  void insert(Mapping& mapping);
  void remove(Mapping& mapping);  // does not delete it
  void set_bounds(Mapping& mapping, u64 start, u64 end);
  void set_locked(Mapping& mapping, bool locked);
  // A mapping like `model` for [start, end) of the model's meaning, not yet in the tree. ENOMEM.
  Result<Own<Mapping>> copy(const Mapping& model, u64 start, u64 end, State& into) const;
  // Makes `at` a border between mappings. ENOMEM, also when there are as many as may be.
  Result<> split(u64 at);
  Result<> split(Mapping& mapping, u64 at);  // that contains it; however many there are
  bool is_full() const { return mapping_count >= max_map_count.load(Order::kRelaxed); }
  // Joins a mapping with its neighbours where they mean the same; returns what contains it now.
  Mapping* merge(Mapping& mapping);
  // The same for everything in a range, after a change there.
  void merge_range(u64 start, u64 end);
  // Removes everything in a range, pages included. ENOMEM (a split).
  Result<> clear(u64 start, u64 end);
  Result<Mapping*> add(const MapRequest& request, u64 start, u64 length);

  // --- pages (address_space_pages.cc)
  // A lent table (Pmap) has one use for a range that only touches it: none. Owns those at the ends
  // of a range that stick out of it, before pages are dropped. ENOMEM.
  Result<> own_edges(u64 start, u64 end);
  // After that: takes out what lies in lent tables that others use as well, and makes the rest own.
  void drop_lent_tables(u64 start, u64 end);
  // Unmaps pages, of which none is in a lent table, and drops their references; what is not a page
  // of an object may stay.
  void drop_pages(u64 start, u64 end, bool only_of_object = false);
  // Makes one page accessible. The mapping allows the access.
  Result<> fault(Mapping& mapping, u64 page, Protection access);
  // Brings in what is not there yet, as if it were touched. ENOMEM, EIO.
  Result<> populate(u64 start, u64 end);
  // The mapping below which a stack may grow to `address`, grown; null if there is none.
  Mapping* grow_down(u64 address);
  void count(PhysAddr frame, i64 change);
  // Present pages in a range that belong to no object: what private memory costs.
  u64 anonymous_pages(u64 start, u64 end) const;

  // --- system calls that became direct calls (address_space_calls.cc)
  // Before a program changes or uses a range: what lies there is as it would be without such calls,
  // as far as can be seen. ENOMEM.
  Result<> yield(u64 start, u64 end);
  // The same where it wants free room: whether it is free.
  bool claim(u64 start, u64 end);
  // Bytes that were read at `at`, as they would be.
  void show_originals(u64 at, std::span<std::byte> bytes) const;
  Result<> copy_calls(const State& from);
  // `times`: how often it came the slow way.
  bool rewrite_call(u64 call, u64 number, u32 times);
  Result<> undo_calls(u64 start, u64 end);
  // A slot that nobody uses, in a range; `often`: it is worth a page. `entry`: of the kernel.
  struct StubPlace {
    CallArea* area;
    u32 slot;
  };
  bool find_stub_place(const rewrite::Site& site, const rewrite::StubRange& range, u64 entry,
                       bool often, StubPlace& out);
  // Takes away the kernel's own mappings in a range, and the jumps to them. ENOMEM.
  Result<> clear_stubs(u64 start, u64 end);

 private:
  Result<> fill_hole(const Mapping& mapping, u64 page);
  usize code_before(u64 call, std::span<std::byte> out);
  bool change_code(Mapping& mapping, u64 at, std::span<const std::byte> bytes);
  bool undo_call(CallArea& area, u32 slot);
  u64 place_for_stubs(const rewrite::Site& site, const rewrite::StubRange& range) const;
  u64 place_for_short(const rewrite::StubRange& range) const;
  CallArea* make_call_area(u64 start, u64 entry);

  Result<> fault_absent(Mapping& mapping, u64 page, Protection access);
  unsigned run_order(const Mapping& mapping, u64 page) const;
  bool map_run(const Mapping& mapping, u64 page, unsigned order);
  bool map_large(const Mapping& mapping, u64 page);
  Result<> fault_object(Mapping& mapping, u64 page, Protection access);
  Result<> break_sharing(Mapping& mapping, u64 page, PhysAddr frame);
  Result<> map_frame(const Mapping& mapping, u64 page, FrameRef frame, Protection protection);
  void map_around(Mapping& mapping, u64 page);
};

// Holds the lock. What was removed meanwhile is destroyed only after it is given back: the last
// reference to an open file may go with a mapping, and closing takes locks that come before this
// one.
class AddressSpace::Session {
 public:
  explicit Session(State& state) TA_NO_ANALYSIS;
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session() TA_NO_ANALYSIS;

 private:
  State& state_;
};

}  // namespace narwhal
