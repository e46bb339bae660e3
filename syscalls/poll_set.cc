#include "syscalls/poll_set.h"

namespace narwhal {

namespace {
// Reported whether asked for or not (poll(2)).
constexpr PollEvents kAlways = PollEvents::kErr | PollEvents::kHup | PollEvents::kNval;
}  // namespace

PollSet::~PollSet() {
  for (usize i = 0; i < wait_count_; ++i) waits_[i].~ScopedWait();
  ::operator delete(waits_);
}

usize PollSet::ask() {
  usize ready = 0;
  for (Entry& entry : entries_) {
    if (entry.file) entry.ready = entry.file->ready_events() & (entry.wanted | kAlways);
    if (entry.ready != PollEvents::kNone) ++ready;
  }
  return ready;
}

Result<> PollSet::register_all() {
  waits_ =
      static_cast<ScopedWait*>(::operator new(entries_.size() * sizeof(ScopedWait), std::nothrow));
  if (!waits_ && !entries_.empty()) return Errno::kNoMem;
  for (Entry& entry : entries_) {
    WaitQueue* queue = entry.file ? entry.file->poll_queue() : nullptr;
    if (queue) new (&waits_[wait_count_++]) ScopedWait(*queue, entry.wanted | kAlways);
  }
  return {};
}

Result<usize> PollSet::wait(u64 deadline_ns) {
  usize ready = ask();
  if (ready != 0 || deadline_ns == 0) return ready;
  TRY(register_all());
  for (;;) {
    prepare_to_sleep();
    ready = ask();
    if (ready != 0) {
      cancel_sleep();
      return ready;
    }
    if (auto slept = sleep_until(deadline_ns); !slept.ok()) {
      // Looked at once more: readiness beats both the deadline and the signal.
      ready = ask();
      if (ready != 0 || slept.error() == Errno::kTimedOut) return ready;
      return Errno::kRestartNoHand;
    }
  }
}

}  // namespace narwhal
