// The protocol stack: lwIP under one lock (docs/decisions/0030-lwip-under-one-lock.md).
//
// Nothing here or in the other headers of this folder shows lwIP itself, but for those named
// *_lwip.h, which only this folder includes.
#pragma once

#include "kernel/sched/mutex.h"

namespace narwhal::net {

// Held around everything that touches the stack, by the network thread and by system calls alike.
// The program's memory may be touched under it.
class TA_CAPABILITY("mutex") CoreLock : NonCopyable {
 public:
  constexpr CoreLock() = default;
  void lock() TA_ACQUIRE();
  // First finishes what was begun: hands over what was sent to ourselves, tells devices of what was
  // sent through them, and sets the timer.
  void unlock() TA_RELEASE();
  // For who only asks and changes nothing: no clock is brought up to date, nothing is finished.
  void lock_to_look() TA_ACQUIRE();
  void unlock_after_look() TA_RELEASE() { mutex_.unlock(); }
  void assert_held() const TA_ASSERT_HELD() { mutex_.assert_held(); }
  bool held() const { return mutex_.held_by_current(); }

 private:
  Mutex<LockRank::kNetCore> mutex_;
};
extern constinit CoreLock core_lock;
using CoreGuard = Guard<CoreLock>;
class TA_SCOPED CoreLook : NonCopyable {
 public:
  explicit CoreLook(CoreLock& lock) TA_ACQUIRE(lock) : lock_(lock) { lock_.lock_to_look(); }
  ~CoreLook() TA_RELEASE() { lock_.unlock_after_look(); }

 private:
  CoreLock& lock_;
};

// Makes the stack and its loopback interface. Called once, before anything else here.
Result<> core_init();
// Starts the thread that handles what devices receive and what timers ask for.
Result<> start_network_thread();
// One round of that thread's work: timers that are due, then at most `budget` packets of each
// device. Returns whether there is more to do at once.
bool core_work(usize budget = 64);
// There is something to do. Any context.
void core_wake();
// When core_work() wants to be called again if nothing happens before; platform::kNoDeadline: not
// at all.
u64 core_next_deadline();

}  // namespace narwhal::net
