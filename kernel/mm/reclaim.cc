#include "kernel/mm/reclaim.h"

namespace narwhal {
namespace {

constinit Reclaimer* reclaimers = nullptr;

}  // namespace

void register_reclaimer(Reclaimer& reclaimer) {
  reclaimer.next = reclaimers;
  reclaimers = &reclaimer;
}

u64 reclaim_frames(u64 wanted) {
  u64 got = 0;
  for (Reclaimer* each = reclaimers; each && got < wanted; each = each->next)
    got += each->give_back(wanted - got);
  return got;
}

u64 reclaimable_frames() {
  u64 held = 0;
  for (Reclaimer* each = reclaimers; each; each = each->next) held += each->held();
  return held;
}

u64 changed_frames() {
  u64 changed = 0;
  for (Reclaimer* each = reclaimers; each; each = each->next) changed += each->changed();
  return changed;
}

bool reclaim_by_writing() {
  bool done = false;
  for (Reclaimer* each = reclaimers; each; each = each->next) done |= each->write_back();
  return done;
}

}  // namespace narwhal
