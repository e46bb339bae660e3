#include "fs/epoll/epoll.h"

#include "fs/core/padded_hex.h"
#include "kernel/platform/user.h"

namespace narwhal {
namespace {

constexpr PollEvents kAlways = PollEvents::kErr | PollEvents::kHup;
constexpr usize kMaxDepth = 5;
constexpr u32 kFlagBits = kEpollExclusive | kEpollWakeUp | kEpollOneShot | kEpollEdge;

// A one-shot watch that has fired keeps only its flags, and then not even errors are reported.
PollEvents wanted(const abi::EpollEvent& event) {
  return PollEvents(event.events & ~kFlagBits);
}
// Errors and hang-ups need not be asked for.
abi::EpollEvent completed(abi::EpollEvent event) {
  event.events |= u32(kAlways);
  return event;
}

}  // namespace

Epoll::~Epoll() {
  Guard guard(mutex_);
  while (Watch* watch = watches_.any()) destroy(*watch);
}

Epoll::Watch* Epoll::find(File& file, int fd) {
  return watches_.find(WatchTraits::key(file, fd),
                       [&](const Watch& w) { return &w.file == &file && w.fd == fd; });
}

void Epoll::mark_ready(Watch& watch) {
  SpinGuard guard(ready_lock_);
  if (!watch.ready_node.linked()) ready_.push_back(watch);
}

// In any context, under the lock of the file's queue.
bool Epoll::on_ready(Waiter& waiter, PollEvents events) {
  auto& watch = static_cast<Watch&>(waiter);
  if (!has(wanted(watch.event), events)) return false;
  watch.epoll.mark_ready(watch);
  // Where nobody sleeps, the list alone uses nothing up: an exclusive event goes to the next epoll.
  return watch.epoll.queue_.wake_nested(kPollReadable);
}

PollEvents Epoll::ready_events(Watch& watch) {
  return watch.file.ready_events() & wanted(watch.event);
}

void Epoll::mark_ready_if(Watch& watch) {
  if (ready_events(watch) == PollEvents::kNone) return;
  mark_ready(watch);
  queue_.wake(kPollReadable);
}

Result<> Epoll::add(FileRef file, int fd, const abi::EpollEvent& event) {
  WaitQueue* queue = file->poll_queue();
  if (!queue) return Errno::kPerm;
  if (file->kind() == Kind::kEpoll) {
    if (event.events & kEpollExclusive) return Errno::kInval;
    TRY(check_nesting(static_cast<Epoll&>(*file)));
  }
  Guard guard(mutex_);
  if (find(*file, fd)) return Errno::kExist;
  auto watch = TRY(make_own<Watch>(*this, *file, *queue, fd));
  watch->event = completed(event);
  watch->on_wake = on_ready;
  watch->exclusive = (event.events & kEpollExclusive) != 0;
  TRY(watches_.insert(*watch));
  Watch& live = *watch.release();
  file->add_observer(live);
  queue->add(live);
  mark_ready_if(live);
  return {};
}

Result<> Epoll::modify(File& file, int fd, const abi::EpollEvent& event) {
  Guard guard(mutex_);
  Watch* watch = find(file, fd);
  if (!watch) return Errno::kNoEnt;
  // epoll_ctl(2): EPOLLEXCLUSIVE may be given to ADD only.
  if ((event.events | watch->event.events) & kEpollExclusive) return Errno::kInval;
  watch->event = completed(event);
  mark_ready_if(*watch);
  return {};
}

Result<> Epoll::remove(File& file, int fd) {
  Guard guard(mutex_);
  Watch* watch = find(file, fd);
  if (!watch) return Errno::kNoEnt;
  destroy(*watch);
  return {};
}

void Epoll::destroy(Watch& watch) {
  // First off the queue, so that no wake-up can put it on the ready list again.
  watch.queue.remove(watch);
  watch.file.remove_observer(watch);
  {
    SpinGuard guard(ready_lock_);
    if (watch.ready_node.linked()) watch.ready_node.unlink();
  }
  watches_.remove(watch);
  delete &watch;
}

// The last reference to the file goes. Where that happens while this epoll asks another file, the
// mutex is already ours.
void Epoll::Watch::file_closing(File&) TA_NO_ANALYSIS {
  Epoll& owner = epoll;
  const auto held = Ref<Epoll>::adopt(&owner);  // by hold()
  const bool nested = owner.mutex_.held_by_current();
  if (!nested) owner.mutex_.lock();
  owner.destroy(*this);
  if (!nested) owner.mutex_.unlock();
}

// Takes every watch that is on the ready list now, asks its file, and hands what is ready to
// `emit`, which returns whether it took the event. Watches that were not taken keep their place.
template <typename Emit>
void Epoll::scan(Emit emit) {
  ReadyList batch;
  {
    SpinGuard guard(ready_lock_);
    batch.splice_back(ready_);
  }
  bool full = false;
  while (!full) {
    Watch* watch;
    {
      SpinGuard guard(ready_lock_);
      watch = batch.pop_front();
    }
    if (!watch) break;
    // Closing: file_closing() waits for our mutex and ends the watch. It would also wait if the
    // file closed from here on, and the file outlives it; so no reference is needed.
    if (watch->file.ref_count() == 0) continue;
    const PollEvents events = ready_events(*watch);
    if (events == PollEvents::kNone) continue;
    if (!emit(*watch, events)) {
      SpinGuard guard(ready_lock_);
      if (!watch->ready_node.linked()) batch.push_front(*watch);
      full = true;
    } else if (watch->event.events & kEpollOneShot) {
      watch->event.events &= kFlagBits;
    } else if (!(watch->event.events & kEpollEdge)) {
      mark_ready(*watch);
    }
  }
  // What is left goes before what became ready meanwhile.
  SpinGuard guard(ready_lock_);
  batch.splice_back(ready_);
  ready_.splice_back(batch);
}

Result<usize> Epoll::collect(UserAddr out, usize limit) {
  Guard guard(mutex_);
  usize stored = 0;
  bool fault = false;
  scan([&](const Watch& watch, PollEvents events) {
    if (stored == limit) return false;
    abi::EpollEvent event{u32(events), watch.event.data};
    if (!store_user(out + stored * sizeof event, event).ok()) {
      fault = true;
      return false;
    }
    ++stored;
    return true;
  });
  if (stored != 0) return stored;
  if (fault) return Errno::kFault;
  return Errno::kAgain;
}

// Asked by an outer epoll (whose mutex is held) or by poll(2). The list may hold watches whose
// files are not ready any more, so the files are asked; nothing is used up.
PollEvents Epoll::poll() TA_NO_ANALYSIS {
  {
    SpinGuard guard(ready_lock_);
    if (ready_.empty()) return PollEvents::kNone;
  }
  bool any = false;
  mutex_.lock_nested();
  scan([&](const Watch&, PollEvents) {
    any = true;
    return false;
  });
  mutex_.unlock_nested();
  return any ? kPollReadable : PollEvents::kNone;
}

usize Epoll::depth_below() TA_NO_ANALYSIS {
  usize deepest = 0;
  mutex_.lock_nested();
  watches_.for_each([&](Watch& watch) {
    if (watch.file.kind() != Kind::kEpoll) return;
    usize depth = static_cast<Epoll&>(watch.file).depth_below();
    if (depth > deepest) deepest = depth;
  });
  mutex_.unlock_nested();
  return deepest + 1;
}

bool Epoll::reaches(const Epoll& other) TA_NO_ANALYSIS {
  if (this == &other) return true;
  bool found = false;
  mutex_.lock_nested();
  watches_.for_each([&](Watch& watch) {
    if (watch.file.kind() == Kind::kEpoll && static_cast<Epoll&>(watch.file).reaches(other))
      found = true;
  });
  mutex_.unlock_nested();
  return found;
}

Result<> Epoll::check_nesting(Epoll& inner) {
  if (inner.reaches(*this) || inner.depth_below() >= kMaxDepth) return Errno::kLoop;
  return {};
}

void Epoll::describe(TextSink& out) const {
  Guard guard(mutex_);
  watches_.for_each([&](const Watch& watch) {
    out << "tfd: " << padded(u64(u32(watch.fd)), 8) << " events: ";
    out << PaddedHex{watch.event.events, 8} << " data: " << PaddedHex{watch.event.data, 16};
    abi::Stat status{};
    watch.file.stat(status).ignore();
    out << "  pos:0 ino:" << hex_digits(status.inode, 1) << " sdev:"
        << hex_digits(u64{device_major(status.device)} << 20 | device_minor(status.device), 1)
        << '\n';
  });
}

}  // namespace narwhal
