// mq_open(2), mq_unlink(2), mq_timedsend(2), mq_timedreceive(2), mq_notify(2), mq_getsetattr(2).
#include "fs/mqueue/mqueue.h"

#include <array>

#include "kernel/abi/resource.h"
#include "net/core/socket.h"
#include "process/family.h"
#include "process/signals.h"
#include "syscalls/handlers.h"
#include "syscalls/path_argument.h"
#include "syscalls/timespec.h"

namespace narwhal {
namespace {

using mqueue::Notification;
using mqueue::Queue;
using mqueue::QueueFile;

struct QueueAttributes {  // struct mq_attr
  i64 flags;
  i64 max_messages;
  i64 max_size;
  i64 messages;
  i64 reserved[4];
};

enum Method : i32 { kSignal = 0, kNone = 1, kThread = 2 };  // SIGEV_*

// SIGEV_NONE and SIGEV_SIGNAL.
class SignalNotification final : public Notification {
 public:
  SignalNotification(u32 pid, i32 method, i32 signal, u64 value)
      : Notification(pid), method_(method), signal_(signal), value_(value) {}
  i32 method() const override { return method_; }
  i32 signal() const override { return signal_; }
  void arrived(u32 by_pid, u32 by_uid) override {
    constexpr i32 kCodeMessageQueue = -3;  // SI_MESGQ
    // Linux takes signal 0 for a question and sends nothing.
    if (method_ != kSignal || signal_ == 0) return;
    auto process = find_process(pid());
    if (!process) return;
    abi::SignalInfo info{};
    info.number = signal_;
    info.code = kCodeMessageQueue;
    info.queued = {i32(by_pid), by_uid, value_};
    send_signal(*process, info).ignore();
  }
  void cancelled() override {}

 private:
  const i32 method_, signal_;
  const u64 value_;
};

// SIGEV_THREAD: the C library's own thread reads a netlink socket, and gets back the cookie that it
// left with us, with what happened in its last byte.
class ThreadNotification final : public Notification {
 public:
  static constexpr usize kCookieSize = 32;  // NOTIFY_COOKIE_LEN
  using Cookie = std::array<std::byte, kCookieSize>;
  ThreadNotification(u32 pid, i32 signal, Ref<Socket> socket, const Cookie& cookie)
      : Notification(pid), signal_(signal), socket_(std::move(socket)), cookie_(cookie) {}
  i32 method() const override { return kThread; }
  i32 signal() const override { return signal_; }
  void arrived(u32, u32) override { tell(1); }
  void cancelled() override { tell(2); }

