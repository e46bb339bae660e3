#include "process/signal_queue.h"

#include <bit>

#include "kernel/abi/resource.h"

namespace narwhal::signal_queue {

namespace {

void free_entry(Process& owner, SignalQueue& queue, PendingSignal& entry) {
  queue.entries.remove(entry);
  owner.queued_signals.fetch_sub(1, Order::kRelaxed);
  delete &entry;
}

PendingSignal* make_entry(Process& owner, const abi::SignalInfo& info) {
  // The kernel's own reports, and kill(2), of standard signals are not held back by the limit:
  // there can't be many of them.
  const bool limited = is_real_time(Signal(info.number)) || info.code < 0;
  const u64 queued = owner.queued_signals.load(Order::kRelaxed);
  if (limited && queued >= owner.soft_limit(abi::kLimitPendingSignals)) return nullptr;
  auto* entry = new (std::nothrow) PendingSignal;
  if (!entry) return nullptr;
  owner.queued_signals.fetch_add(1, Order::kRelaxed);
  entry->info = info;
  return entry;
}

}  // namespace

Result<> put(Process& owner, SignalQueue& queue, const abi::SignalInfo& info) {
  const auto signal = Signal(info.number);
  if (!is_real_time(signal) && queue.set.has(signal)) return {};
  if (PendingSignal* entry = make_entry(owner, info))
    queue.entries.push_back(*entry);
  else if (is_real_time(signal) && info.code != abi::kCodeUser)
    return Errno::kAgain;
  queue.set.add(signal);
  return {};
}

bool take(Process& owner, SignalQueue& queue, SignalSet wanted, abi::SignalInfo& out) {
  SignalSet ready = queue.set & wanted;
  if (ready.empty()) return false;
  if (!(ready & kSynchronous).empty()) ready = ready & kSynchronous;
  const auto signal = Signal(std::countr_zero(ready.bits) + 1);

  PendingSignal* first = nullptr;
  bool more = false;
  for (PendingSignal& entry : queue.entries) {
    if (entry.info.number != i32(signal)) continue;
    more = first != nullptr;
    if (more) break;
    first = &entry;
  }
  if (!more) queue.set.remove(signal);
  if (first) {
    out = first->info;
    free_entry(owner, queue, *first);
  } else {
    // It came without information.
    out = {};
    out.number = i32(signal);
    out.code = abi::kCodeUser;
  }
  return true;
}

void drop(Process& owner, SignalQueue& queue, SignalSet unwanted) {
  if ((queue.set & unwanted).empty()) return;
  queue.set = queue.set & ~unwanted;
  for (PendingSignal* entry = queue.entries.front(); entry;) {
    PendingSignal* next = queue.entries.next(*entry);
    if (unwanted.has(Signal(entry->info.number))) free_entry(owner, queue, *entry);
    entry = next;
  }
}

}  // namespace narwhal::signal_queue
