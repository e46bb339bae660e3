#include "ipc/messages.h"

#include <utility>

#include "fs/core/clock.h"
#include "ipc/table_row.h"

namespace narwhal::sysv {

constinit Mutex<LockRank::kMutexOther> msg_lock;

constinit Atomic<u32> Messages::max_size{8192};
constinit Atomic<u32> Messages::max_bytes{16384};
constinit Atomic<u32> Messages::max_ids{32000};
constinit Atomic<i32> Messages::next_id{-1};

namespace {

[[clang::no_destroy]] constinit IdTable<MessageQueue> queues TA_GUARDED_BY(msg_lock);

i64 now_s() {
  return current_file_time().seconds;
}

}  // namespace

// Nobody refers to it any more, and msg_lock may be held: msgget(2) gives a queue up that found no
// room in the table.
MessageQueue::~MessageQueue() TA_NO_ANALYSIS {
  while (Message* message = messages_.pop_front()) delete message;
}

Result<i32> Messages::get(const Caller& caller, i32 key, u32 flags) {
  Guard guard(msg_lock);
  const auto make = [&]() TA_REQUIRES(msg_lock) -> Result<i32> {
    auto queue = TRY(make_ref<MessageQueue>());
    queue->max_bytes_ = max_bytes.load();
    queue->changed_at_ = now_s();
    return queues.add(std::move(queue), key, flags, caller.who, max_ids.load(), next_id);
  };
  return sysv::get(queues, caller, key, flags, [](MessageQueue&) { return Result<>(); }, make);
}

// --- sending and receiving

Result<> Messages::send(const Caller& caller, i32 id, Own<Message> message, u32 flags) {
  Ref<MessageQueue> queue;
  const auto attempt = [&]() -> Result<> {
    Guard guard(msg_lock);
    if (!queue) queue = Ref<MessageQueue>(TRY(queues.find(id)));
    if (queue->entry.removed) return Errno::kIdRm;
    TRY(check_access(queue->entry, caller.who, kWrite));
    const usize size = message->data.size();
    if (!queue->fits(size)) return Errno::kAgain;
    queue->bytes_ += size;
    ++queue->count_;
    queue->messages_.push_back(*message.release());
    queue->last_sender_ = caller.pid;
    queue->sent_at_ = now_s();
    queue->receivers_.wake_all();
    return {};
  };
  if (auto at_once = attempt(); !at_once.failed(Errno::kAgain) || (flags & abi::kIpcNoWait))
    return at_once;
  auto sent = block_until_ready(queue->senders_, PollEvents::kAll, platform::kNoDeadline, attempt);
  return sent.failed(Errno::kRestartSys) ? Result<>(Errno::kRestartNoHand) : sent;
}

Message* MessageQueue::find(i64 type, u32 flags) {
  if (flags & abi::kMsgCopy) {
    for (Message& message : messages_)
      if (type-- == 0) return &message;
    return nullptr;
  }
  Message* lowest = nullptr;
  for (Message& message : messages_) {
    if (type == 0) return &message;
    if (type < 0) {
      const i64 at_most = type == INT64_MIN ? INT64_MAX : -type;
      if (message.type <= at_most && (!lowest || message.type < lowest->type)) lowest = &message;
    } else if ((message.type == type) != bool(flags & abi::kMsgExcept)) {
      return &message;
    }
  }
  return lowest;
}

void MessageQueue::take(Message& message, u32 pid) {
  message.node.unlink();
  bytes_ -= message.data.size();
  --count_;
  last_receiver_ = pid;
  received_at_ = now_s();
  senders_.wake_all();
}

Result<Own<Message>> Messages::receive(const Caller& caller, i32 id, usize size, i64 type,
                                       u32 flags) {
  Ref<MessageQueue> queue;
  const auto attempt = [&]() -> Result<Own<Message>> {
    Guard guard(msg_lock);
    if (!queue) queue = Ref<MessageQueue>(TRY(queues.find(id)));
    if (queue->entry.removed) return Errno::kIdRm;
    TRY(check_access(queue->entry, caller.who, kRead));
    Message* found = queue->find(type, flags);
    if (!found) return Errno::kAgain;
    if (found->data.size() > size && !(flags & abi::kMsgNoError)) return Errno::kTooBig;
    if (!(flags & abi::kMsgCopy)) {
      queue->take(*found, caller.pid);
      return Own<Message>(found);
    }
    auto copy = TRY(make_own<Message>());
    copy->type = found->type;
    TRY(copy->data.append(found->data));
    return copy;
  };
  {
    auto received = attempt();
    if (!received.failed(Errno::kAgain)) return received;
  }
  if (flags & abi::kIpcNoWait) return Errno::kNoMsg;
  auto received =
      block_until_ready(queue->receivers_, PollEvents::kAll, platform::kNoDeadline, attempt);
  if (received.failed(Errno::kRestartSys)) return Errno::kRestartNoHand;
  return received;
}

// --- msgctl(2)

abi::MsgStatus MessageQueue::status() const {
  abi::MsgStatus out{};
  out.permission = entry.to_abi();
  out.sent = sent_at_;
  out.received = received_at_;
  out.changed = changed_at_;
  out.bytes = bytes_;
  out.count = count_;
  out.max_bytes = max_bytes_;
  out.last_sender = i32(last_sender_);
  out.last_receiver = i32(last_receiver_);
  return out;
}

Result<Messages::Found> Messages::stat(const Caller& caller, i32 id) {
  Guard guard(msg_lock);
  return Found{id, TRY(queues.find_readable(id, caller.who))->status()};
}

Result<Messages::Found> Messages::stat_index(const Caller& caller, i32 index, bool any) {
  Guard guard(msg_lock);
  MessageQueue& queue = *TRY(queues.readable_at(index, caller.who, any));
  return Found{queue.entry.id, queue.status()};
}

Result<> Messages::remove(const Caller& caller, i32 id) {
  Ref<MessageQueue> dropped;  // after the lock, which its destructor takes
  Guard guard(msg_lock);
  MessageQueue& queue = *TRY(queues.find(id));
  TRY(check_owner(queue.entry, caller.who));
  dropped = queues.remove(queue);
  queue.senders_.wake_all();
  queue.receivers_.wake_all();
  return {};
}

Result<> Messages::set(const Caller& caller, i32 id, const abi::MsgStatus& wanted) {
  Guard guard(msg_lock);
  MessageQueue& queue = *TRY(queues.find(id));
  TRY(check_owner(queue.entry, caller.who));
  if (wanted.max_bytes > max_bytes.load() && !caller.who.capable(Capability::kSysResource))
    return Errno::kPerm;
  TRY(set_permission(queue.entry, wanted.permission));
  queue.max_bytes_ = wanted.max_bytes;
  queue.changed_at_ = now_s();
  // Those who wait look at their rights and at the room again.
  queue.senders_.wake_all();
  queue.receivers_.wake_all();
  return {};
}

abi::MsgLimits Messages::limits() {
  constexpr i32 kSegmentSize = 16;
  abi::MsgLimits out{};
  out.max_size = i32(max_size.load());
  out.max_bytes = i32(max_bytes.load());
  out.max_ids = i32(max_ids.load());
  // Historical numbers that mean nothing (msgctl(2)), as Linux computes them.
  out.pool = i32(u64(max_ids.load()) * max_bytes.load() / 1024);
  out.map = out.max_bytes;
  out.max_messages = out.max_bytes;
  out.segment_size = kSegmentSize;
  out.segments = 0xffff;
  return out;
}

abi::MsgLimits Messages::usage() {
  abi::MsgLimits out = limits();
  Guard guard(msg_lock);
  u64 count = 0, bytes = 0;
  queues.for_each([&](MessageQueue& queue) TA_REQUIRES(msg_lock) {
    count += queue.count_;
    bytes += queue.bytes_;
  });
  out.pool = i32(queues.in_use());
  out.map = i32(count);
  out.max_messages = i32(bytes);
  return out;
}

i32 Messages::highest_index() {
  Guard guard(msg_lock);
  return queues.highest();
}

Result<> Messages::show(TextSink& out) {
  out << "       key      msqid perms      cbytes       qnum lspid lrpid   uid   gid  cuid  cgid"
         "      stime      rtime      ctime\n";
  Guard guard(msg_lock);
  queues.for_each([&](MessageQueue& queue) TA_REQUIRES(msg_lock) {
    const abi::MsgStatus s = queue.status();
    TableRow row(out);
    row.begin(s.permission, queue.entry.id).gap().number(s.bytes, 10).number(s.count, 10);
    row.number(s.last_sender, 5).number(s.last_receiver, 5).owners(s.permission);
    row.number(s.sent, 10).number(s.received, 10).number(s.changed, 10);
  });
  return {};
}

}  // namespace narwhal::sysv
