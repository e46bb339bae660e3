#include "net/inet/testing/mirror_device.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace narwhal::testing {
namespace {

constexpr usize kEthernet = 14;
constexpr u8 kTcp = 6, kSyn = 2;

void swap_bytes(u8* a, u8* b, usize count) {
  std::swap_ranges(a, a + count, b);
}

u16 ones_complement(const u8* bytes, usize size) {
  u32 sum = 0;
  for (usize i = 0; i < size; ++i) sum += i % 2 == 0 ? u32(bytes[i]) << 8 : bytes[i];
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return u16(~sum);
}

void put16(u8* at, usize value) {
  at[0] = u8(value >> 8);
  at[1] = u8(value);
}

// Of a whole IPv4 frame with TCP in it.
void sum_tcp(std::vector<u8>& frame) {
  u8* const ip = frame.data() + kEthernet;
  u8* const tcp = ip + (ip[0] & 0xf) * 4;
  const usize size = usize(ip[2] << 8 | ip[3]) - usize(tcp - ip);
  put16(tcp + 16, 0);
  std::vector<u8> summed(ip + 12, ip + 20);  // the pseudo-header
  summed.insert(summed.end(), {0, kTcp, u8(size >> 8), u8(size)});
  summed.insert(summed.end(), tcp, tcp + size);
  put16(tcp + 16, ones_complement(summed.data(), summed.size()));
}

// Turns the window scale option (RFC 7323, section 2.2) of a whole IPv4 frame into padding.
void remove_window_scaling(std::vector<u8>& frame) {
  constexpr u8 kEnd = 0, kNop = 1, kWindowScale = 3;
  u8* const ip = frame.data() + kEthernet;
  u8* const tcp = ip + (ip[0] & 0xf) * 4;
  if (ip[9] != kTcp || !(tcp[13] & kSyn)) return;
  u8* const end = tcp + (tcp[12] >> 4) * 4;
  for (u8* option = tcp + 20; option < end && *option != kEnd;
       option += *option == kNop ? 1 : option[1]) {
    if (*option == kWindowScale) std::memset(option, kNop, 3);
  }
  sum_tcp(frame);
}

}  // namespace

void MirrorDevice::inject_syn(const u8* from, u16 from_port, const u8* to, u16 to_port) {
  Frame frame(kEthernet + 40);
  std::memcpy(frame.data(), mac().bytes, 6);
  std::memcpy(frame.data() + 6, kPeerMac, 6);
  put16(frame.data() + 12, 0x0800);
  u8* const ip = frame.data() + kEthernet;
  ip[0] = 0x45;
  put16(ip + 2, 40);
  ip[8] = 64;
  ip[9] = kTcp;
  std::memcpy(ip + 12, from, 4);
  std::memcpy(ip + 16, to, 4);
  put16(ip + 10, ones_complement(ip, 20));
  u8* const tcp = ip + 20;
  put16(tcp, from_port);
  put16(tcp + 2, to_port);
  put16(tcp + 4, from_port);  // a sequence number
  tcp[12] = 5 << 4;
  tcp[13] = kSyn;
  put16(tcp + 14, 0xffff);
  sum_tcp(frame);
  wire_.push_back(std::move(frame));
}

void MirrorDevice::put_on_wire(Frame frame) {
  const u16 type = u16(frame[12] << 8 | frame[13]);
  if (type == 0x0806 && frame[21] == 1) {  // an ARP request: the mirror's neighbour answers
    u8* arp = frame.data() + kEthernet;
    if (std::memcmp(arp + 14, arp + 24, 4) == 0) return;  // about the sender itself
    swap_bytes(arp + 14, arp + 24, 4);
    std::memcpy(arp + 18, arp + 8, 6);
    std::memcpy(arp + 8, kPeerMac, 6);
    arp[7] = 2;
  } else if (type == 0x0800) {
    u8* ip = frame.data() + kEthernet;
    if ((ip[16] & 0xf0) == 0xe0) return;  // multicast has no mirror image
    swap_bytes(ip + 12, ip + 16, 4);      // which leaves every checksum as it was
    if (hides_window_scaling) remove_window_scaling(frame);
  } else {
    return;
  }
  std::memcpy(frame.data(), mac().bytes, 6);
  std::memcpy(frame.data() + 6, kPeerMac, 6);
  if (chance(loss)) return;
  if (chance(repeats)) wire_.push_back(frame);
  if (chance(reorders) && !wire_.empty())
    wire_.insert(wire_.end() - 1, std::move(frame));
  else
    wire_.push_back(std::move(frame));
}

