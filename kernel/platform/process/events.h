// What the host's descriptors have to say: in place of the interrupts of devices.
//
// A watch is armed by who waits for a descriptor, and calls its handler once, in interrupt context,
// when the descriptor is ready. The idle CPU waits for all that are armed in one host call; a busy
// one looks at its timer ticks, and those that follow a program's computing without a pause have
// the host send a signal for each new input (SIGIO), until a CPU is idle again, or there are so
// many that they would cost more than a tick's delay does. So nothing is paid for signals where the
// kernel looks by itself.
//
// Of several idle CPUs one waits for them. What is armed while it sleeps it does not see: whoever
// arms it, or leaves off waiting, sees to it a little later that an idle one looks again, unless he
// is idle himself by then.
#pragma once

#include "kernel/base/types.h"

namespace narwhal::process_home {

struct Watch {
  int fd = -1;
  i16 events = 0;  // host::kPollIn, host::kPollOut that are waited for
  void (*ready)(void* argument) = nullptr;
  void* argument = nullptr;
  // Nobody else minds its flags: signals are asked for while a program computes. Set by
  // allow_signals().
  bool may_signal = false;
};

// For ever. ENOSPC is a panic: there are few.
void add_watch(Watch& watch);
// Interrupts held back by the caller.
void arm(Watch& watch, i16 events);

// Of a device that does not block; before confine(). Where nobody may be told, nothing happens.
void allow_signals(Watch& watch);

// In the handler of SIGIO.
void count_input_signal();
// After it, as soon as interrupts may come. Too many of them since the last tick are the last.
void hear_signals();
// At a timer tick. `user_mode`: it came while a program ran.
void look_at_tick(bool user_mode);
// Calls the handlers of what is ready now.
// True: there were some.
bool poll_events();
// Sleeps until something is ready, a signal comes or the time is over, outside of the kernel lock.
// True: a handler was called.
bool wait_for_events(u64 most_ns);
// Whether something is armed that nobody waits for, while another CPU has nothing to do.
bool somebody_should_watch();
void let_somebody_watch();

}  // namespace narwhal::process_home