 private:
  void tell(u8 what) {
    Cookie cookie = cookie_;
    cookie.back() = std::byte{what};
    // Whoever closed the socket does not listen.
    socket_->deliver(cookie).ignore();
  }
  const i32 signal_;
  const Ref<Socket> socket_;
  const Cookie cookie_;
};

// An absolute time of the wall clock; none: for ever.
Result<u64> load_wall_deadline(UserAddr timeout) {
  if (timeout.value == 0) return platform::kNoDeadline;
  const u64 ns = TRY(to_nanoseconds(TRY(load_user<abi::TimeSpec>(timeout))));
  return monotonic_from_wall_clock(i64(ns));
}

Result<FileRef> open_queue(Task& task, Fd fd) {
  auto file = task.files().get(fd.value);
  if (!file.ok()) return Errno::kBadF;
  TRY(mqueue::queue_file(*file.value()));
  return file.take();
}
QueueFile& as_queue(const FileRef& file) {
  return static_cast<QueueFile&>(*file);
}

Result<Ref<Notification>> make_notification(Task& task, const abi::SignalEvent& event) {
  const u32 pid = task.process().pid();
  switch (event.notify) {
    case kSignal:
      if (event.signal != 0 && !is_signal(event.signal)) return Errno::kInval;
      [[fallthrough]];
    case kNone:
      return Ref<Notification>(
          TRY(make_ref<SignalNotification>(pid, event.notify, event.signal, event.value)));
    case kThread: {
      constexpr int kNetlink = 16;  // AF_NETLINK
      const auto cookie = TRY(load_user<ThreadNotification::Cookie>(UserAddr(event.value)));
      auto file = TRY(task.files().get(event.signal));
      if (file->kind() != File::Kind::kSocket) return Errno::kNotSock;
      auto socket = static_ref_cast<Socket>(std::move(file));
      if (socket->family() != kNetlink) return Errno::kInval;
      return Ref<Notification>(
          TRY(make_ref<ThreadNotification>(pid, event.signal, std::move(socket), cookie)));
    }
    default:
      return Errno::kInval;
  }
}

}  // namespace

SysResult sys::mq_open(Task& task, UserString name, OpenFlags flags, Mode mode,
                       UserAddr attributes) {
  std::optional<mqueue::Attributes> wanted;
  if (attributes.value != 0) {
    const auto given = TRY(load_user<QueueAttributes>(attributes));
    wanted = mqueue::Attributes{u64(given.max_messages), u64(given.max_size)};
  }
  UserText text;
  TRY(text.load(name));
  const Process& process = task.process();
  auto fd = TRY(task.files().reserve(process.soft_limit(abi::kLimitOpenFiles)));
  FileRef file = TRY(mqueue::open(task.actor(), text.view(), flags, mode.value & kPermissionMask,
                                  wanted, process.soft_limit(abi::kLimitMessageQueues)));
  return i64(std::move(fd).commit(std::move(file), true));
}

SysResult sys::mq_unlink(Task& task, UserString name) {
  UserText text;
  TRY(text.load(name));
  TRY(mqueue::unlink(task.actor(), text.view()));
  return i64{0};
}

SysResult sys::mq_timedsend(Task& task, Fd fd, UserAddr text, usize size, u32 priority,
                            UserAddr timeout) {
  const u64 deadline = TRY(load_wall_deadline(timeout));
  if (priority >= mqueue::kMaxPriorities) return Errno::kInval;
  const FileRef file = TRY(open_queue(task, fd));
  if (!file->writable()) return Errno::kBadF;
  Queue& queue = as_queue(file).queue();
  if (size > queue.attributes().max_size) return Errno::kMsgSize;
  auto message = TRY(make_own<mqueue::Message>());
  message->priority = priority;
  message->data = TRY(UserIn<std::byte>{text}.load_array(size));
  Ref<Notification> notification;
  const auto attempt = [&] { return queue.send(message, notification); };
  if (file->nonblocking())
    TRY(attempt());
  else
    TRY(block_until_ready(queue.queue(), kPollWritable, deadline, attempt));
  if (notification) notification->arrived(task.process().pid(), task.credentials().uid);
  return i64{0};
}

SysResult sys::mq_timedreceive(Task& task, Fd fd, UserAddr text, usize size, UserAddr priority,
                               UserAddr timeout) {
  const u64 deadline = TRY(load_wall_deadline(timeout));
  const FileRef file = TRY(open_queue(task, fd));
  if (!file->readable()) return Errno::kBadF;
  Queue& queue = as_queue(file).queue();
  if (size < queue.attributes().max_size) return Errno::kMsgSize;
  const auto attempt = [&] { return queue.receive(); };
  Own<mqueue::Message> message;
  if (file->nonblocking()) {
    message = TRY(attempt());
  } else {
    queue.begin_waiting();
    auto received = block_until_ready(queue.queue(), kPollReadable, deadline, attempt);
    queue.end_waiting();
    message = TRY(received);
  }
  // As on Linux a message that can't be copied out is gone.
  if (priority.value != 0) TRY(store_user(priority, message->priority));
  TRY(UserOut<std::byte>{text}.store_array(message->data));
  return i64(message->data.size());
}

SysResult sys::mq_notify(Task& task, Fd fd, UserIn<abi::SignalEvent> event) {
  Ref<Notification> notification;
  if (!event.null()) notification = TRY(make_notification(task, TRY(event.load())));
  const FileRef file = TRY(open_queue(task, fd));
  Queue& queue = as_queue(file).queue();
  if (notification) {
    TRY(queue.set_notification(std::move(notification)));
  } else if (auto taken = queue.take_notification(task.process().pid())) {
    taken->cancelled();
  }
  return i64{0};
}

SysResult sys::mq_getsetattr(Task& task, Fd fd, UserAddr wanted, UserAddr old) {
  std::optional<QueueAttributes> change;
  if (wanted.value != 0) {
    change = TRY(load_user<QueueAttributes>(wanted));
    if (change->flags & ~i64(raw(OpenFlags::kNonBlock))) return Errno::kInval;
  }
  const FileRef file = TRY(open_queue(task, fd));
  Queue& queue = as_queue(file).queue();
  QueueAttributes now{};
  now.flags = i64(raw(file->flags() & OpenFlags::kNonBlock));
  now.max_messages = i64(queue.attributes().max_messages);
  now.max_size = i64(queue.attributes().max_size);
  now.messages = i64(queue.count());
  if (change) {
    const OpenFlags others = file->flags() & ~OpenFlags::kNonBlock;
    TRY(file->set_flags(others | OpenFlags(u32(change->flags))));
  }
  if (old.value != 0) TRY(store_user(old, now));
  return i64{0};
}

}  // namespace narwhal
