// One queue of pending signals: putting in, taking out. The rules of signal(7) that need no
// knowledge of tasks.
#pragma once

#include "process/process.h"

namespace narwhal::signal_queue {

// Caused by the very instruction that runs: delivered before all others.
inline constexpr SignalSet kSynchronous = signal_set(Signal::kSegv, Signal::kBus, Signal::kIll,
                                                     Signal::kTrap, Signal::kFpe, Signal::kSys);

// All work on a queue of `owner`: its own, or that of one of its tasks.

// A standard signal is kept once. EAGAIN when a real-time signal that carries a value finds
// RLIMIT_SIGPENDING reached or no memory; all others then come without information.
Result<> put(Process& owner, SignalQueue& queue, const abi::SignalInfo& info)
    TA_REQUIRES(owner.signal_lock);
// Takes out the next one of `wanted`: synchronous ones first, then by number, those of one number
// in the order in which they came.
bool take(Process& owner, SignalQueue& queue, SignalSet wanted, abi::SignalInfo& out)
    TA_REQUIRES(owner.signal_lock);
void drop(Process& owner, SignalQueue& queue, SignalSet unwanted) TA_REQUIRES(owner.signal_lock);

}  // namespace narwhal::signal_queue
