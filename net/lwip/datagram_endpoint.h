// What UDP and raw endpoints have in common: a queue of datagrams that came, the error that an ICMP
// message brought, and how one datagram is sent.
//
// The socket derives from an endpoint and is told of changes. All calls, and all that it is told,
// happen with the core lock held.
#pragma once

#include "fs/core/io_buffer.h"
#include "kernel/base/list.h"
#include "net/lwip/core.h"
#include "net/lwip/icmp_errors.h"

struct pbuf;

namespace narwhal::net {

struct Datagram {
  ListNode node;
  pbuf* packet = nullptr;
  usize size = 0;       // of the data
  usize footprint = 0;  // memory that it occupies
  IpEndpoint from;
  IpAddress to;
  u32 interface = 0;    // where it came in
  i64 received_ns = 0;  // wall clock
  u8 traffic_class = 0;
  u8 hops = 0;  // IPv4: time to live
};

struct SendRequest {
  IpEndpoint to;
  IpAddress source;  // any: as the route says
  u32 device = 0;    // 0: as the route says
  u8 traffic_class = 0;
  u8 hops = 0;  // 0: the default
  bool broadcast_allowed = false;
  bool multicast_loop = true;
  bool dont_fragment = false;  // EMSGSIZE instead of fragments
};

class DatagramEndpoint : NonCopyable {
 public:
  enum class Event : u8 { kReadable, kError };

  // --- received datagrams, oldest first
  Datagram* front() { return datagrams_.front(); }
  // Copies the oldest one from its start, as much as there is room for. EFAULT.
  Result<usize> copy_front(IoBuffer& to);
  void drop_front();
  usize queued_bytes() const { return queued_; }  // of memory
  void set_receive_limit(usize bytes) { receive_limit_ = bytes; }
  u64 dropped() const { return dropped_; }  // for want of room

  // --- errors
  Errno error() const { return error_; }
  Errno take_error() { return std::exchange(error_, Errno{}); }
  // Also keep whole reports for MSG_ERRQUEUE, of soft errors too (IP_RECVERR).
  void keep_reports(bool on) { keep_reports_ = on; }
  struct Report {
    ListNode node;
    IcmpError error;
  };
  bool has_reports() const { return report_count_ != 0; }
  // The oldest report; false when there is none.
  bool take_report(IcmpError& out);

 protected:
  DatagramEndpoint() = default;
  ~DatagramEndpoint();
  virtual void told(Event event) = 0;

  // Takes the packet over. The rest is filled in from the IP header that lwIP looks at just now.
  void enqueue(pbuf* packet, const IpEndpoint& from);
  bool has_room() const { return queued_ <= receive_limit_; }
  void note_dropped() { ++dropped_; }
  void report(const IcmpError& error, bool connected);
  void drop_all();
  // A packet with `size` bytes of data, which may be in several pieces. EFAULT, ENOBUFS.
  static Result<pbuf*> load(IoBuffer& from, usize size);

 private:
  static constexpr usize kMostReports = 16;

  List<Datagram, &Datagram::node> datagrams_;
  List<Report, &Report::node> reports_;
  usize queued_ = 0;
  usize receive_limit_ = 212992;
  usize report_count_ = 0;
  u64 dropped_ = 0;
  Errno error_{};
  bool keep_reports_ = false;
};

}  // namespace narwhal::net
