// One end of a TCP connection, or a listener: what a socket is built on.
//
// The socket derives from it and is told of changes. All calls, and all that it is told, happen
// with the core lock held. Nothing sleeps: what can't go on says EAGAIN.
//
// Buffers. Received data stays in the packets that brought it until it is read; the window that the
// peer sees is what the receive limit leaves. Data to send is copied once, into packets. Both
// limits grow by themselves while a connection makes use of them, until somebody sets them
// (SO_RCVBUF, SO_SNDBUF) or memory for packets runs short (packet_memory.h).
#pragma once

#include "fs/core/io_buffer.h"
#include "kernel/base/list.h"
#include "net/core/ip_address.h"
#include "net/lwip/core.h"
#include "net/lwip/ports.h"

struct pbuf;
struct tcp_pcb;
struct tcp_pcb_listen;
struct tcp_seg;

namespace narwhal::net {

// Linux's numbers (include/net/tcp_states.h).
enum class TcpState : u8 {
  kEstablished = 1,
  kSynSent = 2,
  kSynReceived = 3,
  kFinWait1 = 4,
  kFinWait2 = 5,
  kTimeWait = 6,
  kClose = 7,
  kCloseWait = 8,
  kLastAck = 9,
  kListen = 10,
  kClosing = 11,
};

TcpState tcp_state_of(const tcp_pcb* pcb);

struct TcpKeepalive {
  bool enabled = false;
  u32 idle_seconds = 7200;
  u32 interval_seconds = 75;
  u32 probes = 9;
};

// What tcp(7)'s TCP_INFO shows, as far as lwIP knows it.
struct TcpStatistics {
  TcpState state;
  u8 retransmits, probes, backoff, send_scale, receive_scale;
  bool sack, window_scaling;
  u32 rto_us, rtt_us, rtt_deviation_us;
  u32 send_mss, receive_mss;
  u32 unacked_segments, retransmitted_segments;
  u32 congestion_window, slow_start_threshold;  // segments
  u32 receive_window, send_window;              // bytes
  u32 unsent_bytes, unacked_bytes;
  u64 bytes_sent, bytes_acked, bytes_received;
};

class TcpEndpoint : NonCopyable {
 public:
  enum class Event : u8 { kReadable, kWritable, kConnected, kClosed };

  explicit TcpEndpoint(IpVersion version);

  // --- addresses
  // EADDRINUSE, ENOMEM. Port 0: one of the ephemeral range.
  Result<> bind(const IpEndpoint& local);
  bool bound() const { return binding_.port != nullptr; }
  // The claim on the local port; its flags may be changed while it stands.
  PortBinding& binding() { return binding_; }
  IpVersion version() const { return version_; }
  // Of the socket, for who lists connections.
  virtual u64 inode_number() const { return 0; }
  IpEndpoint local() const;
  IpEndpoint remote() const;

  // --- connections
  // Begins to connect: told() follows. ENETUNREACH, EADDRNOTAVAIL, EADDRINUSE, ENOBUFS.
  Result<> connect(const IpEndpoint& remote);
  TcpState state() const;
  // Why the connection ended, until it is asked for.
  Errno error() const { return error_; }
  Errno take_error() { return std::exchange(error_, Errno{}); }
  // The peer has sent all that it will, or the connection is gone.
  bool end_of_input() const { return end_of_input_; }
  // Says FIN once everything has been sent.
  void finish_output();
  bool output_finished() const { return output_finished_; }
  // Gives the connection up: RST if there is one.
  void abort();
  // The socket is closed: sends what is left and FIN (or RST if data was not read), on its own from
  // now on.
  void release();
  // Back to a fresh endpoint, keeping an explicit binding (connect(2) to AF_UNSPEC).
  void disconnect();

  // --- listening
  // EADDRINUSE. `backlog` connections may wait to be accepted, and one more, as on Linux.
  Result<> listen(u32 backlog);
  void set_backlog(u32 backlog) { backlog_ = backlog; }
  // The oldest connection that waits; null when there is none. Passes on the queue's reference.
  TcpEndpoint* accept();
  bool connections_waiting() const { return !waiting_.empty(); }
  u32 waiting_count() const { return waiting_count_; }
  u32 backlog() const { return backlog_; }

