// The lock that lets one CPU at a time into the kernel (docs/decisions/0044).
//
// It belongs to a CPU, not to a thread: a home takes it on the way in, keeps it while threads take
// turns on the CPU, and gives it back on the way to the program or when the CPU has nothing to do.
// So it is held whenever code above the homes runs, and nobody above them needs to know.
#pragma once

#include "kernel/base/atomic.h"
#include "kernel/base/types.h"

namespace narwhal {

class KernelLock : NonCopyable {
 public:
  // Assembly gives the lock back by a store of 0 there.
  static constexpr usize kOwnerOffset = 0;

  constexpr KernelLock() = default;

  // `me` tells CPUs apart and is not 0. `wait` is called over and over while the lock is another's:
  // it answers what others ask of this CPU, or they would wait for each other.
  template <typename Wait>
  void acquire(u32 me, Wait wait) {
    // A CPU that comes back at once finds the lock free before those who wait have seen it: it lets
    // them go first. Not for ever, since a CPU that waits may be one that does not run just now.
    if (waiting_.load(Order::kRelaxed) != 0)
      for (u32 i = 0; i < kCourtesy && last_.load(Order::kRelaxed) == me; ++i) wait();
    u32 nobody = 0;
    if (!owner_.compare_exchange(nobody, me, Order::kAcquire)) {
      waiting_.fetch_add(1, Order::kRelaxed);
      do {
        while (owner_.load(Order::kRelaxed) != 0) wait();
        nobody = 0;
      } while (!owner_.compare_exchange(nobody, me, Order::kAcquire));
      waiting_.fetch_sub(1, Order::kRelaxed);
    }
    last_.store(me, Order::kRelaxed);
  }
  void release() { owner_.store(0, Order::kRelease); }

  // For homes where who waits can sleep. `futex(word, value)` sleeps while the word is `value`, or
  // for less; release_and_look() tells whether somebody has to be woken, who sleeps on word().
  template <typename Futex>
  void sleep(Futex futex) {
    sleepers_.fetch_add(1);
    if (const u32 owner = owner_.load(); owner != 0) futex(word(), owner);
    sleepers_.fetch_sub(1);
  }
  bool release_and_look() {
    owner_.exchange(0);
    return sleepers_.load() != 0;
  }
  u32& word() { return *reinterpret_cast<u32*>(&owner_); }

  bool held_by(u32 me) const { return owner_.load(Order::kRelaxed) == me; }

 private:
  static constexpr u32 kCourtesy = 64;  // of `wait`, which is a pause and little more

  Atomic<u32> owner_{0};
  Atomic<u32> waiting_{0};
  Atomic<u32> last_{0};
  Atomic<u32> sleepers_{0};
};

}  // namespace narwhal
