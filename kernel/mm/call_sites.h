// What an address space knows of its system calls that became direct calls. Guarded by its lock,
// but for what stub_at() reads.
#pragma once

#include <bit>
#include <iterator>

#include "kernel/base/addr.h"
#include "kernel/base/atomic.h"
#include "kernel/base/ref.h"
#include "kernel/platform/rewrite/stub.h"

namespace narwhal {

// One page of stubs, and the sites that they stand for. Slots are not used a second time: a thread
// may be halfway through one. A child has its parent's pages, as long as neither adds to them, and
// its own list of them.
struct CallArea {
  static constexpr u32 kSites = (kPageSize - rewrite::kAreaHeader) / rewrite::kStubSize;
  struct Entry {
    rewrite::Site site;
    bool live = false;  // the site has its jump
  };

  u64 start = 0;
  bool there = true;       // mapped; an area that is gone stays in the list
  bool for_short = false;  // at a place that few jumps reach: not for those that reach others
  Atomic<u64> taken[div_round_up(kSites, 64)];  // slots, a bit each
  CallArea* next = nullptr;
  // All of its sites lie in here: most changes of a program's memory are elsewhere.
  u64 low = ~u64{0}, high = 0;
  Entry entries[kSites] = {};

  static constexpr u64 stub_in(u64 page, u32 slot) {
    return page + rewrite::kAreaHeader + slot * rewrite::kStubSize;
  }
  u64 stub(u32 slot) const { return stub_in(start, slot); }
  bool is_taken(u32 slot) const {
    return taken[slot / 64].load(Order::kAcquire) >> (slot % 64) & 1;
  }
  void take(u32 slot, const rewrite::Site& site) {
    entries[slot] = {site, true};
    if (site.at < low) low = site.at;
    if (site.end() > high) high = site.end();
    Atomic<u64>& word = taken[slot / 64];
    word.store(word.load(Order::kRelaxed) | u64{1} << (slot % 64), Order::kRelease);
  }
  // kSites: none.
  u32 free_slot(const rewrite::StubRange& range) const {
    u32 slot = 0;
    while (slot < kSites && (is_taken(slot) || !range.has(stub(slot)))) ++slot;
    return slot;
  }
  template <typename Visit>
  void for_each_taken(Visit visit) {
    for (u32 word = 0; word < std::size(taken); ++word)
      for (u64 bits = taken[word].load(Order::kAcquire); bits != 0; bits &= bits - 1)
        visit(word * 64 + u32(std::countr_zero(bits)));
  }
};

struct CallSites : NonCopyable {
  // The calls that came the slow way, and how often, each at the place that its address chooses.
  struct Seen {
    u64 call = 0;
    u32 times = 0;
  };
  static constexpr usize kSeen = 256;

  Seen seen[kSeen] = {};
  Atomic<CallArea*> areas{nullptr};  // the latest first; none is taken out before the end
  u32 undone = 0;                    // how often sites were made what they were
  u32 areas_for_short = 0;

  Seen& seen_at(u64 call) { return seen[(call ^ call >> 8) % kSeen]; }
  ~CallSites() {
    for (CallArea* area = areas.load(); area;) delete std::exchange(area, area->next);
  }
};

}  // namespace narwhal
