// Waiting and waking. Blocking happens here and nowhere else.
//
// A thread that waits (1) registers on one or more queues, (2) tries what it wants, (3) sleeps if
// it must wait still. An event between (2) and (3) is seen, because a wake-up turns the thread's
// state back and sleep() looks at it. Wake-ups may be spurious, never lost. Most code only needs
// block_until_ready().
#pragma once

#include "kernel/base/flags.h"
#include "kernel/base/list.h"
#include "kernel/platform/machine.h"
#include "kernel/sync/spinlock.h"

namespace narwhal {

class Thread;

// What happened, in the bits of poll(2) and epoll(7).
enum class PollEvents : u32 {
  kNone = 0,
  kIn = 0x001,
  kPri = 0x002,
  kOut = 0x004,
  kErr = 0x008,
  kHup = 0x010,
  kNval = 0x020,
  kRdNorm = 0x040,
  kRdBand = 0x080,
  kWrNorm = 0x100,
  kWrBand = 0x200,
  kMsg = 0x400,
  kRdHup = 0x2000,
  kAll = ~0u,
};
ENABLE_FLAGS(PollEvents);
inline constexpr PollEvents kPollReadable = PollEvents::kIn | PollEvents::kRdNorm;
inline constexpr PollEvents kPollWritable = PollEvents::kOut | PollEvents::kWrNorm;

// One registration on one queue. `on_wake` runs under the queue's lock, in any context, interrupts
// included: it may wake threads and queues of a lower rank, never sleep. It returns whether it used
// up the event: an exclusive waiter that did ends the round.
struct Waiter {
  ListNode node;
  PollEvents mask = PollEvents::kAll;
  bool exclusive = false;
  bool (*on_wake)(Waiter& waiter, PollEvents events) = nullptr;
};

class WaitQueue : NonCopyable {
 public:
  constexpr WaitQueue() = default;

  void add(Waiter& waiter);     // exclusive waiters queue behind the others
  void remove(Waiter& waiter);  // fine when it is not on the queue any more

  // Wakes every waiter whose mask has one of `events`, of the exclusive ones at most
  // `max_exclusive`. Costs a load when nobody waits. Errors and hang-ups wake everyone: say so with
  // kErr or kHup in `events`.
  void wake(PollEvents events, usize max_exclusive = 1);
  // The same from an on_wake of another queue, whose lock is held: an epoll passes on what it was
  // told. Returns whether any waiter used up the event.
  bool wake_nested(PollEvents events, usize max_exclusive = 1);
  void wake_all() { wake(PollEvents::kAll, ~usize{0}); }

 private:
  bool wake_waiters(PollEvents events, usize max_exclusive) TA_REQUIRES(lock_);
  // The change that a wake-up announces must be visible to others before this look: then either
  // the waker sees the waiter, or the waiter, who registers before it tries, sees the change.
  bool anybody_waits() const;

  Atomic<u32> count_{0};
  SpinLock<LockRank::kWaitQueue> lock_;
  List<Waiter, &Waiter::node> waiters_ TA_GUARDED_BY(lock_);
};

// Registers the current thread on a queue for as long as it lives. Several may live at once
// (poll(2)).
class ScopedWait : NonCopyable {
 public:
  ScopedWait(WaitQueue& queue, PollEvents events, bool exclusive = false);
  ~ScopedWait();
  bool woken() const { return waiter_.woken; }

 private:
  struct ThreadWaiter : Waiter {
    Thread* thread = nullptr;
    bool woken = false;
  };
  WaitQueue& queue_;
  ThreadWaiter waiter_;
};

// Announces that the current thread is about to sleep; call it before the attempt whose failure
// leads to sleep().
void prepare_to_sleep();
// Takes the announcement back when the attempt succeeded.
void cancel_sleep();

enum class Interruptible : bool { kNo, kYes };

// Sleeps until woken, or until monotonic time `deadline_ns`. Success says nothing but that the
// caller should look again: the deadline or a signal may have ended the sleep too. ETIMEDOUT when
// the deadline has passed before it could sleep; EINTR when a signal wants the thread (only if
// interruptible; whether the call restarts is the caller's choice). So the caller loops, and what
// it waits for is looked at once more before either error.
Result<> sleep_until(u64 deadline_ns, Interruptible interruptible = Interruptible::kYes);
inline Result<> sleep(Interruptible interruptible = Interruptible::kYes) {
  return sleep_until(platform::kNoDeadline, interruptible);
}

// What a wait ends with when the deadline passes, and when a signal comes.
struct WaitErrors {
  Errno timed_out = Errno::kTimedOut;
  Errno interrupted = Errno::kRestartSys;
};

// Turns an attempt that says EAGAIN into one that waits. `attempt` returns a Result; any other
// outcome ends the wait.
template <typename Attempt>
auto block_until_ready(WaitQueue& queue, PollEvents events, u64 deadline_ns, Attempt attempt,
                       WaitErrors errors = {}) -> decltype(attempt()) {
  {
    auto first = attempt();
    if (!first.failed(Errno::kAgain)) return first;
  }
  ScopedWait wait(queue, events | PollEvents::kErr | PollEvents::kHup);
  for (;;) {
    prepare_to_sleep();
    auto again = attempt();
    if (!again.failed(Errno::kAgain)) {
      cancel_sleep();
      return again;
    }
    if (auto slept = sleep_until(deadline_ns); !slept.ok())
      return slept.failed(Errno::kIntr) ? errors.interrupted : errors.timed_out;
  }
}

}  // namespace narwhal
