// What an address space knows of its system calls that became direct calls. Guarded by its lock,
// but for what stub_at() reads.
#pragma once

#include "kernel/base/addr.h"
#include "kernel/base/atomic.h"
#include "kernel/base/ref.h"
#include "kernel/platform/rewrite/stub.h"

namespace narwhal {

// One page of stubs, and the sites that they stand for, in the same order. Slots are not used a
// second time: a child has its parent's pages, and its own list of them.
struct CallArea {
  static constexpr u32 kSites = (kPageSize - rewrite::kAreaHeader) / rewrite::kStubSize;
  struct Entry {
    rewrite::Site site;
    bool live = false;  // the site has its jump
  };

  u64 start = 0;
  bool open = true;   // it takes more stubs; not one that came from the parent
  bool there = true;  // mapped; an area that is gone stays in the list
  Atomic<u32> used{0};
  CallArea* next = nullptr;
  Entry entries[kSites] = {};

  u64 stub(u32 slot) const { return start + rewrite::kAreaHeader + slot * rewrite::kStubSize; }
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

  Seen& seen_at(u64 call) { return seen[(call ^ call >> 8) % kSeen]; }
  ~CallSites() {
    for (CallArea* area = areas.load(); area;) delete std::exchange(area, area->next);
  }
};

}  // namespace narwhal
