// UnixEndpoint: one end of communication. UnixSocket (net/unix/socket.h) is the open file that
// stands for it; peers, queues and names refer to the endpoint, so that a file's last reference
// going is the end of the connection.
//
// Who waits waits on wait_queue(). Whether somebody may go on can depend on another endpoint's
// queue: then a waiter there forwards the wake-up (Forwarder).
#pragma once

#include "kernel/abi/socket.h"
#include "net/core/socket_actor.h"
#include "net/unix/name.h"

namespace narwhal {

class UnixSocket;

class UnixEndpoint final : public RefCounted {
 public:
  static constexpr u32 kDefaultBuffer = 212'992;  // /proc/sys/net/core/wmem_default
  static constexpr u32 kDatagramBacklog = 10;     // /proc/sys/net/unix/max_dgram_qlen

  explicit UnixEndpoint(int type) : type_(type) { forwarder_.owner = this; }
  ~UnixEndpoint() override;

  int type() const { return type_; }
  bool stream() const { return type_ == abi::kSockStream; }
  bool connection_based() const { return type_ != abi::kSockDatagram; }
  WaitQueue& wait_queue() { return wait_queue_; }

  Result<> bind(const SocketAddress& address);
  Result<> connect(const SocketAddress& address);
  Result<> listen(int backlog);
  // `may_wait`: whether the call would wait; it decides what the end of receiving looks like.
  Result<Ref<UnixEndpoint>> accept(bool may_wait);
  static void join(UnixEndpoint& first, UnixEndpoint& second);
  Result<> shutdown(int how);
  // No file stands for it any more.
  void close();

  Result<usize> send(Message& message);
  Result<usize> receive(Message& message, bool may_wait);
  PollEvents poll();

  // Length 2, the family alone, when it has no name.
  void local_address(SocketAddress& out);
  Result<> peer_address(SocketAddress& out);  // ENOTCONN

  // --- options
  bool listening();
  Errno take_error();
  // Bytes that can be read: all (of a stream), or the first datagram's. EINVAL while listening.
  Result<usize> bytes_ready();
  usize bytes_unread_by_peer();
  void set_pass_credentials(bool on);
  bool pass_credentials();
  u32 send_limit();
  void set_send_limit(u32 bytes);
  struct Peer {
    i32 pid = 0;
    CredentialsRef who;  // null: never had a peer
  };
  Peer peer_credentials();

  // For messages that go: gives their charge back.
  void uncharge(u32 charge);

 private:
  friend class UnixGarbage;  // net/unix/collector.cc
  friend Result<> bind_abstract_name(UnixEndpoint&, const SocketAddress&);
  friend Result<> bind_any_name(UnixEndpoint&);
  friend Result<> bind_path_name(UnixEndpoint&, const SocketAddress&);

  enum class State : u8 { kUnconnected, kListening, kConnected };
  enum Shutdown : u8 { kNone = 0, kReceive = 1, kSend = 2, kBoth = 3 };

  // Passes on that there is room at another endpoint.
  struct Forwarder : Waiter {
    UnixEndpoint* owner = nullptr;
    Ref<UnixEndpoint> target;
  };

  Result<> name_if_credentials_pass();
  Result<> connect_stream(const SocketAddress& address);
  Result<> connect_datagram(const SocketAddress& address);
  Result<usize> send_stream(Message& message);
  Result<usize> send_datagram(Message& message);
  Result<usize> receive_stream(Message& message);
  Result<usize> receive_datagram(Message& message, bool may_wait);

  // Takes room in the send buffer for a message and fills it. EAGAIN, EPIPE, EFAULT, ENOBUFS, and a
  // pending error.
  Result<UnixMessage*> make_message(Message& message, usize size);
  void enqueue(UnixMessage& message) TA_REQUIRES(unix_lock);
  void dequeue(UnixMessage& message) TA_REQUIRES(unix_lock);
  void purge_queue(UnixMessageList& out) TA_REQUIRES(unix_lock);
  bool writable() const TA_REQUIRES(unix_lock) {
    return state_ != State::kListening && u64{used_} * 4 <= send_limit_;
  }
  bool may_send_to(const UnixEndpoint& other) const TA_REQUIRES(unix_lock) {
    return !other.peer_ || other.peer_ == this;
  }
  // Whether `other` takes no more datagrams of ours now.
  bool full_for_us(const UnixEndpoint& other) const TA_REQUIRES(unix_lock) {
    return &other != this && other.peer_ != this && other.queue_length_ > kDatagramBacklog;
  }
  // What is returned is to be dropped without the lock.
  [[nodiscard]] Ref<UnixEndpoint> forward_from(UnixEndpoint* target) TA_REQUIRES(unix_lock);
  Errno take_error_locked() TA_REQUIRES(unix_lock) { return std::exchange(error_, Errno{}); }

  const int type_;
  WaitQueue wait_queue_;
  WaitQueue space_;  // others' forwarders: they want to send to us or to connect
  // One reader at a time; held over copies to the program. What is first in the queue stays there
  // for as long as it is held.
  Mutex<LockRank::kUnixSocket> read_mutex_;

  State state_ TA_GUARDED_BY(unix_lock) = State::kUnconnected;
  u8 shutdown_ TA_GUARDED_BY(unix_lock) = kNone;
  bool closed_ TA_GUARDED_BY(unix_lock) = false;
  bool pass_credentials_ TA_GUARDED_BY(unix_lock) = false;
  Errno error_ TA_GUARDED_BY(unix_lock) = Errno{};
  Ref<UnixName> name_ TA_GUARDED_BY(unix_lock);
  Ref<UnixEndpoint> peer_ TA_GUARDED_BY(unix_lock);
  UnixMessageList queue_ TA_GUARDED_BY(unix_lock);
  u32 queue_length_ TA_GUARDED_BY(unix_lock) = 0;
  usize queued_bytes_ TA_GUARDED_BY(unix_lock) = 0;
  u32 used_ TA_GUARDED_BY(unix_lock) = 0;  // of the send buffer
  u32 send_limit_ TA_GUARDED_BY(unix_lock) = kDefaultBuffer;
  Forwarder forwarder_ TA_GUARDED_BY(unix_lock);
  Peer peer_credentials_ TA_GUARDED_BY(unix_lock);
  Peer own_credentials_ TA_GUARDED_BY(unix_lock);  // of who called listen(2)

  // Connections that wait for accept(2); each holds a reference.
  ListNode pending_node_;
  List<UnixEndpoint, &UnixEndpoint::pending_node_> pending_ TA_GUARDED_BY(unix_lock);
  u32 pending_count_ TA_GUARDED_BY(unix_lock) = 0;
  u32 backlog_ TA_GUARDED_BY(unix_lock) = 0;
  bool never_accepted_ TA_GUARDED_BY(unix_lock) = false;
};

}  // namespace narwhal
