// Memory that can be had back: pages which are somewhere else, too, and are kept to save reading
// them again. Who has such pages registers here; who finds no memory asks.
#pragma once

#include "kernel/base/types.h"

namespace narwhal {

// Registered for ever, while the machine starts.
struct Reclaimer {
  // Gives back up to `frames` frames, and returns how many. May sleep for a lock, not for a device:
  // of locks it takes those of memory objects and lower ones.
  u64 (*give_back)(u64 frames) = nullptr;
  // Brings changed pages to where they belong, so that they can be given back afterwards; sleeps.
  // False: there was nothing to do.
  bool (*write_back)() = nullptr;
  u64 (*held)() = nullptr;     // frames that are such pages, changed or not
  u64 (*changed)() = nullptr;  // of these, how many have to be written back first
  Reclaimer* next = nullptr;
};
void register_reclaimer(Reclaimer& reclaimer);

// Whoever calls holds no spinlock and no lock of a memory object. Returns how many frames came
// back.
u64 reclaim_frames(u64 wanted);
// All that could come back in the end.
u64 reclaimable_frames();
// Those of them that have to be written back first.
u64 changed_frames();
// Whoever calls holds no lock at all. Whether it is worth to try again.
bool reclaim_by_writing();

}  // namespace narwhal