  // --- data
  // Takes what there is room for. EAGAIN, ENOBUFS, EFAULT. `more`: hold back a last partial
  // segment.
  Result<usize> send(IoBuffer& from, bool more);
  // EAGAIN when nothing is there; the end of input is the caller's business.
  Result<usize> receive(IoBuffer& to, bool peek);
  // Throws received data away; returns how much.
  usize discard(usize bytes);
  usize readable_bytes() const { return received_bytes_; }
  usize send_room() const;
  usize queued_to_send() const;  // not acknowledged yet (SIOCOUTQ)
  usize unsent_bytes() const;    // SIOCOUTQNSD
  // Whether at least a third of the send buffer is free.
  bool writable() const;
  // Whoever asked is told when some of what was sent has been acknowledged.
  void want_room() { wants_room_ = true; }

  // --- options
  void set_receive_limit(usize bytes);  // window; fixed from now on
  void set_send_limit(usize bytes);
  void set_no_delay(bool on);
  bool no_delay() const { return no_delay_; }
  // TCP_CORK: partial segments wait, at most 200 ms.
  void set_cork(bool on);
  bool cork() const { return cork_; }
  void set_keepalive(const TcpKeepalive& keepalive);
  const TcpKeepalive& keepalive() const { return keepalive_; }
  // TCP_QUICKACK: on, what waits to be acknowledged is so at once; off, it waits for an answer.
  // Either holds until the traffic says otherwise.
  void set_quick_ack(bool on);
  bool quick_ack() const;
  // Milliseconds that sent data may stay unacknowledged; 0: as long as the protocol tries.
  void set_user_timeout(u32 ms);
  u32 user_timeout() const { return user_timeout_ms_; }
  void set_traffic(u8 tos, u8 ttl);  // ttl 0: the default
  void set_max_segment(u16 bytes) { max_segment_ = bytes; }
  u16 max_segment() const;
  void set_syn_retries(u8 count) { syn_retries_ = count; }
  TcpStatistics statistics() const;
  // Takes another endpoint's options over.
  void inherit(const TcpEndpoint& from);

  // --- from lwIP
  static TcpEndpoint& of_binding(PortBinding& binding);
  tcp_pcb_listen* listener_pcb() const { return listener_; }
  bool may_take_another() const { return waiting_count_ <= backlog_; }
  // Connections whose handshake is not complete, oldest first, by their claims on the port. When
  // there are too many, the oldest gives way: in a flood of SYNs from nowhere, a true client has
  // the time that kMostHalfOpen others need to come (RFC 4987, section 3.4).
  static constexpr u32 kMostHalfOpen = 1024;
  void half_open_began(tcp_pcb* pcb, PortBinding& connection);
  void half_open_ended(PortBinding& connection);
  PortBinding* oldest_half_open() {
    return half_open_count_ > kMostHalfOpen ? half_open_.front() : nullptr;
  }
  u32 half_open_count() const { return half_open_count_; }
  void pcb_entered_time_wait();
  // A router or the peer could not pass a segment on. Ends an attempt to connect.
  void icmp_error(Errno error);
  void path_mtu(u16 mtu);

 protected:
  ~TcpEndpoint();

  // Something changed; kReadable also for connections that wait to be accepted.
  virtual void told(Event event) = 0;
  // A listener's new connection needs an endpoint: a socket with one reference, which belongs to
  // the queue of waiting connections. Null: refuse.
  virtual TcpEndpoint* new_child() { return nullptr; }
  // Drops the queue's reference to this child.
  virtual void drop_child() {}

 private:
  friend struct TcpCallbacks;
  static constexpr u8 kQuickAcks = 16;  // Linux' TCP_MAX_QUICKACKS

