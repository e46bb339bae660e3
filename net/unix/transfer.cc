// Messages: sent into the peer's queue, received from one's own.
#include "kernel/abi/socket.h"
#include "net/unix/collector.h"
#include "net/unix/endpoint.h"

namespace narwhal {
namespace {

// What a message costs: as on Linux, where a few bytes find room beside a struct sk_buff.
constexpr u32 kMessageCost = 768;
constexpr usize kFreeBytes = 192;
// Long writes to a stream become messages of this size: a run of frames with the header in it.
constexpr usize kMostOfStream = 32 * kKiB - sizeof(UnixMessage);
// unix(7): a datagram must fit the send buffer.
constexpr usize kDatagramOverhead = 32;

void set_address(Message& message, const Ref<UnixName>& name) {
  if (!message.address) return;
  if (name)
    *message.address = name->address;
  else
    message.address->length = 0;
}

bool same(const ControlData::Ids& a, const ControlData::Ids& b) {
  return a.pid == b.pid && a.uid == b.uid && a.gid == b.gid;
}

}  // namespace

void UnixEndpoint::uncharge(u32 charge) {
  SpinGuard guard(unix_lock);
  used_ -= charge;
  if (writable()) wait_queue_.wake(kPollWritable);
}

Result<UnixMessage*> UnixEndpoint::make_message(Message& message, usize size) {
  const u32 charge = kMessageCost + (size > kFreeBytes ? u32(size) : 0);
  {
    SpinGuard guard(unix_lock);
    if (error_ != Errno{}) return take_error_locked();
    if (shutdown_ & kSend) return Errno::kPipe;
    if (used_ >= send_limit_) return Errno::kAgain;
    used_ += charge;
  }
  UnixMessage* made = TRY(UnixMessage::create(Ref<UnixEndpoint>(this), size, charge));
  const auto copied = size == 0 ? Result<usize>(usize{0}) : message.data.read(made->data(), size);
  if (!copied.ok() || copied.value() != size) {
    UnixMessage::destroy(made);
    return Errno::kFault;
  }
  const ControlData* control = message.control;
  if (control && control->has_credentials) {
    made->ids = control->credentials;
  } else {
    const SocketActor actor = socket_actor();
    made->ids = {actor.pid, actor.credentials->uid, actor.credentials->gid};
  }
  return made;
}

void UnixEndpoint::enqueue(UnixMessage& message) {
  queue_.push_back(message);
  ++queue_length_;
  queued_bytes_ += message.size;
  UnixGarbage::note_sent(message);
  wait_queue_.wake(kPollReadable);
}

void UnixEndpoint::dequeue(UnixMessage& message) {
  UnixGarbage::note_taken(message);
  message.node.unlink();
  --queue_length_;
  queued_bytes_ -= message.left();
}

void UnixEndpoint::purge_queue(UnixMessageList& out) {
  while (UnixMessage* message = queue_.front()) {
    dequeue(*message);
    out.push_back(*message);
  }
}

Result<usize> UnixEndpoint::send(Message& message) {
  if (message.flags & abi::kMsgOutOfBand) return Errno::kOpNotSupp;
  if (message.control && !message.control->files.empty()) {
    const SocketActor actor = socket_actor();
    const bool bounded = !actor.credentials->capable(Capability::kSysResource) &&
                         !actor.credentials->capable(Capability::kSysAdmin);
    if (bounded && UnixGarbage::in_flight() > actor.open_files_limit) return Errno::kTooManyRefs;
    UnixGarbage::collect_if_many();
  }
  return stream() ? send_stream(message) : send_datagram(message);
}

Result<usize> UnixEndpoint::send_stream(Message& message) {
  Ref<UnixEndpoint> peer;
  u32 limit;
  {
    SpinGuard guard(unix_lock);
    if (message.address && message.address->length != 0)
      return state_ == State::kConnected ? Errno::kIsConn : Errno::kOpNotSupp;
    if (!peer_) return Errno::kNotConn;
    if (shutdown_ & kSend) return Errno::kPipe;
    peer = peer_;
    limit = send_limit_;
  }
  const usize most = limit / 2 < kMostOfStream ? limit / 2 : kMostOfStream;
  usize total = 0;
  while (message.data.remaining() != 0) {
    const usize left = message.data.remaining();
    const usize size = left < most ? left : most;
    auto made = make_message(message, size);
    if (!made.ok()) {
      if (total != 0) return total;
      return made.error();
    }
    UnixMessage* part = made.value();
    // Descriptors go with the first part.
    if (total == 0 && message.control) part->files = std::move(message.control->files);
    DiscardedMessages unsent;
    SpinGuard guard(unix_lock);
    if (peer->closed_ || (peer->shutdown_ & kReceive)) {
      unsent.list.push_back(*part);
      if (total != 0) return total;
      return Errno::kPipe;
    }
    peer->enqueue(*part);
    total += size;
  }
  return total;
}

Result<usize> UnixEndpoint::send_datagram(Message& message) {
  Ref<UnixEndpoint> target, lost_peer, unused;
  const bool connected = connection_based();  // SOCK_SEQPACKET, which takes no address
  const SocketAddress* address = message.address;
  if (connected || (address && address->length == 0)) address = nullptr;
  {
    SpinGuard guard(unix_lock);
    if (connected) {
      if (error_ != Errno{}) return take_error_locked();
      if (state_ != State::kConnected) return Errno::kNotConn;
    }
    if (!address) {
      if (!peer_) return Errno::kNotConn;
      target = peer_;
    }
  }
  if (address) TRY(check_unix_address(*address));
  TRY(name_if_credentials_pass());
  const usize size = message.data.remaining();
  if (size + kDatagramOverhead > send_limit()) return Errno::kMsgSize;
  if (address) target = TRY(find_unix_endpoint(*address, type_));
  {
    // Whether there is room is asked before the bytes are copied, since a call that has to wait
    // comes again.
    SpinGuard guard(unix_lock);
    if (error_ != Errno{}) return take_error_locked();
    if (shutdown_ & kSend) return Errno::kPipe;
    if (used_ >= send_limit_) return Errno::kAgain;
    if (!may_send_to(*target)) return Errno::kPerm;
    if (target->closed_) {
      if (connected) return Errno::kPipe;
      if (peer_ == target) {
        lost_peer = std::move(peer_);
        unused = forward_from(nullptr);
        state_ = State::kUnconnected;
      }
      return Errno::kConnRefused;
    }
    if (target->shutdown_ & kReceive) return Errno::kPipe;
    if (full_for_us(*target)) {
      unused = forward_from(target.get());
      return Errno::kAgain;
    }
  }
  UnixMessage* made = TRY(make_message(message, size));
  if (message.control) made->files = std::move(message.control->files);
  DiscardedMessages unsent;
  SpinGuard guard(unix_lock);
  if (target->closed_ || (target->shutdown_ & kReceive)) {
    unsent.list.push_back(*made);
    return target->closed_ && !connected ? Errno::kConnRefused : Errno::kPipe;
  }
  unused = forward_from(nullptr);
  target->enqueue(*made);
  return size;
}

Result<usize> UnixEndpoint::receive(Message& message, bool may_wait) {
  // There is never any.
  if (message.flags & abi::kMsgOutOfBand) return stream() ? Errno::kInval : Errno::kOpNotSupp;
  return stream() ? receive_stream(message) : receive_datagram(message, may_wait);
}

namespace {

// Hands received descriptors, and who sent them, to the call.
void deliver_control(Message& message, Vector<FileRef> files, const ControlData::Ids& ids,
                     bool pass_credentials) {
  if (!message.control) {
    if (!files.empty()) message.result_flags |= abi::kMsgControlTruncated;
    return;
  }
  if (!files.empty()) message.control->files = std::move(files);
  if (pass_credentials) {
    message.control->has_credentials = true;
    message.control->credentials = ids;
  }
}

// For MSG_PEEK: the descriptors are given, and stay.
Result<Vector<FileRef>> copy_files(const Vector<FileRef>& files) {
  Vector<FileRef> copy;
  TRY(copy.append(files));
  return copy;
}

}  // namespace

Result<usize> UnixEndpoint::receive_datagram(Message& message, bool may_wait) {
  const bool peek = (message.flags & abi::kMsgPeek) != 0;
  DiscardedMessages done;
  Vector<FileRef> files;
  Ref<UnixName> name;
  Guard reader(read_mutex_);
  UnixMessage* datagram;
  bool pass;
  {
    SpinGuard guard(unix_lock);
    if (connection_based() && state_ != State::kConnected) return Errno::kNotConn;
    if (error_ != Errno{}) return take_error_locked();
    datagram = queue_.front();
    if (!datagram) {
      // Who polls a datagram socket learns of the end from poll(2) alone.
      if ((shutdown_ & kReceive) && (connection_based() || may_wait)) return usize{0};
      return Errno::kAgain;
    }
    name = datagram->sender->name_;
    pass = pass_credentials_;
    if (!peek) {
      dequeue(*datagram);
      done.list.push_back(*datagram);
      files = std::move(datagram->files);
      space_.wake(kPollWritable);
    }
  }
  const usize room = message.data.remaining();
  const usize wanted = room < datagram->size ? room : datagram->size;
  if (wanted != 0) {
    const usize moved = TRY(message.data.write(datagram->data(), wanted));
    if (moved != wanted) return Errno::kFault;
  }
  if (peek) files = TRY(copy_files(datagram->files));
  if (wanted < datagram->size) message.result_flags |= abi::kMsgTruncated;
  set_address(message, name);
  deliver_control(message, std::move(files), datagram->ids, pass);
  return message.flags & abi::kMsgTruncated ? datagram->size : wanted;
}

Result<usize> UnixEndpoint::receive_stream(Message& message) {
  const bool peek = (message.flags & abi::kMsgPeek) != 0;
  DiscardedMessages done;
  Vector<FileRef> files;
  Ref<UnixName> name;
  ControlData::Ids ids{};
  Guard reader(read_mutex_);
  UnixMessage* last = nullptr;  // the message seen before
  bool pass = false;
  usize total = 0;
  for (;;) {
    UnixMessage* part;
    {
      SpinGuard guard(unix_lock);
      if (state_ != State::kConnected) return Errno::kInval;
      part = peek && last ? queue_.next(*last) : queue_.front();
      if (!part && !last) {
        if (error_ != Errno{}) return take_error_locked();
        if (shutdown_ & kReceive) return usize{0};
        return Errno::kAgain;
      }
      if (part && !last) {
        name = part->sender->name_;
        pass = pass_credentials_;
        ids = part->ids;
      }
    }
    if (!part || (pass && !same(part->ids, ids))) break;
    last = part;
    const auto copied = message.data.remaining() == 0
                            ? Result<usize>(usize{0})
                            : message.data.write(part->data() + part->offset, part->left());
    if (!copied.ok()) {
      if (total != 0) break;
      return copied.error();
    }
    const usize moved = copied.value();
    total += moved;
    bool finished = moved == part->left();
    const bool has_files = !part->files.empty();
    if (peek) {
      if (has_files) files = TRY(copy_files(part->files));
    } else {
      SpinGuard guard(unix_lock);
      if (has_files) {
        UnixGarbage::note_taken(*part);
        files = std::move(part->files);
      }
      part->offset += moved;
      queued_bytes_ -= moved;
      if (finished) {
        dequeue(*part);
        done.list.push_back(*part);
      }
    }
    // What comes after descriptors is another read's.
    if (has_files || !finished || message.data.remaining() == 0) break;
  }
  set_address(message, name);
  deliver_control(message, std::move(files), ids, pass);
  return total;
}

}  // namespace narwhal
