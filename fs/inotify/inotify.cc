#include "fs/inotify/inotify.h"

#include <cstring>

#include "fs/core/dentry.h"
#include "fs/core/inode_extras.h"
#include "kernel/abi/inotify.h"
#include "kernel/abi/ioctl.h"
#include "kernel/base/format.h"

namespace narwhal {

constinit Atomic<u32> inotify::max_instances{128};
constinit Atomic<u32> inotify::max_watches{65536};
constinit Atomic<u32> inotify::max_events{16384};

namespace {

constinit Atomic<u32> instance_count{0};
constinit Atomic<u32> watch_count{0};

constexpr i32 kNoWatch = -1;  // of IN_Q_OVERFLOW
constexpr usize kMaxEventName = 255;

}  // namespace

// --- a watch

InotifyWatch::InotifyWatch(Ref<InotifyQueue> queue, const Path& place, u32 mask)
    : mask(mask),
      queue_(std::move(queue)),
      file_system_(place.mount->file_system_ref()),
      inode_(place.dentry->inode_ref()) {
  watch_count.fetch_add(1);
}

InotifyWatch::~InotifyWatch() {
  watch_count.fetch_sub(1);
}

bool InotifyWatch::on_event(u32 event, u32 cookie, std::string_view name) {
  const u32 wanted = mask.load(Order::kRelaxed);
  if (!(event & wanted & inotify::kAllEvents)) return true;
  if (event & wanted & notify::kNameGone) return true;
  event &= ~u32{notify::kNameGone | notify::kInsideOnly};
  queue_->push(number, event, cookie, name);
  return !(wanted & inotify::kOneShot);
}

void InotifyWatch::removed() {
  queue_->forget(*this);
}

// --- the queue

InotifyQueue::~InotifyQueue() {
  while (Event* event = events_.pop_front()) ::operator delete(event);
}

usize InotifyQueue::size_of(const Event& event) {
  // The name with at least one NUL, up to a whole number of headers.
  const usize name = event.name_size ? align_up(event.name_size + 1, sizeof(abi::InotifyEvent)) : 0;
  return sizeof(abi::InotifyEvent) + name;
}

void InotifyQueue::push(i32 number, u32 mask, u32 cookie, std::string_view name) {
  {
    SpinGuard guard(lock_);
    push_locked(number, mask, cookie, name);
  }
  queue_.wake(kPollReadable);
}

void InotifyQueue::push_locked(i32 number, u32 mask, u32 cookie, std::string_view name) {
  Event* last = events_.back();
  // The same again tells nothing new (inotify(7)).
  if (last && last->watch == number && last->mask == mask && last->name_text() == name) return;
  if (event_count_ >= inotify::max_events.load(Order::kRelaxed)) {
    if (last && last->watch == kNoWatch) return;
    number = kNoWatch;
    mask = notify::kOverflow;
    cookie = 0;
    name = {};
  }
  void* memory = ::operator new(sizeof(Event) + name.size(), std::nothrow);
  // Without memory an event is lost; Linux queues an overflow then, for which there is no memory
  // either.
  if (!memory) return;
  auto* event = new (memory) Event{{}, number, mask, cookie, u32(name.size())};
  if (!name.empty()) std::memcpy(event->name(), name.data(), name.size());
  events_.push_back(*event);
  ++event_count_;
  byte_count_ += size_of(*event);
}

Result<usize> InotifyQueue::read(IoBuffer& to) {
  usize total = 0;
  for (;;) {
    Event* event;
    {
      SpinGuard guard(lock_);
      event = events_.front();
      if (!event) break;
      if (size_of(*event) > to.remaining()) {
        if (total == 0) return Errno::kInval;
        break;
      }
      event->node.unlink();
      --event_count_;
      byte_count_ -= size_of(*event);
    }
    const usize padded = size_of(*event) - sizeof(abi::InotifyEvent);
    const abi::InotifyEvent header{event->watch, event->mask, event->cookie, u32(padded)};
    char name[align_up(kMaxEventName + 1, sizeof(abi::InotifyEvent))] = {};
    std::memcpy(name, event->name(), event->name_size);
    ::operator delete(event);
    // An event that the program's memory could not take is lost, as on Linux.
    const auto copy = [&]() -> Result<> {
      TRY(to.write(&header, sizeof header));
      if (padded != 0) TRY(to.write(name, padded));
      return {};
    };
    if (auto copied = copy(); !copied.ok()) {
      if (total != 0) break;
      return copied.error();
    }
    total += sizeof header + padded;
  }
  if (total == 0) return Errno::kAgain;
  return total;
}

bool InotifyQueue::empty() {
  SpinGuard guard(lock_);
  return events_.empty();
}

usize InotifyQueue::bytes_ready() {
  SpinGuard guard(lock_);
  return byte_count_;
}

// --- its watches

InotifyWatch* InotifyQueue::find_locked(i32 number) {
  return by_number_.find(mix_hash(u64(number)),
                         [&](const InotifyWatch& watch) { return watch.number == number; });
}

Result<i32> InotifyQueue::add_watch(const Path& place, u32 mask) {
  Guard adding(adding_mutex_);
  Inode& inode = place.dentry->inode();
  const u32 kept = mask & (inotify::kAllEvents | inotify::kOneShot | inotify::kExcludeUnlinked);
  {
    SpinGuard guard(lock_);
    InotifyWatch* there =
        by_inode_.find(InotifyWatch::ByInode::hash_of(inode),
                       [&](const InotifyWatch& watch) { return &watch.inode() == &inode; });
    if (there) {
      if (mask & inotify::kMaskCreate) return Errno::kExist;
      there->mask.store(mask & inotify::kMaskAdd ? there->mask.load() | kept : kept);
      return there->number;
    }
  }
  if (watch_count.load() >= inotify::max_watches.load()) return Errno::kNoSpc;
  InodeExtras* extras = TRY(inode.extras());
  auto watch = TRY(make_ref<InotifyWatch>(Ref<InotifyQueue>(this), place, kept));
  i32 number;
  {
    SpinGuard guard(lock_);
    // Numbers are not used again before all others were.
    do {
      last_number_ = last_number_ == __INT_MAX__ ? 1 : last_number_ + 1;
    } while (find_locked(last_number_));
    number = watch->number = last_number_;
    TRY(by_number_.insert(*watch));
    if (auto inserted = by_inode_.insert(*watch); !inserted.ok()) {
      by_number_.remove(*watch);
      return inserted.error();
    }
    watch->add_ref();
  }
  extras->watches.add(*watch);
  return number;
}

Result<> InotifyQueue::remove_watch(i32 number) {
  Guard adding(adding_mutex_);  // one that is being added is on its inode before it can be removed
  Ref<InotifyWatch> watch;
  {
    SpinGuard guard(lock_);
    watch = Ref<InotifyWatch>(find_locked(number));
  }
  if (!watch) return Errno::kInval;
  // Whoever takes it off the inode says that it is gone.
  if (watch->inode().extras_if_any()->watches.remove(*watch)) forget(*watch);
  return {};
}

void InotifyQueue::forget(InotifyWatch& watch) {
  {
    SpinGuard guard(lock_);
    if (!watch.number_node.linked) return;
    by_number_.remove(watch);
    by_inode_.remove(watch);
    push_locked(watch.number, notify::kIgnored, 0, {});
  }
  queue_.wake(kPollReadable);
  watch.drop_ref();
}

void InotifyQueue::remove_all() {
  for (;;) {
    Ref<InotifyWatch> watch;
    {
      SpinGuard guard(lock_);
      watch = Ref<InotifyWatch>(by_number_.any());
    }
    if (!watch) return;
    watch->inode().extras_if_any()->watches.remove(*watch);
    forget(*watch);
  }
}

void InotifyQueue::describe(TextSink& out) {
  SpinGuard guard(lock_);
  by_number_.for_each([&](const InotifyWatch& watch) {
    const u64 device = watch.inode().file_system().device();
    out << "inotify wd:" << hex_digits(u64(watch.number), 1)
        << " ino:" << hex_digits(watch.inode().number(), 1)
        << " sdev:" << hex_digits(u64{device_major(device)} << 20 | device_minor(device), 1)
        << " mask:" << hex_digits(watch.mask.load(), 1) << " ignored_mask:0\n";
  });
}

// --- the file

Result<FileRef> InotifyFile::create(OpenFlags flags) {
  if (instance_count.fetch_add(1) >= inotify::max_instances.load()) {
    instance_count.fetch_sub(1);
    return Errno::kMFile;
  }
  auto queue = make_ref<InotifyQueue>();
  auto file = queue.ok() ? make_ref<InotifyFile>(queue.take(), flags)
                         : Result<Ref<InotifyFile>>(Errno::kNoMem);
  if (!file.ok()) {
    instance_count.fetch_sub(1);
    return file.error();
  }
  return FileRef(file.take());
}

InotifyFile::~InotifyFile() {
  queue_->remove_all();
  instance_count.fetch_sub(1);
}

Result<i64> InotifyFile::ioctl(u32 command, UserAddr argument) {
  if (command != abi::kFionRead) return Errno::kNotTty;
  TRY(store_user(argument, i32(queue_->bytes_ready())));
  return i64{0};
}

}  // namespace narwhal
