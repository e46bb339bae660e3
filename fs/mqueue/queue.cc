// One queue and its open files.
#include "fs/core/clock.h"
#include "fs/mqueue/mqueue.h"
#include "ipc/shared_memory.h"

namespace narwhal::mqueue {

namespace {
constexpr usize kTextSize = 80;  // of what read(2) shows: st_size
}

Queue::Queue(FileSystem& fs, u64 number, u32 mode, u32 uid, u32 gid, const Attributes& attributes,
             u32 charged_user)
    : Inode(fs, FileType::kRegular, number, mode, uid, gid),
      attributes_(attributes),
      charged_user_(charged_user) {
  const abi::TimeSpec now = current_file_time();
  set_times(now, now, now);
}

Queue::~Queue() {
  {
    Guard guard(mutex_);
    while (Message* message = messages_.pop_front()) delete message;
  }
  release(charged_user_, attributes_);
}

u64 Queue::count() {
  Guard guard(mutex_);
  return count_;
}

Result<> Queue::send(Own<Message>& message, Ref<Notification>& notification) {
  Guard guard(mutex_);
  if (count_ >= attributes_.max_messages) return Errno::kAgain;
  Message* behind = nullptr;
  // Most messages have the lowest priority, or all the same: look from the end.
  for (Message* last = messages_.back(); last && last->priority < message->priority;
       last = messages_.previous(*last))
    behind = last;
  bytes_ += message->data.size();
  ++count_;
  if (behind)
    messages_.insert_before(*behind, *message.release());
  else
    messages_.push_back(*message.release());
  if (count_ == 1 && receivers_.load() == 0) notification = std::move(notification_);
  set_modified(current_file_time());
  // Of those who wait, anybody may be the one for whom there is room or a message.
  wait_queue_.wake(kPollReadable, ~usize{0});
  return {};
}

Result<Own<Message>> Queue::receive() {
  Guard guard(mutex_);
  Message* first = messages_.pop_front();
  if (!first) return Errno::kAgain;
  bytes_ -= first->data.size();
  --count_;
  set_modified(current_file_time());
  wait_queue_.wake(kPollWritable, ~usize{0});
  return Own<Message>(first);
}

Result<> Queue::set_notification(Ref<Notification> notification) {
  Guard guard(mutex_);
  if (notification_) return Errno::kBusy;
  notification_ = std::move(notification);
  return {};
}

Ref<Notification> Queue::take_notification(u32 pid) {
  Guard guard(mutex_);
  if (!notification_ || notification_->pid() != pid) return nullptr;
  return std::move(notification_);
}

PollEvents Queue::poll(bool for_reading, bool for_writing) {
  Guard guard(mutex_);
  // Both, whatever it was opened for: as Linux.
  static_cast<void>(for_reading), static_cast<void>(for_writing);
  PollEvents events = PollEvents::kNone;
  if (count_ != 0) events |= kPollReadable;
  if (count_ < attributes_.max_messages) events |= kPollWritable;
  return events;
}

void Queue::describe(TextSink& out) {
  constexpr i32 kSignalMethod = 0;  // SIGEV_SIGNAL
  Guard guard(mutex_);
  const Notification* told = notification_.get();
  const auto field = [&](std::string_view name, i64 value, usize width) {
    Text<24> digits;
    digits << value;
    out << name << digits.view();
    for (usize at = digits.size(); at < width; ++at) out << ' ';
  };
  field("QSIZE:", i64(bytes_), 10);
  field(" NOTIFY:", told ? told->method() : 0, 5);
  field(" SIGNO:", told && told->method() == kSignalMethod ? told->signal() : 0, 5);
  field(" NOTIFY_PID:", told ? told->pid() : 0, 6);
  out << '\n';
}

Result<> Queue::stat(abi::Stat& out) {
  TRY(Inode::stat(out));
  out.size = kTextSize;
  return {};
}

Result<> Queue::set_attributes(const AttributeChange& change) {
  apply_attributes(change);
  return {};
}

Result<FileRef> Queue::open(const Path& path, OpenFlags flags) {
  return FileRef(TRY(make_ref<QueueFile>(path, flags)));
}

Result<usize> QueueFile::read_at(IoBuffer& to, u64 offset) {
  Text<kTextSize + 40> text;
  queue().describe(text);
  const std::string_view all = text.view();
  if (offset >= all.size()) return usize{0};
  return to.write(all.data() + offset, all.size() - offset);
}

Result<i64> QueueFile::seek(i64 offset, int whence) {
  return seek_position(offset, whence, kTextSize);
}

void QueueFile::descriptor_closed() {
  if (auto taken = queue().take_notification(sysv::current_pid())) taken->cancelled();
}

}  // namespace narwhal::mqueue
