// struct sigevent of <signal.h>, as timer_create(2) takes it.
#pragma once

#include "kernel/abi/time.h"

namespace narwhal::abi {

struct SignalEvent {
  u64 value;  // union sigval
  i32 signal;
  i32 notify;  // SIGEV_*
  i32 thread;  // sigev_notify_thread_id
  i32 padding[11];
};
static_assert(sizeof(SignalEvent) == 64);

}  // namespace narwhal::abi
