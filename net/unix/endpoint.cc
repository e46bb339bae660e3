// Connections: who talks to whom, and how that ends.
#include "net/unix/endpoint.h"

#include "fs/core/dentry.h"
#include "fs/core/special_file.h"

namespace narwhal {
namespace {

constexpr PollEvents kAllOver =
    kPollReadable | kPollWritable | PollEvents::kRdHup | PollEvents::kHup;

UnixEndpoint::Peer present_credentials() {
  const SocketActor actor = socket_actor();
  return {actor.pid, actor.credentials};
}

}  // namespace

UnixEndpoint::~UnixEndpoint() {
  DEBUG_ASSERT(queue_.empty() && pending_.empty());
}

Result<> UnixEndpoint::bind(const SocketAddress& address) {
  constexpr u32 kFamilyAlone = 2;
  if (address.length == kFamilyAlone && address.family() == abi::kAfUnix)
    return bind_any_name(*this);
  TRY(check_unix_address(address));
  if (address.bytes[kFamilyAlone] == 0) return bind_abstract_name(*this, address);
  return bind_path_name(*this, address);
}

// unix(7): who wants credentials, and so may be asked back, gets a name.
Result<> UnixEndpoint::name_if_credentials_pass() {
  if (!pass_credentials()) return {};
  return bind_any_name(*this);
}

Result<> UnixEndpoint::connect(const SocketAddress& address) {
  return connection_based() ? connect_stream(address) : connect_datagram(address);
}

Result<> UnixEndpoint::connect_stream(const SocketAddress& address) {
  TRY(check_unix_address(address));
  TRY(name_if_credentials_pass());
  Ref<UnixEndpoint> child = TRY(make_ref<UnixEndpoint>(type_));
  const Ref<UnixEndpoint> target = TRY(find_unix_endpoint(address, type_));
  Peer me = present_credentials();
  Ref<UnixEndpoint> unused;
  SpinGuard guard(unix_lock);
  UnixEndpoint& listener = *target;
  if (listener.closed_ || listener.state_ != State::kListening || (listener.shutdown_ & kReceive))
    return Errno::kConnRefused;
  if (listener.pending_count_ > listener.backlog_) {
    unused = forward_from(&listener);
    return Errno::kAgain;
  }
  if (state_ != State::kUnconnected)
    return state_ == State::kConnected ? Errno::kIsConn : Errno::kInval;

  child->peer_ = Ref<UnixEndpoint>(this);
  child->state_ = State::kConnected;
  child->name_ = listener.name_;
  child->peer_credentials_ = std::move(me);
  child->pass_credentials_ = listener.pass_credentials_;
  child->never_accepted_ = true;
  peer_credentials_ = listener.own_credentials_;
  peer_ = child;
  state_ = State::kConnected;
  unused = forward_from(nullptr);
  listener.pending_.push_back(*child.release());
  ++listener.pending_count_;
  listener.wait_queue_.wake(kPollReadable);
  wait_queue_.wake(kPollWritable);
  return {};
}

Result<> UnixEndpoint::connect_datagram(const SocketAddress& address) {
  if (address.length < 2) return Errno::kInval;
  Ref<UnixEndpoint> target;
  if (address.family() != abi::kAfUnspecified) {
    TRY(check_unix_address(address));
    TRY(name_if_credentials_pass());
    target = TRY(find_unix_endpoint(address, type_));
  }
  DiscardedMessages lost;
  Ref<UnixEndpoint> old, unused;
  Guard reader(read_mutex_);
  SpinGuard guard(unix_lock);
  if (target) {
    if (target->closed_) return Errno::kConnRefused;
    if (!may_send_to(*target)) return Errno::kPerm;
  }
  unused = forward_from(nullptr);
  old = std::move(peer_);
  peer_ = target;
  state_ = target ? State::kConnected : State::kUnconnected;
  if (old && old != target && !queue_.empty()) {
    // What came from the old peer is lost, and a peer that thought it was connected is told.
    purge_queue(lost.list);
    space_.wake_all();
    if (!old->closed_ && old->peer_ == this) {
      old->error_ = Errno::kConnReset;
      old->wait_queue_.wake(PollEvents::kErr);
    }
  }
  wait_queue_.wake(kPollWritable);
  return {};
}

Result<> UnixEndpoint::listen(int backlog) {
  if (!connection_based()) return Errno::kOpNotSupp;
  Peer me = present_credentials();
  SpinGuard guard(unix_lock);
  if (!name_ || state_ == State::kConnected) return Errno::kInval;
  if (u32(backlog) > backlog_) space_.wake_all();
  backlog_ = u32(backlog);
  state_ = State::kListening;
  std::swap(own_credentials_, me);
  return {};
}

Result<Ref<UnixEndpoint>> UnixEndpoint::accept(bool may_wait) {
  if (!connection_based()) return Errno::kOpNotSupp;
  SpinGuard guard(unix_lock);
  if (state_ != State::kListening) return Errno::kInval;
  UnixEndpoint* child = pending_.pop_front();
  if (!child) return (shutdown_ & kReceive) && may_wait ? Errno::kInval : Errno::kAgain;
  --pending_count_;
  child->never_accepted_ = false;
  space_.wake(kPollWritable);
  return Ref<UnixEndpoint>::adopt(child);
}

void UnixEndpoint::join(UnixEndpoint& first, UnixEndpoint& second) {
  const Peer both = present_credentials();
  SpinGuard guard(unix_lock);
  first.peer_ = Ref<UnixEndpoint>(&second);
  second.peer_ = Ref<UnixEndpoint>(&first);
  for (UnixEndpoint* end : {&first, &second}) {
    end->state_ = State::kConnected;
    end->peer_credentials_ = both;
  }
}

Result<> UnixEndpoint::shutdown(int how) {
  u8 ours, theirs;
  switch (how) {
    case abi::kShutRead:
      ours = kReceive, theirs = kSend;
      break;
    case abi::kShutWrite:
      ours = kSend, theirs = kReceive;
      break;
    case abi::kShutBoth:
      ours = theirs = kBoth;
      break;
    default:
      return Errno::kInval;
  }
  SpinGuard guard(unix_lock);
  shutdown_ |= ours;
  wait_queue_.wake_all();
  if (peer_ && connection_based()) {
    peer_->shutdown_ |= theirs;
    // Who may go on sending into the void is told when it tries.
    if (theirs == kBoth)
      peer_->wait_queue_.wake(kAllOver);
    else if (theirs == kReceive)
      peer_->wait_queue_.wake(kPollReadable | PollEvents::kRdHup, ~usize{0});
    else
      peer_->wait_queue_.wake_all();
  }
  return {};
}

void UnixEndpoint::close() {
  DiscardedMessages lost;
  Ref<UnixEndpoint> peer, unused;
  Ref<UnixName> name;
  List<UnixEndpoint, &UnixEndpoint::pending_node_> pending;
  bool owns_name = false;
  {
    SpinGuard guard(unix_lock);
    closed_ = true;
    shutdown_ = kBoth;
    state_ = State::kUnconnected;
    name = name_;
    if (name && name->owner == this) {
      owns_name = true;
      forget_name(*name);
    }
    peer = std::move(peer_);
    if (peer && connection_based()) {
      peer->shutdown_ = kBoth;
      // What was sent to us and not read is lost: the peer must know.
      if (!queue_.empty() || never_accepted_) peer->error_ = Errno::kConnReset;
      peer->wait_queue_.wake(kAllOver);
    }
    purge_queue(lost.list);
    pending.splice_back(pending_);
    pending_count_ = 0;
    unused = forward_from(nullptr);
    space_.wake_all();
    wait_queue_.wake_all();
  }
  while (UnixEndpoint* child = pending.pop_front()) {
    const auto reference = Ref<UnixEndpoint>::adopt(child);
    child->close();
  }
  if (owns_name && !name->abstract()) detach_from_inode(name->place.dentry->inode(), this);
}

Ref<UnixEndpoint> UnixEndpoint::forward_from(UnixEndpoint* target) {
  if (forwarder_.target == target) return nullptr;
  if (forwarder_.target) forwarder_.target->space_.remove(forwarder_);
  Ref<UnixEndpoint> old = std::move(forwarder_.target);
  forwarder_.target = Ref<UnixEndpoint>(target);
  if (target) {
    forwarder_.on_wake = [](Waiter& waiter, PollEvents) {
      return static_cast<Forwarder&>(waiter).owner->wait_queue_.wake_nested(kPollWritable);
    };
    target->space_.add(forwarder_);
  }
  return old;
}

PollEvents UnixEndpoint::poll() {
  Ref<UnixEndpoint> unused;
  SpinGuard guard(unix_lock);
  PollEvents events = PollEvents::kNone;
  if (error_ != Errno{}) events |= PollEvents::kErr;
  if (shutdown_ == kBoth) events |= PollEvents::kHup;
  if (shutdown_ & kReceive) events |= PollEvents::kRdHup | kPollReadable;
  if (!queue_.empty() || !pending_.empty()) events |= kPollReadable;
  if (connection_based() && state_ == State::kUnconnected) events |= PollEvents::kHup;
  if (!writable()) return events;
  if (!connection_based() && peer_ && !peer_->closed_ && full_for_us(*peer_)) {
    unused = forward_from(peer_.get());
    return events;
  }
  return events | kPollWritable | PollEvents::kWrBand;
}

// --- names and options

namespace {

void copy_name(const UnixName* name, SocketAddress& out) {
  if (name) {
    out = name->address;
  } else {
    out = {};
    out.bytes[0] = u8(abi::kAfUnix);
    out.length = 2;
  }
}

}  // namespace

void UnixEndpoint::local_address(SocketAddress& out) {
  SpinGuard guard(unix_lock);
  copy_name(name_.get(), out);
}

Result<> UnixEndpoint::peer_address(SocketAddress& out) {
  SpinGuard guard(unix_lock);
  if (!peer_) return Errno::kNotConn;
  copy_name(peer_->name_.get(), out);
  return {};
}

bool UnixEndpoint::listening() {
  SpinGuard guard(unix_lock);
  return state_ == State::kListening;
}

Errno UnixEndpoint::take_error() {
  SpinGuard guard(unix_lock);
  return take_error_locked();
}

Result<usize> UnixEndpoint::bytes_ready() {
  SpinGuard guard(unix_lock);
  if (state_ == State::kListening) return Errno::kInval;
  if (connection_based()) return queued_bytes_;
  return queue_.empty() ? usize{0} : queue_.front()->size;
}

usize UnixEndpoint::bytes_unread_by_peer() {
  SpinGuard guard(unix_lock);
  return used_;
}

void UnixEndpoint::set_pass_credentials(bool on) {
  SpinGuard guard(unix_lock);
  pass_credentials_ = on;
}

bool UnixEndpoint::pass_credentials() {
  SpinGuard guard(unix_lock);
  return pass_credentials_;
}

u32 UnixEndpoint::send_limit() {
  SpinGuard guard(unix_lock);
  return send_limit_;
}

void UnixEndpoint::set_send_limit(u32 bytes) {
  SpinGuard guard(unix_lock);
  send_limit_ = bytes;
  wait_queue_.wake(kPollWritable);
}

UnixEndpoint::Peer UnixEndpoint::peer_credentials() {
  SpinGuard guard(unix_lock);
  return peer_credentials_;
}

}  // namespace narwhal
