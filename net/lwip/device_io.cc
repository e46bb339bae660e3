#include "net/lwip/device_io.h"

#include <new>

#include "lwip/inet_chksum.h"
#include "lwip/priv/tcp_priv.h"
#include "lwip/prot/etharp.h"
#include "lwip/prot/ethernet.h"
#include "lwip/prot/ip.h"
#include "lwip/prot/ip4.h"
#include "lwip/prot/ip6.h"
#include "lwip_hooks.h"
#include "net/lwip/core_lwip.h"
#include "net/lwip/packet_tap_lwip.h"
#include "net/lwip/references.h"
#include "net/lwip/tcp_cut.h"
#include "netif/ethernet.h"

namespace narwhal::net {
namespace {

constexpr u16 kChecks = NETIF_CHECKSUM_CHECK_UDP | NETIF_CHECKSUM_CHECK_TCP;
constexpr u16 kOffloaded = NETIF_CHECKSUM_GEN_UDP | NETIF_CHECKSUM_GEN_TCP;
constexpr usize kMostPieces = 32;

// --- sending

u16 load16(const u8* bytes) {
  return u16(bytes[0] << 8 | bytes[1]);
}

// Where the transport's checksum is, with the pseudo-header's sum put there (virtio 1.1, section
// 5.1.6.2; RFC 9293, section 3.1).
bool prepare_checksum(u8* bytes, usize size, NetDevice::Transmit& out) {
  if (size < SIZEOF_ETH_HDR + IP_HLEN) return false;
  u8* ip = bytes + SIZEOF_ETH_HDR;
  const u16 type = load16(bytes + 12);
  u16 header_length;
  u8 protocol;
  u32 sum;
  u16 length;
  if (type == ETHTYPE_IP) {
    header_length = u16((ip[0] & 0xf) * 4);
    // lwIP sums up what is sent in fragments itself.
    if (load16(ip + 6) & (IP_MF | IP_OFFMASK)) return false;
    protocol = ip[9];
    length = u16(load16(ip + 2) - header_length);
    sum = narwhal_lwip_checksum(ip + 12, 8);
  } else if (type == ETHTYPE_IPV6 && size >= SIZEOF_ETH_HDR + IP6_HLEN) {
    header_length = IP6_HLEN;
    protocol = ip[6];
    length = load16(ip + 4);
    sum = narwhal_lwip_checksum(ip + 8, 32);
  } else {
    return false;
  }
  u16 offset;
  if (protocol == IP_PROTO_TCP)
    offset = 16;
  else if (protocol == IP_PROTO_UDP)
    offset = 6;
  else
    return false;
  const u16 start = u16(SIZEOF_ETH_HDR + header_length);
  if (size < start + offset + 2u) return false;
  u8* field = bytes + start + offset;
  // Whoever filled it in meant it: a datagram whose checksum had to be computed here.
  if (field[0] != 0 || field[1] != 0) return false;
  sum += lwip_htons(protocol);
  sum += lwip_htons(length);
  sum = (sum >> 16) + (sum & 0xffff);
  sum = (sum >> 16) + (sum & 0xffff);
  const u16 folded = u16(sum);
  std::memcpy(field, &folded, sizeof folded);
  out.needs_checksum = true;
  out.checksum_start = start;
  out.checksum_offset = offset;
  return true;
}

u32 headroom(const pbuf* frame) {
  if (!(frame->type_internal & PBUF_TYPE_FLAG_STRUCT_DATA_CONTIGUOUS)) return 0;
  return u32(static_cast<const u8*>(frame->payload) - reinterpret_cast<const u8*>(frame + 1));
}

// --- receiving

NetDevice::ReceiveBuffer& buffer_of(const pbuf* piece) {
  const auto* area = reinterpret_cast<const std::byte*>(piece);
  return *reinterpret_cast<NetDevice::ReceiveBuffer*>(
      const_cast<std::byte*>(area - offsetof(NetDevice::ReceiveBuffer, stack_area)));
}

void release_piece(pbuf* piece) {
  NetDevice::ReceiveBuffer& buffer = buffer_of(piece);
  buffer.device->release(buffer);
}

pbuf* wrap(NetDevice::ReceiveBuffer& buffer) {
  static_assert(sizeof(pbuf_custom) <= sizeof buffer.stack_area);
  auto* custom = new (buffer.stack_area) pbuf_custom();
  custom->custom_free_function = release_piece;
  return pbuf_alloced_custom(PBUF_RAW, u16(buffer.length), PBUF_REF, custom, buffer.data,
                             u16(buffer.length));
}

void receive_frame(DeviceInterface& self, const NetDevice::Received& frame) {
  if (frame.length > 0xffff) {
    for (NetDevice::ReceiveBuffer* buffer = frame.first; buffer;) {
      NetDevice::ReceiveBuffer* next = buffer->next;
      self.device->release(*buffer);
      buffer = next;
    }
    ++self.received_dropped;
    return;
  }
  pbuf* packet = nullptr;
  for (NetDevice::ReceiveBuffer* buffer = frame.first; buffer;) {
    NetDevice::ReceiveBuffer* next = buffer->next;
    pbuf* piece = wrap(*buffer);
    if (packet)
      pbuf_cat(packet, piece);
    else
      packet = piece;
    buffer = next;
  }
  ++self.received_packets;
  self.received_bytes += frame.length;
  core_work_noted.traffic = true;
  netif& interface = self.interface;
  if (first_tap) [[unlikely]]
    tap_frame(interface, packet, false);
  if (frame.checksum_good)
    interface.chksum_flags &= u16(~kChecks);
  else
    interface.chksum_flags |= kChecks;
  if (interface.input(packet, &interface) != ERR_OK) pbuf_free(packet);
}

void check_link(DeviceInterface& self) {
  const bool up = self.device->link_up();
  if (up == bool(netif_is_link_up(&self.interface))) return;
  if (up)
    netif_set_link_up(&self.interface);
  else
    netif_set_link_down(&self.interface);
}

}  // namespace

void DeviceInterface::set_checksums() {
  u16 flags = NETIF_CHECKSUM_ENABLE_ALL;
  if (device->checksums_sent()) flags &= u16(~kOffloaded);
  NETIF_SET_CHECKSUM_CTRL(&interface, flags);
}

namespace {

bool transmit(DeviceInterface& self, const NetDevice::Transmit& packet) {
  if (self.device->transmit(packet).ok()) {
    self.unflushed = true;
    return true;
  }
  self.sent_blocked = true;
  return false;
}

bool transmit_frame(DeviceInterface& self, pbuf* frame) {
  pbuf* sent = frame;
  NetDevice::Piece pieces[kMostPieces];
  usize count = 0;
  for (const pbuf* piece = frame; piece && count <= kMostPieces; piece = piece->next) {
    if (piece->len == 0) continue;
    if (count == kMostPieces) {
      // Written in tiny bits: put together.
      sent = pbuf_clone(PBUF_RAW_TX, PBUF_RAM, frame);
      if (!sent) return false;
      pieces[0] = {static_cast<const std::byte*>(sent->payload), sent->len};
      count = 1;
      break;
    }
    pieces[count++] = {static_cast<const std::byte*>(piece->payload), piece->len};
  }
  NetDevice::Transmit packet;
  packet.pieces = {pieces, count};
  packet.headroom = headroom(sent);
  packet.token = sent;
  if (self.device->checksums_sent() && !(frame->flags & NARWHAL_PBUF_AS_IT_IS))
    prepare_checksum(static_cast<u8*>(sent->payload), sent->len, packet);
  if (sent == frame) pbuf_ref(sent);
  if (transmit(self, packet)) return true;
  pbuf_free(sent);
  return false;
}

// False: the device takes it later.
bool transmit_train(DeviceInterface& self) {
  SegmentTrain* train = self.train;
  if (!train) return true;
  if (!train->is_cut()) {
    if (!transmit_frame(self, train->first())) return false;
    self.train = nullptr;
    delete train;
    return true;
  }
  NetDevice::Piece pieces[SegmentTrain::kMostPieces];
  NetDevice::Transmit packet;
  train->describe(pieces, packet);
  if (!prepare_checksum(train->header(), packet.header_length, packet)) return false;
  // It may be gone when the device has it.
  self.train = nullptr;
  if (transmit(self, packet)) return true;
  self.train = train;
  return false;
}

// Whether the frame went into a train, which leaves when the lock is given up at the latest.
bool join_train(DeviceInterface& self, pbuf* frame) {
  // Short ones come alone.
  constexpr u16 kLeast = 512;
  Segment segment;
  if (!Segment::parse(frame, segment)) return false;
  if (segment.is_long) segment.cut_size = size_to_cut(frame);
  if (segment.cut_size == 0) return false;
  if (self.train && self.train->add(frame, segment, self.device->largest_segment())) return true;
  if (segment.data_size < kLeast || !transmit_train(self)) return false;
  self.train = SegmentTrain::begin(frame, segment);
  return self.train != nullptr;
}

void note_question(DeviceInterface& self, const pbuf* frame) {
  const auto& header = *static_cast<const eth_hdr*>(frame->payload);
  if (header.type != PP_HTONS(ETHTYPE_ARP) || frame->len < SIZEOF_ETH_HDR + SIZEOF_ETHARP_HDR)
    return;
  const auto& question = *reinterpret_cast<const etharp_hdr*>(&header + 1);
  if (question.opcode == PP_HTONS(ARP_REQUEST))
    IPADDR_WORDALIGNED_COPY_TO_IP4_ADDR_T(&self.asked_for, &question.dipaddr);
}

}  // namespace

err_t device_transmit(netif* interface, pbuf* frame) {
  auto& self = *static_cast<DeviceInterface*>(interface->state);
  core_work_noted.traffic = true;
  if (first_tap) [[unlikely]]
    tap_frame(*interface, frame, true);
  note_question(self, frame);
  const bool joined = self.device->largest_segment() != 0 &&
                      !(frame->flags & NARWHAL_PBUF_AS_IT_IS) && join_train(self, frame);
  // A long segment whose neighbour's address had to be asked for is lost: nobody knows any more how
  // to cut it.
  const bool lost = !joined && (frame->flags & NARWHAL_PBUF_IS_CUT);
  if (lost || (!joined && (!transmit_train(self) || !transmit_frame(self, frame)))) {
    ++self.sent_dropped;
    return ERR_MEM;
  }
  if (joined) self.unflushed = true;
  ++self.sent_packets;
  self.sent_bytes += frame->tot_len;
  return ERR_OK;
}

void device_transmit_done(void* token) {
  if (SegmentTrain* train = SegmentTrain::of_token(token))
    delete train;
  else
    pbuf_free(static_cast<pbuf*>(token));
}

err_t device_input(pbuf* frame, netif* interface) {
  return ethernet_input(frame, interface);
}

usize pbuf_footprint(const pbuf* piece) {
  if (piece->flags & PBUF_FLAG_IS_CUSTOM) {
    const auto* custom = reinterpret_cast<const pbuf_custom*>(piece);
    if (custom->custom_free_function == release_piece) return buffer_of(piece).capacity;
    return reference_footprint(piece);
  }
  return heap_usable_size(piece);
}

bool interfaces_receive(usize budget) {
  bool more = false;
  for (DeviceInterface* self = first_device_interface(); self; self = self->next) {
    check_link(*self);
    self->device->complete_transmits();
    usize left = budget;
    for (; left > 0; --left) {
      const NetDevice::Received frame = self->device->receive();
      if (!frame.first) break;
      receive_frame(*self, frame);
    }
    if (left == 0) more = true;
    self->unflushed = true;  // buffers went back to the device
    // What did not fit into the device's queue can go now.
    if (self->sent_blocked) {
      self->sent_blocked = false;
      if (transmit_train(*self)) tcp_txnow();
    }
  }
  return more;
}

void interfaces_flush() {
  for (DeviceInterface* self = first_device_interface(); self; self = self->next) {
    if (!self->unflushed) continue;
    self->unflushed = false;
    transmit_train(*self);
    self->device->flush();
  }
}

void interfaces_complete() {
  for (DeviceInterface* self = first_device_interface(); self; self = self->next)
    self->device->complete_transmits();
}

u32 interfaces_enable_events() {
  u32 pending = 0;
  for (DeviceInterface* self = first_device_interface(); self; self = self->next)
    if (self->device->enable_events()) ++pending;
  return pending;
}

}  // namespace narwhal::net