// TCP segmentation offload (virtio 1.1, section 5.1.6.2), of IPv4.
void MirrorDevice::put_segments_on_wire(const Frame& frame, const Transmit& packet) {
  constexpr u8 kPushAndFin = 8 | 1;
  const usize head = packet.header_length, cut_before = cut;
  ASSERT(frame[12] == 8 && head < frame.size());
  ASSERT(ones_complement(frame.data() + kEthernet, 20) == 0);
  ASSERT(usize(frame[kEthernet + 2] << 8 | frame[kEthernet + 3]) == frame.size() - kEthernet);
  for (usize at = head; at < frame.size(); at += packet.segment_size) {
    const usize end = std::min<usize>(at + packet.segment_size, frame.size());
    Frame segment(frame.begin(), frame.begin() + i64(head));
    segment.insert(segment.end(), frame.begin() + i64(at), frame.begin() + i64(end));
    u8* const ip = segment.data() + kEthernet;
    put16(ip + 2, segment.size() - kEthernet);
    put16(ip + 10, 0);
    put16(ip + 10, ones_complement(ip, 20));
    u8* const tcp = ip + 20;
    const u32 sequence = u32(tcp[4] << 24 | tcp[5] << 16 | tcp[6] << 8 | tcp[7]) + u32(at - head);
    put16(tcp + 4, sequence >> 16);
    put16(tcp + 6, sequence & 0xffff);
    if (end < frame.size()) tcp[13] &= u8(~kPushAndFin);
    sum_tcp(segment);
    ++cut;
    put_on_wire(std::move(segment));
  }
  most_cut = std::max(most_cut, cut - cut_before);
}

Result<> MirrorDevice::transmit(const Transmit& packet) {
  if (done_.size() >= queue_room) return Errno::kNoBufs;
  ++transmitted;
  Frame frame;
  for (const Piece& piece : packet.pieces) {
    const auto* bytes = reinterpret_cast<const u8*>(piece.data);
    frame.insert(frame.end(), bytes, bytes + piece.length);
  }
  if (packet.segment_size != 0) {
    ASSERT(sums_checksums_ && packet.needs_checksum && frame.size() <= largest_segment());
    put_segments_on_wire(frame, packet);
    done_.push_back(packet.token);
    return {};
  }
  if (packet.needs_checksum) {
    ASSERT(sums_checksums_);
    const u16 sum =
        ones_complement(frame.data() + packet.checksum_start, frame.size() - packet.checksum_start);
    frame[packet.checksum_start + packet.checksum_offset] = u8(sum >> 8);
    frame[packet.checksum_start + packet.checksum_offset + 1u] = u8(sum);
  }
  put_on_wire(std::move(frame));
  done_.push_back(packet.token);
  return {};
}

void MirrorDevice::complete_transmits() {
  for (void* token : std::exchange(done_, {})) completed_(token);
}

NetDevice::Received MirrorDevice::receive() {
  if (wire_.empty()) return {};
  const Frame frame = std::move(wire_.front());
  wire_.pop_front();
  Received received;
  received.length = u32(frame.size());
  ReceiveBuffer** last = &received.first;
  for (usize at = 0; at < frame.size(); at += Buffer::kSize) {
    auto* buffer = new Buffer();
    buffer->data = buffer->bytes;
    buffer->length = u32(std::min<usize>(Buffer::kSize, frame.size() - at));
    buffer->capacity = Buffer::kSize;
    buffer->device = this;
    std::memcpy(buffer->bytes, frame.data() + at, buffer->length);
    *last = buffer;
    last = &buffer->next;
    ++lent_;
  }
  lent_most = std::max(lent_most, lent_);
  return received;
}

void MirrorDevice::release(ReceiveBuffer& buffer) {
  --lent_;
  delete static_cast<Buffer*>(&buffer);
}

}  // namespace narwhal::testing
