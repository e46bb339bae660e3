#include "fs/core/async_signals.h"

#include "fs/core/file.h"
#include "kernel/sched/thread.h"

namespace narwhal {

namespace {

// Turning the flag on and off, which is rare: one at a time.
constinit Mutex<LockRank::kMutexOther> switching;
// Taken from wake-ups, as the ready list of an epoll.
constinit SpinLock<LockRank::kEpollReady> news_lock;
[[clang::no_destroy]] constinit List<AsyncSignals, &AsyncSignals::news_node> news
    TA_GUARDED_BY(news_lock);
constinit void (*signaller)(const FileNews& news) = nullptr;
constinit Thread* teller = nullptr;  // started with the first file, and never ended

}  // namespace

PollEvents band_of(i32 code) {
  switch (code) {
    case kNewsInput:
      return kPollReadable;
    case kNewsOutput:
      return kPollWritable | PollEvents::kWrBand;
    case kNewsMessage:
      return kPollReadable | PollEvents::kMsg;
    case kNewsError:
      return PollEvents::kErr;
    case kNewsHangUp:
      return PollEvents::kHup | PollEvents::kErr;
    default:
      return PollEvents::kNone;
  }
}

AsyncSignals::AsyncSignals(File& file) : file_(file) {
  watch_.signals = this;
  watch_.on_wake = note;
}

// The file goes, so nobody turns the flag on or off meanwhile.
AsyncSignals::~AsyncSignals() {
  stop_watching();
}

FileOwner AsyncSignals::owner() const {
  SpinGuard guard(news_lock);
  return owner_;
}

void AsyncSignals::set_owner(const FileOwner& owner) {
  SpinGuard guard(news_lock);
  owner_ = owner;
}

// With `switching` held.
Result<> AsyncSignals::prepare(i32 fd) {
  if (!teller) {
    auto thread = TRY(start_kernel_thread(
        "file-signals",
        [](void*) {
          for (;;) {
            prepare_to_sleep();
            tell();
            static_cast<void>(sleep(Interruptible::kNo));
          }
        },
        nullptr));
    teller = thread.release();
  }
  SpinGuard list(news_lock);
  fd_ = fd;
  return {};
}

Result<> AsyncSignals::expect_posts(i32 fd) {
  Guard guard(switching);
  return prepare(fd);
}

Result<> AsyncSignals::enable(i32 fd) {
  Guard guard(switching);
  TRY(prepare(fd));
  WaitQueue* queue = file_.poll_queue();
  if (!queue || queue_) return {};
  // An end of a pipe hears of its own side only.
  watch_.mask = PollEvents::kNone;
  if (file_.readable()) watch_.mask |= kPollReadable;
  if (file_.writable()) watch_.mask |= kPollWritable;
  if (file_.kind() == File::Kind::kSocket) watch_.mask |= PollEvents::kErr | PollEvents::kHup;
  queue_ = queue;
  queue->add(watch_);
  return {};
}

void AsyncSignals::disable() {
  Guard guard(switching);
  stop_watching();
}

void AsyncSignals::stop_watching() {
  if (queue_) std::exchange(queue_, nullptr)->remove(watch_);
  SpinGuard guard(news_lock);
  if (news_node.linked()) news_node.unlink();
  codes_ = 0;
}

// What Linux would send for a wake-up; 0: nothing.
i32 AsyncSignals::code_of(PollEvents events) {
  // Something that is no readiness changed, such as who has a FIFO open.
  if (events == PollEvents::kAll) return 0;
  const File::Kind kind = file_.kind();
  const bool socket = kind == File::Kind::kSocket, terminal = kind == File::Kind::kTerminal;
  if (socket && has(events, PollEvents::kErr)) return kNewsError;
  if (socket && has(events, PollEvents::kHup)) return kNewsHangUp;
  if (terminal && has(events, PollEvents::kHup)) return 0;  // there is SIGHUP for that
  if (has(events, watch_.mask & PollEvents::kIn)) return kNewsInput;
  if (!has(events, watch_.mask & PollEvents::kOut)) return 0;
  if ((socket || terminal) && !lacks_room_.exchange(false)) return 0;
  return kNewsOutput;
}

// In any context, under the lock of the file's queue.
bool AsyncSignals::note(Waiter& waiter, PollEvents events) {
  AsyncSignals& self = *static_cast<Watch&>(waiter).signals;
  const i32 code = self.code_of(events);
  if (code != 0) self.post(code);
  return false;
}

void AsyncSignals::post(i32 code) {
  {
    SpinGuard guard(news_lock);
    codes_ |= 1u << code;
    if (!news_node.linked()) news.push_back(*this);
  }
  current_thread()->set_user_work(UserWork::kFileSignals);
  wake_thread(*teller);
}

bool AsyncSignals::take(FileNews& out) {
  SpinGuard guard(news_lock);
  AsyncSignals* self = news.front();
  if (!self) return false;
  const i32 code = __builtin_ctz(self->codes_);
  self->codes_ &= self->codes_ - 1;
  if (self->codes_ == 0) self->news_node.unlink();
  out = {self->owner_, self->fd_, code, band_of(code)};
  return true;
}

void AsyncSignals::set_signaller(void (*function)(const FileNews& news)) {
  signaller = function;
}

void AsyncSignals::tell() {
  FileNews each;
  while (take(each))
    if (signaller && each.owner.id != 0) signaller(each);
}

}  // namespace narwhal
