#include "kernel/mm/promise.h"

#include "kernel/mm/frame.h"
#include "kernel/mm/reclaim.h"

namespace narwhal {

constinit Atomic<u32> overcommit_ratio{50};

static constinit Atomic<u32> chosen_policy{u32(Overcommit::kHeuristic)};
static constinit Atomic<i64> charged{0};

Overcommit overcommit_policy() {
  return Overcommit(chosen_policy.load(Order::kRelaxed));
}
void set_overcommit_policy(Overcommit policy) {
  chosen_policy.store(u32(policy));
}

void charge_pages(i64 change) {
  charged.fetch_add(change, Order::kRelaxed);
}

u64 promised_pages() {
  // What is on disks as well need not stay.
  return u64(charged.load(Order::kRelaxed)) + memory_statistics().object_frames -
         reclaimable_frames();
}

u64 promise_limit() {
  return memory_statistics().total_frames * overcommit_ratio.load(Order::kRelaxed) / 100;
}

Result<> may_promise(u64 size) {
  const Overcommit policy = overcommit_policy();
  if (policy == Overcommit::kAlways) return {};
  if (policy == Overcommit::kNever) {
    const u64 limit = promise_limit(), promised = promised_pages();
    if (promised >= limit || size / kPageSize > limit - promised) return Errno::kNoMem;
    return {};
  }
  constexpr u64 kAlwaysThere = kMiB;  // no machine has less
  if (size <= kAlwaysThere) return {};
  if (size / kPageSize > memory_statistics().total_frames) return Errno::kNoMem;
  return {};
}

}  // namespace narwhal
