#include "kernel/platform/process/gathering.h"

#include "kernel/platform/machine.h"
#include "kernel/platform/process/hand_over_policy.h"
#include "kernel/platform/process/host.h"
#include "kernel/platform/process/host_process.h"
#include "kernel/platform/process/layout.h"

namespace narwhal::process_home {
namespace {

// Longer than a program needs for its part of what several do together.
constexpr u64 kQuiet = 5 * kNanosPerMilli;

constinit host::Processors everywhere;
constinit bool possible = false;
constinit HandOverPolicy policy;
constinit u32 meeting_place = 0;  // as Seat::bound_to
constinit u64 last_hand_over = 0;

// The number of the processor that runs this thread, found as the host's vdso finds it (vgetcpu()
// in Linux's arch/x86/include/asm/segment.h): in the limit of a segment that each of them has.
// False where there is no such segment.
bool current_processor(u32& number) {
  constexpr u32 kSegment = 0x7b, kNumberBits = 0xfff;
  u32 limit;
  bool found;
  asm volatile("lsl %2, %0" : "=r"(limit), "=@ccz"(found) : "r"(kSegment));
  number = limit & kNumberBits;
  return found;
}

void bind_to(u32 place) {
  Seat& mine = seat();
  if (mine.bound_to == place) return;
  host::Processors only;
  if (place != 0) only.add(place - 1);
  // They may have been taken away from us (cpuset(7)).
  if (!host::run_on(place == 0 ? everywhere : only).ok()) possible = false;
  mine.bound_to = place;
}

}  // namespace

void gathering_init() {
  possible =
      boot_state.cpus == 1 && host::allowed_processors(everywhere).ok() && everywhere.count() > 1;
}

u64 begin_hand_over() {
  if (!possible) return 0;
  u32 here;
  if (!policy.binds())
    meeting_place = 0;
  else if (meeting_place == 0 && current_processor(here))
    meeting_place = here + 1;
  bind_to(meeting_place);
  return platform::monotonic_ns();
}

void end_hand_over(u64 began) {
  if (!possible) return;
  last_hand_over = platform::monotonic_ns();
  policy.count(last_hand_over - began);
}

void part_when_quiet(u64 now) {
  if (seat().bound_to == 0 || now - last_hand_over < kQuiet) return;
  meeting_place = 0;
  bind_to(0);
}

}  // namespace narwhal::process_home