  // tcp_endpoint.cc
  void use_pcb(tcp_pcb* pcb);
  void adopt(tcp_pcb* pcb);  // a connection that a listener's peer has just completed
  void detach();             // lwIP calls us no more
  void ended(Errno error);
  void apply_options();
  void watch_clock();  // whether ticked() is needed
  bool ticked();       // false: the connection was given up
  bool tick_connecting();
  // tcp_listener.cc
  void close_listener();
  // tcp_send.cc
  struct Batch;                // segments that are ready, on their way to the pcb's queue
  usize segment_size() const;  // of what the peer gets
  usize longest_segment();     // of what the device gets
  usize send_limit() const;
  bool make_tail(usize data_room);
  bool grow_tail(usize wanted, usize most);
  void append_to_tail(pbuf* piece);
  Result<usize> put_copy(IoBuffer& from, usize left, usize most, bool may_grow);
  Result<usize> put_frame(const FramePiece& frame, usize most);
  void drop_tail();
  void move_tail(Batch& batch, bool push);
  void move_full_part(Batch& batch);
  void enqueue(Batch& batch);
  void send_tail(bool push);
  bool tail_may_go() const;
  bool device_is_busy() const;
  void acknowledged(u32 bytes);
  void adapt_send_limit();
  // tcp_held.cc
  friend struct HeldOutput;
  void hold_tail();
  // tcp_receive.cc
  void append_received(pbuf* packet);
  void append_piece(pbuf* piece);
  bool append_copy(const pbuf* piece);
  void drop_received();
  void consume(usize bytes);
  void drop_first();
  void open_window();
  u32 window_target() const;
  void acknowledge_now();
  bool expects_answer(u64 now) const;
  void note_received(const pbuf* packet);
  void note_sent();

  const IpVersion version_;
  PortBinding binding_;
  tcp_pcb* pcb_ = nullptr;
  tcp_pcb_listen* listener_ = nullptr;
  IpEndpoint local_, remote_;  // of the connection, also when its pcb is gone

  // Received packets in order, linked by their `next`.
  pbuf* received_first_ = nullptr;
  pbuf* received_last_ = nullptr;
  u32 received_bytes_ = 0;
  u32 received_spare_ = 0;  // free bytes behind the last packet's data
  u32 receive_limit_;
  u32 read_since_growth_ = 0;

  // When received data is acknowledged (tcp_receive.cc).
  u64 last_received_ns_ = 0;
  u8 quick_acks_left_ = kQuickAcks;
  bool interactive_ = false;  // the program answers what it gets
  bool unanswered_ = false;   // nothing was sent since data came
  bool pushed_ = false;       // the peer said that the last data is all for now

  // The last segment that went to lwIP's queue. It is gone when the queues are empty.
  tcp_seg* last_queued_ = nullptr;
  // The last segment, while it is not full and must not go yet.
  tcp_seg* tail_ = nullptr;
  pbuf* tail_end_ = nullptr;  // its last piece
  u16 tail_pieces_ = 0;
  u32 tail_room_ = 0;        // free bytes behind its data
  u16 longest_segment_ = 0;  // as its way out had it when it was asked first; 0: not yet
  u64 tail_since_ns_ = 0;
  ListNode held_node_;       // while the tail waits for the device (tcp_held.cc)
  u64 last_output_ns_ = 0;   // when send() last gave the device something
  bool has_device_ = false;  // whether its way out, as it was asked first, is one
  u32 send_limit_;

  u64 bytes_sent_ = 0, bytes_acked_ = 0, bytes_received_ = 0;
  u64 last_progress_ns_ = 0;
  u32 retransmitted_ = 0;

  ListNode waiting_node_;  // of a connection that waits to be accepted
  List<TcpEndpoint, &TcpEndpoint::waiting_node_> waiting_;
  u32 backlog_ = 0;
  u32 waiting_count_ = 0;
  List<PortBinding, &PortBinding::listener_node> half_open_;
  u32 half_open_count_ = 0;

  Errno error_{};
  TcpState state_without_pcb_ = TcpState::kClose;
  TcpKeepalive keepalive_;
  u32 user_timeout_ms_ = 0;
  u16 max_segment_ = 0;
  u8 syn_retries_ = 6;
  u8 tos_ = 0, ttl_ = 0;
  bool receive_limit_fixed_ = false;
  bool send_limit_fixed_ = false;
  bool no_delay_ = false;
  bool cork_ = false;
  bool more_ = false;  // the last send said that more follows
  bool end_of_input_ = false;
  bool output_finished_ = false;
  mutable bool wants_room_ = false;  // somebody was told that there is no room to send
};

}  // namespace narwhal::net
