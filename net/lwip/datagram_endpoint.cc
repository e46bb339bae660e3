#include "net/lwip/datagram_endpoint.h"

#include "kernel/sched/clock.h"
#include "lwip/ip.h"
#include "lwip/prot/ip4.h"
#include "lwip/prot/ip6.h"
#include "net/lwip/core_lwip.h"
#include "net/lwip/device_io.h"
#include "net/lwip/packet_memory.h"

namespace narwhal::net {
namespace {

// A packet that leaves so much of its memory unused is copied, so that a program that falls behind
// does not keep a device's buffers.
constexpr usize kWaste = 1024;
// The first piece of what is sent; more follows in further ones, because lwIP counts a piece and
// the room before it in 16 bits.
constexpr usize kMostPiece = 32 * kKiB;

pbuf* compact(pbuf* packet) {
  usize footprint = 0;
  for (const pbuf* piece = packet; piece; piece = piece->next) footprint += pbuf_footprint(piece);
  if (footprint <= packet->tot_len + kWaste) return packet;
  pbuf* copy = pbuf_alloc(PBUF_RAW, packet->tot_len, PBUF_RAM);
  if (!copy) return packet;
  pbuf_copy_partial(packet, copy->payload, packet->tot_len, 0);
  pbuf_free(packet);
  return copy;
}

}  // namespace

DatagramEndpoint::~DatagramEndpoint() {
  ASSERT(datagrams_.empty() && report_count_ == 0);
}

void DatagramEndpoint::enqueue(pbuf* packet, const IpEndpoint& from) {
  auto* datagram = has_room() ? new (std::nothrow) Datagram() : nullptr;
  if (!datagram) {
    ++dropped_;
    pbuf_free(packet);
    return;
  }
  datagram->size = packet->tot_len;
  datagram->from = from;
  datagram->to = from_lwip(*ip_current_dest_addr());
  datagram->interface = netif_get_index(ip_current_input_netif());
  datagram->received_ns = wall_clock_ns();
  if (ip_current_is_v6()) {
    datagram->traffic_class = u8(IP6H_TC(ip6_current_header()));
    datagram->hops = IP6H_HOPLIM(ip6_current_header());
  } else {
    datagram->traffic_class = IPH_TOS(ip4_current_header());
    datagram->hops = IPH_TTL(ip4_current_header());
  }
  packet = compact(packet);  // and the headers may be gone
  datagram->packet = packet;
  datagram->footprint = sizeof(Datagram);
  for (const pbuf* piece = packet; piece; piece = piece->next)
    datagram->footprint += pbuf_footprint(piece);
  queued_ += datagram->footprint;
  packet_memory.add(datagram->footprint);
  datagrams_.push_back(*datagram);
  told(Event::kReadable);
}

Result<usize> DatagramEndpoint::copy_front(IoBuffer& to) {
  usize total = 0;
  for (const pbuf* piece = datagrams_.front()->packet; piece && to.remaining() != 0;
       piece = piece->next) {
    if (piece->len == 0) continue;
    const usize moved = TRY(to.write(piece->payload, piece->len));
    total += moved;
    if (moved < piece->len && to.remaining() != 0) return Errno::kFault;
  }
  return total;
}

void DatagramEndpoint::drop_front() {
  Datagram* first = datagrams_.pop_front();
  queued_ -= first->footprint;
  packet_memory.remove(first->footprint);
  pbuf_free(first->packet);
  delete first;
}

void DatagramEndpoint::drop_all() {
  while (datagrams_.front()) drop_front();
  IcmpError ignored;
  while (take_report(ignored)) {
  }
}

// --- errors

bool DatagramEndpoint::take_report(IcmpError& out) {
  Report* first = reports_.pop_front();
  if (!first) return false;
  out = first->error;
  --report_count_;
  delete first;
  return true;
}

// ip(7), IP_RECVERR: without it only hard errors count, and only for who is connected.
void DatagramEndpoint::report(const IcmpError& error, bool connected) {
  if (keep_reports_) {
    if (report_count_ < kMostReports) {
      if (auto* report = new (std::nothrow) Report()) {
        report->error = error;
        reports_.push_back(*report);
        ++report_count_;
      }
    }
  } else if (!connected || !error.hard) {
    return;
  }
  error_ = error.error;
  told(Event::kError);
}

// --- sending

Result<pbuf*> DatagramEndpoint::load(IoBuffer& from, usize size) {
  pbuf* packet = nullptr;
  usize left = size;
  do {
    const usize length = left < kMostPiece ? left : kMostPiece;
    pbuf* piece = pbuf_alloc(packet ? PBUF_RAW : PBUF_TRANSPORT, u16(length), PBUF_RAM);
    if (!piece) {
      if (packet) pbuf_free(packet);
      return Errno::kNoBufs;
    }
    if (packet)
      pbuf_cat(packet, piece);
    else
      packet = piece;
    auto moved = length == 0 ? Result<usize>(usize{0}) : from.read(piece->payload, length);
    if (!moved.ok() || moved.value() < length) {
      pbuf_free(packet);
      return Errno::kFault;
    }
    left -= length;
  } while (left != 0);
  return packet;
}

}  // namespace narwhal::net
