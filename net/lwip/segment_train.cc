#include "net/lwip/segment_train.h"

#include <cstring>
#include <new>

#include "lwip/prot/ethernet.h"
#include "lwip/prot/ip.h"
#include "lwip/prot/ip4.h"
#include "lwip/prot/ip6.h"
#include "lwip/prot/tcp.h"
#include "lwip_hooks.h"
#include "net/lwip/core_lwip.h"

namespace narwhal::net {
namespace {

u16 load16(const u8* bytes) {
  return u16(bytes[0] << 8 | bytes[1]);
}
u32 load32(const u8* bytes) {
  return u32(load16(bytes)) << 16 | load16(bytes + 2);
}
void store16(u8* bytes, usize value) {
  bytes[0] = u8(value >> 8);
  bytes[1] = u8(value);
}

// Offsets: RFC 791, section 3.1; RFC 8200, section 3; RFC 9293, section 3.1.
constexpr usize kLength4 = 2, kFragment4 = 6, kProtocol4 = 9, kSum4 = 10, kAddresses4 = 12;
constexpr usize kLength6 = 4, kProtocol6 = 6;
constexpr usize kSequence = 4, kAcknowledged = 8, kFlags = 13, kWindow = 14, kSum = 16,
                kUrgent = 18;
constexpr u8 kPlainHeader4 = 0x45;  // without options

bool same(const u8* a, const u8* b, usize from, usize to) {
  return std::memcmp(a + from, b + from, to - from) == 0;
}

// Whether two frames say the same but for what the device gives to each segment.
bool same_stream(const u8* a, const u8* b, const Segment& at) {
  const u8 *network_a = a + at.network_at, *network_b = b + at.network_at;
  const u8 *transport_a = a + at.transport_at, *transport_b = b + at.transport_at;
  const bool same_network = at.is_ipv6 ? same(network_a, network_b, 0, kLength6) &&
                                             same(network_a, network_b, kProtocol6, IP6_HLEN)
                                       : same(network_a, network_b, 0, kLength4) &&
                                             same(network_a, network_b, kFragment4, kSum4) &&
                                             same(network_a, network_b, kAddresses4, IP_HLEN);
  return same_network && same(a, b, 0, SIZEOF_ETH_HDR) &&
         same(transport_a, transport_b, 0, kSequence) &&
         same(transport_a, transport_b, kAcknowledged, kFlags) &&
         same(transport_a, transport_b, kWindow, kSum) &&
         same(transport_a, transport_b, kUrgent, usize(at.data_at - at.transport_at));
}

}  // namespace

bool Segment::parse(pbuf* frame, Segment& out) {
  auto* bytes = static_cast<u8*>(frame->payload);
  if (frame->len < SIZEOF_ETH_HDR + IP_HLEN + TCP_HLEN) return false;
  u8* network = bytes + SIZEOF_ETH_HDR;
  const u16 type = load16(bytes + 12);
  usize network_size, total;
  u8 protocol;
  if (type == ETHTYPE_IP) {
    if (network[0] != kPlainHeader4 || (load16(network + kFragment4) & (IP_MF | IP_OFFMASK)))
      return false;
    network_size = IP_HLEN;
    total = load16(network + kLength4);
    protocol = network[kProtocol4];
  } else if (type == ETHTYPE_IPV6) {
    network_size = IP6_HLEN;
    total = IP6_HLEN + load16(network + kLength6);
    protocol = network[kProtocol6];
  } else {
    return false;
  }
  if (protocol != IP_PROTO_TCP || frame->tot_len != SIZEOF_ETH_HDR + total) return false;
  const usize transport_at = SIZEOF_ETH_HDR + network_size;
  if (frame->len < transport_at + TCP_HLEN) return false;
  const u8* transport = bytes + transport_at;
  const usize data_at = transport_at + usize(transport[12] >> 4) * 4;
  // Its sum is the device's affair, and it does nothing but bring data.
  if ((transport[kFlags] & ~TCP_PSH) != TCP_ACK || load16(transport + kSum) != 0 ||
      frame->len < data_at || frame->tot_len == data_at)
    return false;
  out = {bytes,
         SIZEOF_ETH_HDR,
         u16(transport_at),
         u16(data_at),
         u16(frame->tot_len - data_at),
         u16(frame->tot_len - data_at),
         (frame->flags & NARWHAL_PBUF_IS_CUT) != 0,
         type != ETHTYPE_IP};
  return true;
}

SegmentTrain* SegmentTrain::begin(pbuf* frame, const Segment& segment) {
  auto* train = new (std::nothrow) SegmentTrain;
  if (!train) return nullptr;
  train->first_ = segment;
  train->size_ = segment.data_at;
  std::memcpy(train->header_, segment.bytes, segment.data_at);
  train->next_sequence_ = load32(segment.bytes + segment.transport_at + kSequence);
  train->append(frame, segment);
  return train;
}

SegmentTrain::~SegmentTrain() {
  for (usize i = 0; i < count_; ++i) pbuf_free(frames_[i]);
}

void SegmentTrain::append(pbuf* frame, const Segment& segment) {
  pbuf_ref(frame);
  frames_[count_++] = frame;
  pieces_ += pbuf_clen(frame);
  size_ += segment.data_size;
  next_sequence_ += segment.data_size;
  ended_ = segment.data_size % first_.cut_size != 0;
  header_[first_.transport_at + kFlags] |= segment.bytes[segment.transport_at + kFlags];
}

bool SegmentTrain::add(pbuf* frame, const Segment& segment, u32 most_bytes) {
  constexpr u32 kMostPacket = 0xffff;
  if (ended_ || count_ == kMostFrames || pieces_ + pbuf_clen(frame) > kMostPieces ||
      size_ + segment.data_size > most_bytes ||
      size_ + segment.data_size - SIZEOF_ETH_HDR > kMostPacket ||
      (segment.is_long ? segment.cut_size != first_.cut_size
                       : segment.data_size > first_.cut_size) ||
      segment.data_at != first_.data_at || segment.transport_at != first_.transport_at ||
      load32(segment.bytes + segment.transport_at + kSequence) != next_sequence_ ||
      !same_stream(header_, segment.bytes, first_))
    return false;
  append(frame, segment);
  return true;
}

void SegmentTrain::describe(NetDevice::Piece* pieces, NetDevice::Transmit& out) {
  u8* network = header_ + first_.network_at;
  const usize total = size_ - first_.network_at;
  if (first_.is_ipv6) {
    store16(network + kLength6, total - IP6_HLEN);
  } else {
    store16(network + kLength4, total);
    store16(network + kSum4, 0);
    const u16 sum = u16(~narwhal_lwip_checksum(network, IP_HLEN));
    std::memcpy(network + kSum4, &sum, sizeof sum);
  }
  store16(header_ + first_.transport_at + kSum, 0);
  usize count = 0;
  pieces[count++] = {reinterpret_cast<const std::byte*>(header_), first_.data_at};
  for (usize i = 0; i < count_; ++i) {
    usize skip = first_.data_at;
    for (const pbuf* piece = frames_[i]; piece; piece = piece->next) {
      const auto* bytes = static_cast<const std::byte*>(piece->payload) + skip;
      const u32 size = u32(piece->len - skip);
      skip = 0;
      NetDevice::Piece& last = pieces[count - 1];
      // Pages of a file often lie one behind the other.
      if (last.data + last.length == bytes)
        last.length += size;
      else if (size != 0)
        pieces[count++] = {bytes, size};
    }
  }
  out.pieces = {pieces, count};
  out.headroom = kHeadroom;
  out.segment_size = first_.cut_size;
  out.header_length = first_.data_at;
  out.is_ipv6 = first_.is_ipv6;
  out.token = token();
}

}  // namespace narwhal::net
